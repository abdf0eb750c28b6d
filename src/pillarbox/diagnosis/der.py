"""The encoding of certificates (DER, X.690), as far as one has to look into them. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

SEQUENCE, SET, INTEGER, BIT_STRING, OCTET_STRING, OBJECT = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06
BOOLEAN, UTC_TIME, GENERALIZED_TIME = 0x01, 0x17, 0x18


class Element(NamedTuple):
    """One element: its tag, its content, and all of its octets."""

    tag: int
    content: bytes
    whole: bytes


def elements(octets: bytes) -> Iterator[Element]:
    """The elements that stand one behind the other. Raises ValueError for what is no DER."""
    start = 0
    while start < len(octets):
        if start + 2 > len(octets):
            raise ValueError("an element that is cut")
        tag, length, body = octets[start], octets[start + 1], start + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise ValueError("a length that can not be")
            length = int.from_bytes(octets[body : body + count], "big")
            body += count
        if body + length > len(octets):
            raise ValueError("an element that is cut")
        yield Element(tag, octets[body : body + length], octets[start : body + length])
        start = body + length


def first(octets: bytes) -> Element:
    """The first element. Raises ValueError where there is none."""
    for one in elements(octets):
        return one
    raise ValueError("an element is missing")


def inside(octets: bytes, tag: int) -> list[Element]:
    """What is inside of the first element, which must have this tag. Raises ValueError."""
    outer = first(octets)
    if outer.tag != tag:
        raise ValueError("another element was expected")
    return list(elements(outer.content))


def dotted(content: bytes) -> str:
    """An object identifier as people write it."""
    numbers, value = [], 0
    for octet in content[:64]:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        raise ValueError("an identifier without numbers")
    arc = min(numbers[0] // 40, 2)
    return ".".join(map(str, (arc, numbers[0] - 40 * arc, *numbers[1:])))
