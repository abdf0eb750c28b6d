"""The first answer of servers that no library can play any more: broken versions and suites."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FakeTls:
    """Answers hellos of this version that offer this suite, as the doctor's do; a real client is
    served by the real library. `compression` is the method that is chosen."""

    version: int = 0x0303
    suite: int = 0xC02F
    compression: int = 0
    renegotiates: bool = True

    def answer(self, record: bytes) -> bytes:
        """The answer to the record of a hello; b"" for one that is not for this server."""
        version = int.from_bytes(record[9:11], "big")
        at = 44 + record[43]
        length = int.from_bytes(record[at : at + 2], "big")
        suites = record[at + 2 : at + 2 + length]
        offered = {int.from_bytes(suites[i : i + 2], "big") for i in range(0, length, 2)}
        compresses = record[at + 2 + length] == 2
        if version != self.version or self.suite not in offered or not compresses:
            return b""
        extensions = b"\xff\x01\x00\x01\x00" if self.renegotiates else b""
        extensions += b"\x00\x17\x00\x00"
        hello = (
            version.to_bytes(2, "big")
            + bytes(33)
            + self.suite.to_bytes(2, "big")
            + bytes([self.compression])
            + len(extensions).to_bytes(2, "big")
            + extensions
        )
        messages = b"\x02" + len(hello).to_bytes(3, "big") + hello + b"\x0e\x00\x00\x00"
        return b"\x16" + version.to_bytes(2, "big") + len(messages).to_bytes(2, "big") + messages
