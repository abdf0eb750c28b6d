"""What strangers send to a return path: reports, and what passes for them."""

from pillarbox.mail.leaves import MAX_LEAVES, leaves
from pillarbox.mail.returned import MAX_CHARACTERS, MAX_RECIPIENTS, read_returned


def returned(octets: bytes) -> None:
    """Anything is read, the same with either line end; what is told of it has a bound and can be
    shown."""
    has_sender = octets[:1] == b"\x01"
    content = octets[1:].replace(b"\r\n", b"\n").replace(b"\r", b"")
    found = read_returned(content, has_sender=has_sender)
    assert read_returned(content.replace(b"\n", b"\r\n"), has_sender=has_sender) == found
    assert len(leaves(content)) <= MAX_LEAVES
    assert len(found.recipients) <= MAX_RECIPIENTS
    for one in found.recipients:
        text = str(one.reply or "")
        assert text.isprintable()
        assert len(text) <= MAX_CHARACTERS + len("550 5.100.100 ")
        assert one.remote_host.isprintable()
        assert one.reply is None or 200 <= one.reply.code <= 599
