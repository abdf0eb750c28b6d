"""What people write when they mean a server (pillarbox.diagnosis.target)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.diagnosis.target import read_target
from pillarbox.errors import AddressError
from pillarbox.publish.client_settings import Encryption

TLS, STARTTLS = Encryption.TLS, Encryption.STARTTLS


@pytest.mark.parametrize(
    ("text", "host", "port", "encryption"),
    [
        ("mail.corp.com", "mail.corp.com", None, None),
        ("Mail.Corp.com.", "mail.corp.com", None, None),
        ("mail", "mail", None, None),
        ("bücher.com:587", "xn--bcher-kva.com", 587, STARTTLS),
        ("mail.corp.com:465", "mail.corp.com", 465, TLS),
        ("mail.corp.com:2525", "mail.corp.com", 2525, STARTTLS),
        ("[2001:db8::1]:25", "2001:db8::1", 25, STARTTLS),
        ("192.0.2.1", "192.0.2.1", None, None),
        ("smtp://mail.corp.com", "mail.corp.com", 587, None),
        ("smtps://mail.corp.com", "mail.corp.com", 465, TLS),
        ("smtps://mail.corp.com:587", "mail.corp.com", 587, TLS),
        ("submission://mail.corp.com/", "mail.corp.com", 587, STARTTLS),
        ("SUBMISSIONS://mail.corp.com", "mail.corp.com", 465, TLS),
    ],
)
def test_server_is_read(text: str, host: str, port: int | None, encryption: Encryption) -> None:
    """Hosts, ports and URLs; the scheme says what the client is set to."""
    target = read_target(text)

    assert (target.host, target.port, target.encryption) == (host, port, encryption)


@pytest.mark.parametrize(
    "text", ["", ":25", "http://corp.com", "mail:x", "mail:99999", "smtp://u:p@mail", "a/b", "a b"]
)
def test_what_is_no_server_is_refused(text: str) -> None:
    """With a word on how it is written."""
    with pytest.raises(AddressError):
        read_target(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised."""
    try:
        target = read_target(text)
    except AddressError:
        return
    assert target.host.isascii()
