"""The documents by which clients set themselves up, read as clients read them."""

import plistlib
from contextlib import suppress
from itertools import product
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.discovery.autoconfig import read_autoconfig
from pillarbox.discovery.findings import Login, Offer
from pillarbox.discovery.pacc import is_vouched_for, read_pacc
from pillarbox.errors import AddressError
from pillarbox.publish.apple_profile import apple_profile
from pillarbox.publish.autoconfig_document import autoconfig_document
from pillarbox.publish.autodiscover_document import (
    autodiscover_document,
    autodiscover_error,
    requested_address,
)
from pillarbox.publish.client_settings import ClientSettings, Door, Encryption
from pillarbox.publish.mailboxes import MailboxProtocol, MailboxServer
from pillarbox.publish.pacc_document import pacc_document, pacc_record

ADDRESS = 'o\'hara&"co"@corp.example'
STARTTLS, TLS = Door(587, Encryption.STARTTLS), Door(465, Encryption.TLS)
SENDING = ClientSettings("mail.hoster.example", (STARTTLS, TLS), ADDRESS)
IMAP = MailboxServer.from_url("imaps://imap.corp.example")

_ANSWER = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


def _xml(document: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 - it is our own


def test_autoconfig_names_all_doors_the_best_first() -> None:
    """And the server for reading, for those who want one."""
    document = autoconfig_document("corp.example", SENDING, IMAP)

    assert read_autoconfig(document, address=ADDRESS) == tuple(
        Offer("mail.hoster.example", door, "", (Login.PASSWORD,)) for door in (TLS, STARTTLS)
    )
    incoming = _xml(document).find("emailProvider/incomingServer")
    assert incoming is not None
    assert incoming.attrib == {"type": "imap"}
    assert incoming.findtext("hostname") == "imap.corp.example"
    assert incoming.findtext("port") == "993"


def test_autodiscover_answers_for_the_address_that_was_asked() -> None:
    """Whatever characters stand in it."""
    request = f"""<?xml version="1.0"?><a:Autodiscover xmlns:a="x"><a:Request><a:EMailAddress>
        {ADDRESS.replace("&", "&amp;")} </a:EMailAddress></a:Request></a:Autodiscover>"""

    address = requested_address(request.encode())
    root = _xml(autodiscover_document(address, SENDING, IMAP))

    found = {
        protocol.findtext(f"{_ANSWER}Type"): [
            protocol.findtext(f"{_ANSWER}{name}")
            for name in ("Server", "Port", "Encryption", "LoginName")
        ]
        for protocol in root.iter(f"{_ANSWER}Protocol")
    }
    assert found == {
        "IMAP": ["imap.corp.example", "993", "SSL", ADDRESS],
        "SMTP": ["mail.hoster.example", "465", "SSL", ADDRESS],
    }


def test_starttls_is_named_as_microsoft_names_it() -> None:
    """TLS is STARTTLS there, SSL is TLS from the first octet."""
    sending = ClientSettings("mail.hoster.example", (STARTTLS,), ADDRESS)

    root = _xml(autodiscover_document(ADDRESS, sending, None))

    assert [one.text for one in root.iter(f"{_ANSWER}Encryption")] == ["TLS"]


@pytest.mark.parametrize(
    "request_octets",
    [
        b"",
        b"{}",
        b"<a/>",
        b"<a><EMailAddress> </EMailAddress></a>",
        b'<!DOCTYPE a [<!ENTITY b "x@corp.example">]><a><EMailAddress>&b;</EMailAddress></a>',
        b"<a>" * 100,
        b"<EMailAddress>" + b"x" * 5000 + b"</EMailAddress>",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
def test_other_requests_are_refused(request_octets: bytes) -> None:
    """No entity is followed, and nothing is read without end."""
    with pytest.raises(AddressError) as caught:
        requested_address(request_octets)

    message = _xml(autodiscover_error(str(caught.value))).iter()
    assert str(caught.value) in [one.text for one in message]


@given(st.binary(max_size=200))
def test_any_request_gives_an_address_or_an_address_error(request_octets: bytes) -> None:
    """Never another error."""
    with suppress(AddressError):
        assert requested_address(request_octets)


def test_pacc_is_vouched_for_by_its_record() -> None:
    """And says the same at each request."""
    document = pacc_document("corp.example", SENDING, IMAP)
    assert document is not None
    name, text = pacc_record("corp.example", document)

    assert name == "_ua-auto-config.corp.example"
    assert is_vouched_for(document, [text])
    assert read_pacc(document) == (Offer("mail.hoster.example", TLS, logins=(Login.PASSWORD,)),)
    assert document == pacc_document("corp.example", SENDING, IMAP)


def test_pacc_can_not_tell_of_other_doors() -> None:
    """It knows 465 with TLS alone."""
    for door in (STARTTLS, Door(4650, Encryption.TLS), Door(465, Encryption.STARTTLS)):
        sending = ClientSettings("mail.hoster.example", (door,), ADDRESS)
        assert pacc_document("corp.example", sending, IMAP) is None


def test_apple_gets_an_account_without_a_password() -> None:
    """A newer profile of the same address takes the place of the older one."""
    [account] = plistlib.loads(apple_profile(ADDRESS, SENDING, IMAP))["PayloadContent"]
    again, other = (
        plistlib.loads(apple_profile(address, SENDING, IMAP))
        for address in (ADDRESS, "x@a.example")
    )

    assert account["EmailAccountType"] == "EmailTypeIMAP"
    assert account["IncomingMailServerHostName"] == "imap.corp.example"
    assert account["OutgoingMailServerHostName"] == "mail.hoster.example"
    assert account["OutgoingMailServerPortNumber"] == 465
    assert account["OutgoingMailServerUsername"] == ADDRESS
    assert not {"IncomingPassword", "OutgoingPassword"} & account.keys()
    assert again["PayloadContent"] == [account]
    assert again["PayloadIdentifier"] != other["PayloadIdentifier"]


def test_servers_for_reading_are_read_from_a_url() -> None:
    """What is written is read again."""
    for scheme, port in product(("imaps", "imap", "pop3s", "pop3"), ("", ":1993")):
        server = MailboxServer.from_url(f"{scheme}://IMAP.corp.example{port}")
        assert server.host == "imap.corp.example"
        assert MailboxServer.from_url(server.url) == server
    assert MailboxServer.from_url("imap.corp.example") == IMAP
    assert IMAP.protocol is MailboxProtocol.IMAP


@pytest.mark.parametrize(
    "url",
    [
        *("", "imaps://", "https://imap.corp.example", "imaps://a b.example", "imaps://x:99999"),
        *("imaps://user@imap.corp.example", "imaps://imap.corp.example/path", "imaps://[::1]"),
        *("imaps://192.0.2.1", "imaps://imap.corp.example:0"),
    ],
)
def test_what_is_no_server_for_reading_is_refused(url: str) -> None:
    """With the form that is wanted."""
    with pytest.raises(AddressError, match="imap"):
        MailboxServer.from_url(url)
