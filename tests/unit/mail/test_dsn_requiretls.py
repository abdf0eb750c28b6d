"""Delivery reports on messages with REQUIRETLS."""

from tests.unit.mail.test_dsn import make, parts_of

from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Envelope, Ret, TlsWish


def test_a_report_on_a_message_with_requiretls_tells_little_and_needs_it_too() -> None:
    """RFC 8689 section 5: "If both RET=FULL and REQUIRETLS are present, the RET=FULL MUST be
    disregarded"."""
    sender = Mailbox("a", "here.example")
    envelope = Envelope(sender, ret=Ret.FULL, tls_wish=TlsWish.REQUIRED)

    composed = make(envelope=envelope)

    assert composed.envelope.tls_wish is TlsWish.REQUIRED
    assert parts_of(composed)[2].get_content_type() == "text/rfc822-headers"
    assert b"Body" not in composed.content
    optional = Envelope(sender, tls_wish=TlsWish.OPTIONAL)
    assert make(envelope=optional).envelope.tls_wish is TlsWish.NONE
