"""Content on the wire, read in the plainest way that there is: what the readers must equal."""

BARE_ENDS = (
    b"\n.\n",
    b"\n.\r\n",
    b"\n.\r",
    b"\r.\r",
    b"\r.\n",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
)
"""Ends of data to servers that are not careful, made with a CR or LF that stands alone."""

HARMLESS_ENDS = (
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n .\r\n",
    b"\r\n.\t\r\n",
    b"\x85.\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
    b"\x0b.\x0b",
    b"\x0c.\x0c",
)
"""Look like an end of data to nobody who is careful, and have no bare line end."""


PROXY_HEADERS = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 587\r\nEHLO c.test\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 50000 587\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(range(12)),
]
"""How a load balancer begins with version 1 and version 2 of the PROXY protocol."""


def cut(octets: bytes, sizes: list[int]) -> list[bytes]:
    """The octets in pieces of these sizes, taken in turn."""
    blocks = []
    turn = 0
    while octets:
        size = sizes[turn % len(sizes)]
        blocks.append(octets[:size])
        octets = octets[size:]
        turn += 1
    return blocks


def is_bare(octets: bytes) -> bool:
    """Octet by octet: does a CR have no LF behind it, or an LF no CR before it?"""
    for index, octet in enumerate(octets):
        if octet == 13 and octets[index + 1 : index + 2] != b"\n":
            return True
        if octet == 10 and (index == 0 or octets[index - 1] != 13):
            return True
    return False


def read_data(wire: bytes) -> tuple[bytes, bytes] | None:
    """Raw content and what is behind it, by walking line by line; None if DATA does not end."""
    content = b""
    rest = wire
    while True:
        line, separator, rest = rest.partition(b"\r\n")
        if not separator:
            return None
        if line == b".":
            return content, rest
        content += line + separator


def unstuffed(content: bytes) -> bytes:
    """The content without the first dot of each line that begins with one."""
    lines = content.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
