"""How a fuzz target reads its input: choices from the end, the text that it is about from the
front, so that a seed in a file reads like the dialogue that it is."""


class Draw:
    """Octets that are used up by questions; when they are, the answers are 0 and empty."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def number(self, limit: int) -> int:
        """One of 0 to `limit` - 1 (at most 256 of them)."""
        if not self._octets:
            return 0
        last = self._octets[-1]
        self._octets = self._octets[:-1]
        return last % limit

    def flag(self) -> bool:
        """Yes or no."""
        return self.number(2) == 1

    def sizes(self) -> list[int]:
        """Sizes of pieces, to be taken in turn: small ones, where cuts are of interest."""
        return [1 + self.number(16) for _ in range(1 + self.number(3))]

    def line(self) -> bytes:
        """What stands in front of the next LF, without it."""
        line, _, self._octets = self._octets.partition(b"\n")
        return line

    def text(self) -> str:
        """The next line as text; what is no UTF-8 becomes a replacement character."""
        return self.line().decode("utf-8", "replace")

    def rest(self) -> bytes:
        """All that is left."""
        octets, self._octets = self._octets, b""
        return octets
