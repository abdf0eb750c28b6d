"""Content on the wire, read in the plainest way that there is: what the readers must equal."""


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
