"""DNS records as they are written into a zone file (RFC 1035 section 5). Pure."""

_STRING_OCTETS = 255
"""RFC 1035 3.3: a character-string has at most 255 octets; readers put them together again."""


def txt_record(name: str, text: str) -> str:
    """The line for a TXT record of ASCII text; a long one is cut into several strings."""
    strings = [text[at : at + _STRING_OCTETS] for at in range(0, len(text), _STRING_OCTETS)]
    quoted = " ".join('"' + _escape(string) + '"' for string in strings)
    return f"{name}. IN TXT {quoted}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
