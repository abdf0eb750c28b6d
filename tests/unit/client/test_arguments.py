"""What programs give by mistake, such as a variable of the environment that is not set: they are
told in words, and no message that goes with others keeps those back."""

from collections.abc import AsyncIterator
from email.headerregistry import Address
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.support.sending import Face, letter
from tests.support.smtp_peer import serve
from tests.support.taking_peer import take_many

from pillarbox.client import ArgumentError, Dsn, Mail, Message, connect, google, microsoft
from pillarbox.client.outgoing import prepare

SERVER = "smtp://mx.test"
BOB = Address("Bob", "bob", "example.net")
CONNECT: list[dict[str, Any]] = [
    *({"server": None}, {"server": b"smtp://mx.test"}, {"helo_name": None}, {"pool": None}),
    *({"auth": ("app", None)}, {"auth": (None, "x")}, {"auth": ("app",)}, {"auth": ["app", "x"]}),
    *({"auth": ("a", "b", "PLAIN", "d")}, {"transcript": "lines"}),
    *({"ca_file": ["ca.pem"]}, {"ca_file": b"ca.pem"}, {"ca_file": 5}),
    *({"server": ""}, {"server": "smtp://mx.test:0"}),
]
SEND: list[dict[str, Any]] = [
    *({"message": "Subject: x\n\nHi\n"}, {"message": None}, {"message": Path("letter.eml")}),
    *(
        {"recipients": [BOB]},
        {"recipients": [("Bob", "bob@x.test")]},
        {"recipients": b"bob@x.test"},
    ),
    *({"recipients": [None]}, {"recipients": 5}, {"sender": BOB}, {"sender": b"a@x.test"}),
    *({"dsn": {"notify": ["never"]}}, {"dsn": Dsn(None)}, {"dsn": Dsn(5)}, {"dsn": Dsn([None])}),  # type: ignore[arg-type, list-item] # on purpose
    *({"dsn": Dsn(envelope_id=None)}, {"dsn": Dsn(envelope_id=b"x")}),  # type: ignore[arg-type] # on purpose
    *({"message": Message}, {"message": EmailMessage}, {"message": BytesIO}),
    *({"require_tls": "no"}, {"require_tls": None}),
]
BUILD: list[dict[str, Any]] = [
    *({"sender": None}, {"sender": BOB}, {"to": 5}, {"to": BOB}, {"to": [None]}),
    *({"to": (None, "a@x.test")}, {"subject": None}, {"text": b"x"}, {"html": 5}),
    *({"headers": {"X-A": 5}}, {"headers": {5: "x"}}),
    *({"headers": [("X-A", "b")]}, {"headers": "X-A: b"}),
]
SOURCES = (
    None,
    5,
    ["bill.pdf"],
    "no/bill.pdf",
    "Dear Ann",
    "a,b\n1,2\n",
    Path("no/bill.pdf"),
    ".",
    "x" * 5000,
)
REGISTRATION: list[dict[str, Any]] = [
    *({"tenant_id": None}, {"tenant_id": ""}, {"tenant_id": "a\n"}, {"client_id": None}),
    *({"client_id": ""}, {"client_id": b"c"}, {"mailbox": None}),
]
PEM = "".join(
    f"-----BEGIN {it}-----\nQQ==\n-----END {it}-----\n" for it in ("PRIVATE KEY", "CERTIFICATE")
)


@pytest.mark.parametrize("given", CONNECT, ids=repr)
def test_client_says_what_is_wrong_with_its_arguments(given: dict[str, Any]) -> None:
    """When it is made."""
    with pytest.raises(ArgumentError, match="fix:"):
        connect(**{"server": SERVER, **given})


@pytest.mark.parametrize("given", SEND, ids=repr)
def test_message_and_envelope_of_another_kind_are_refused_in_words(given: dict[str, Any]) -> None:
    """A str has no octets yet, and an address is a str."""
    usual = {"message": letter(), "sender": "app@x.test", "recipients": ["bob@x.test"]}
    arguments = {**usual, **given}

    with pytest.raises(ArgumentError, match="fix:"):
        prepare(arguments.pop("message"), **arguments)


@pytest.mark.parametrize("given", BUILD, ids=repr)
def test_message_is_told_what_is_wrong_with_its_arguments(given: dict[str, Any]) -> None:
    """When they are given."""
    with pytest.raises(ArgumentError, match="fix:"):
        Message(**{"sender": "app@x.test", "to": "bob@x.test", **given})


@pytest.mark.parametrize("source", SOURCES, ids=lambda it: str(it)[:12])
def test_what_can_not_be_attached_is_told_in_words(source: Any) -> None:
    """A path that leads nowhere, or a text that was meant as content."""
    message = Message(sender="app@x.test", to="bob@x.test")

    for take in (message.attach, message.inline):
        with pytest.raises(ArgumentError, match="fix: give the path of a file, its oct") as raised:
            take(source)
        assert len(str(raised.value)) < 400


def test_file_that_can_not_be_attached_any_more_is_told_in_words(tmp_path: Path) -> None:
    """It was closed, as behind a `with`, or is open for writing alone."""
    path = tmp_path / "letter.eml"
    path.write_bytes(b"Subject: x\n\nHi\n")
    with path.open("rb") as closed:
        pass
    with path.open("ab") as writing:
        for file in (closed, writing):
            with pytest.raises(ArgumentError, match=r"fix: .*'rb'"):
                Message(sender="app@x.test").attach(file)


def test_invitation_names_its_method() -> None:
    """None is no method."""
    with pytest.raises(ArgumentError, match="fix:"):
        Message(sender="a@x.test").calendar("BEGIN:VCALENDAR", method=None)  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize("given", REGISTRATION, ids=repr)
def test_registration_is_checked_before_anybody_is_asked(given: dict[str, Any]) -> None:
    """A variable of the environment that is not set would sign in as None."""
    usual = {"mailbox": "app@x.test", "tenant_id": "t", "client_id": "c"}
    for make, credential in (
        (microsoft.client_secret, {"secret": "s"}),
        (microsoft.certificate, {"private_key": PEM, "public_certificate": PEM}),
        (microsoft.device_code, {}),
    ):
        with pytest.raises(ArgumentError):
            connect(SERVER, auth=make(**{**usual, **credential, **given}))


@pytest.mark.parametrize("nothing", [None, "", b"x"])
def test_credential_of_an_application_is_a_text(nothing: Any) -> None:
    """Nobody is asked without one."""
    usual: dict[str, Any] = {"tenant_id": "t", "client_id": "c"}
    with pytest.raises(ArgumentError, match=r"client secret.*fix:"):
        microsoft.client_secret("app@x.test", secret=nothing, **usual)
    with pytest.raises(ArgumentError, match=r"private key.*fix:"):
        microsoft.certificate("app@x.test", private_key=nothing, public_certificate=PEM, **usual)
    google_s: dict[str, Any] = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}
    for name in google_s:
        with pytest.raises(ArgumentError, match="fix:"):
            google.refresh_token("app@x.test", **{**google_s, name: nothing})


def test_key_of_a_service_account_that_is_nowhere_is_told_in_words(tmp_path: Path) -> None:
    """With what to give."""
    with pytest.raises(ArgumentError, match=r"key\.json.*fix: .*JSON"):
        google.service_account("app@x.test", str(tmp_path / "key.json"))


def test_nobody_is_named_by_none() -> None:
    """As what is not given: many functions hand their own cc=None on."""
    built = Message(sender="app@x.test", to="bob@x.test", cc=None, bcc=None, reply_to=None).build()

    assert [name for name in ("To", "Cc", "Bcc", "Reply-To") if name in built] == ["To"]


def test_many_may_be_named_by_whatever_can_be_gone_through_once() -> None:
    """A generator, for each kind of message."""
    named = ["bob@x.test", "carol@x.test"]
    for message in (letter(), b"Subject: x\n\nHi\n", EmailMessage()):
        outgoing = prepare(message, sender="a@x.test", recipients=(one for one in named))

        assert [one.forward_path.address for one in outgoing.recipients] == named


@pytest.mark.parametrize(
    "given",
    [letter(), b"Subject: x\n\n", Message(sender="a@x.test"), Mail(b"x"), None, "x"],
    ids=type,
)
def test_one_message_where_many_belong_is_told_in_words(given: Any) -> None:
    """Gone through, it would be many things that are no messages."""
    client = connect(SERVER)

    with pytest.raises(ArgumentError, match=r"fix: .*\[message\]"):
        client.send_all(given)
    with pytest.raises(ArgumentError, match=r"ahead=.*fix:"):
        client.send_all([], ahead=None)  # type: ignore[arg-type] # on purpose
    client.close()


async def test_blocking_client_says_that_it_can_not_wait_for_messages() -> None:
    """An asynchronous iterable belongs to the other client."""

    async def letters() -> AsyncIterator[bytes]:
        yield b""

    with (
        connect(SERVER) as client,
        pytest.raises(ArgumentError, match=r"fix: .*connect_async"),
    ):
        client.send_all(letters())  # type: ignore[arg-type] # on purpose


async def test_what_is_no_message_keeps_no_others_back(face: Face) -> None:
    """It has its result, and those behind it are sent."""
    async with serve(take_many) as server:
        client = face.client(server.port)
        results = await face.send_all(client, ["no message", Mail(None), letter()])  # type: ignore[arg-type] # on purpose
        await face.close(client)

    assert [type(one.error) for one in results] == [ArgumentError, ArgumentError, type(None)]
