"""The documents of autoconfig and PACC (pillarbox.discovery.autoconfig, pacc)."""

import base64
import hashlib
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.discovery.autoconfig import DocumentError, read_autoconfig
from pillarbox.discovery.findings import Login, Offer
from pillarbox.discovery.pacc import is_vouched_for, read_pacc
from pillarbox.publish.client_settings import Door, Encryption

ADDRESS = "ann@corp.com"

SERVER = """<outgoingServer type="{kind}"><hostname>{host}</hostname><port>{port}</port>
<socketType>{socket}</socketType><username>{user}</username>
<authentication>{login}</authentication></outgoingServer>"""
VALUES = {
    "kind": "smtp",
    "host": "smtp.corp.com",
    "port": "587",
    "socket": "STARTTLS",
    "user": "%EMAILADDRESS%",
    "login": "password-cleartext",
}


def document(*servers: dict[str, str]) -> bytes:
    """A document with these servers, each by what differs from the usual."""
    inside = "".join(SERVER.format(**{**VALUES, **server}) for server in servers)
    return f"<clientConfig><emailProvider id='x'>{inside}</emailProvider></clientConfig>".encode()


def read(*servers: dict[str, str]) -> tuple[Offer, ...]:
    """The offers of such a document."""
    return read_autoconfig(document(*servers), address=ADDRESS)


def test_servers_keep_their_order() -> None:
    """The draft: the one listed first is preferred."""
    offers = read({"port": "465", "socket": "SSL"}, {})

    assert [offer.door for offer in offers] == [
        Door(465, Encryption.TLS),
        Door(587, Encryption.STARTTLS),
    ]


@pytest.mark.parametrize(
    ("form", "username"),
    [
        ("%EMAILADDRESS%", ""),
        ("", ""),
        ("%EMAILLOCALPART%", "ann"),
        ("%EMAILLOCALPART%.%EMAILDOMAIN%", "ann.corp.com"),
        ("corp\\%EMAILLOCALPART%", "corp\\ann"),
        ("a&#10;b", ""),
    ],
)
def test_user_name_is_filled_in(form: str, username: str) -> None:
    """Placeholders of the draft; a name with a line end in it is none."""
    assert read({"user": form})[0].username == username


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (ADDRESS, "smtp.corp.com"),
        ("ann@MÜNCHEN.example", "smtp.xn--mnchen-3ya.example"),
    ],
)
def test_host_is_filled_in(address: str, host: str) -> None:
    """As Thunderbird does; documents of its database for providers with several domains need it."""
    text = document({"host": "smtp.%EMAILDOMAIN%"})

    assert [offer.host for offer in read_autoconfig(text, address=address)] == [host]


@pytest.mark.parametrize(
    "server",
    [
        {"socket": "plain"},
        {"socket": ""},
        {"kind": "lmtp"},
        {"port": "0"},
        {"port": "65536"},
        {"port": "-1"},
        {"port": "٤٦٥"},
        {"port": "9" * 1000},
        {"port": "00058700"},
        {"host": "127.0.0.1"},
        {"host": "localhost"},
        {"host": "smtp.corp.com/x"},
        {"host": "smtp.%REALNAME%.com"},
        {"login": "NTLM"},
        {"login": "none"},
    ],
)
def test_server_that_can_not_be_used_is_passed_over(server: dict[str, str]) -> None:
    """Without encryption, without a login that is in use, or not at a host: not suggested."""
    assert read(server, {"host": "good.corp.com"})[0].host == "good.corp.com"


def test_oauth2_is_a_login() -> None:
    """Both kinds in their order."""
    text = document({}).replace(
        b"<authentication>", b"<authentication>OAuth2</authentication><authentication>"
    )

    assert read_autoconfig(text, address=ADDRESS)[0].logins == (Login.OAUTH2, Login.PASSWORD)


@pytest.mark.parametrize(
    "text",
    [
        b"<html><body>Welcome<br></body></html>",
        b"",
        b"<a>" * 40,
        b'<!DOCTYPE x SYSTEM "http://evil.com/x.dtd"><clientConfig/>',
        b"<clientConfig>&lol;</clientConfig>",
        b'<?xml version="1.0" encoding="no-such"?><clientConfig/>',
        document(*({} for _ in range(9))),
        b"<clientConfig>" + b"x" * 2000 + b"</clientConfig>",
    ],
)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    """Web pages, bombs, and documents that go on for ever."""
    with pytest.raises(DocumentError):
        read_autoconfig(text, address=ADDRESS)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    """Strangers write them: nothing else is raised, inside of a document neither."""
    whole = document({}).replace(b"smtp.corp.com", octets)
    for text in (octets, whole):
        with suppress(DocumentError):
            read_autoconfig(text, address=ADDRESS)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=9) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["protocols", "smtp", "host", "authentication", "password"]), inner
            )
        ),
    )
)
def test_any_json_is_read(value: object) -> None:
    """Whatever shape it has: offers or none."""
    assert all(offer.door.port == 465 for offer in read_pacc(json.dumps(value).encode()))


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"\xff\xfe\x00"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    """Broken or nested without end."""
    with pytest.raises(DocumentError):
        read_pacc(text)


def test_pacc_names_a_host_and_the_ways_to_log_in() -> None:
    """Port and encryption are always the same."""
    content = {
        "protocols": {"smtp": {"host": "smtp.corp.com"}},
        "authentication": {"password": True, "oauth-public": {"issuer": "https://id.corp.com"}},
    }

    [offer] = read_pacc(json.dumps(content).encode())

    assert offer.host == "smtp.corp.com"
    assert offer.door == Door(465, Encryption.TLS)
    assert offer.logins == (Login.PASSWORD, Login.OAUTH2)


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=60))
def test_only_the_digest_of_these_octets_vouches_for_them(text: bytes, other: bytes) -> None:
    """Another document has another digest."""
    digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
    record = f"v=UAAC1; a=sha256; d={digest}"

    assert is_vouched_for(text, ["v=spf1 -all", record])
    assert not is_vouched_for(text + other, [record])
    assert not is_vouched_for(text, [record.replace("sha256", "md5"), "v=UAAC1", "d=" + digest, ""])
