"""What programs give by mistake, such as a variable of the environment that is not set: they are
told in words, and no message that goes with others keeps those back."""

from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.support.sending import Face, letter
from tests.support.smtp_peer import serve
from tests.support.taking_peer import take_many

from pillarbox.client import ArgumentError, Mail, Message, connect
from pillarbox.client.outgoing import prepare

SERVER = "smtp://mx.test"
BOB = Address("Bob", "bob", "example.net")
CONNECT: list[dict[str, Any]] = [
    *({"server": None}, {"server": b"smtp://mx.test"}, {"helo_name": None}, {"pool": None}),
    *({"auth": ("app", None)}, {"auth": (None, "x")}, {"auth": ("app",)}, {"auth": ["app", "x"]}),
    *({"auth": ("a", "b", "PLAIN", "d")}, {"transcript": "lines"}),
]
SEND: list[dict[str, Any]] = [
    *({"message": "Subject: x\n\nHi\n"}, {"message": None}, {"message": Path("letter.eml")}),
    *(
        {"recipients": [BOB]},
        {"recipients": [("Bob", "bob@x.test")]},
        {"recipients": b"bob@x.test"},
    ),
    *({"recipients": [None]}, {"recipients": 5}, {"sender": BOB}, {"sender": b"a@x.test"}),
    {"dsn": {"notify": ["never"]}},
]
BUILD: list[dict[str, Any]] = [
    *({"sender": None}, {"sender": BOB}, {"to": 5}, {"to": BOB}, {"to": [None]}),
    *({"to": (None, "a@x.test")}, {"subject": None}, {"text": b"x"}, {"html": 5}),
    *({"headers": {"X-A": 5}}, {"headers": {5: "x"}}),
]


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


async def test_what_is_no_message_keeps_no_others_back(face: Face) -> None:
    """It has its result, and those behind it are sent."""
    async with serve(take_many) as server:
        client = face.client(server.port)
        results = await face.send_all(client, ["no message", Mail(None), letter()])  # type: ignore[arg-type] # on purpose
        await face.close(client)

    assert [type(one.error) for one in results] == [ArgumentError, ArgumentError, type(None)]
