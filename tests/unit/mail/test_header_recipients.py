"""Whom a message goes to where the header is all that the next hop reads."""

from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.header_recipients import Misfit, address_by_header

ANN, BOB, CYD = "ann@example.org", "bob@example.net", "cyd@example.com"


def addressed(head: str, *recipients: str) -> str | Misfit:
    """As text."""
    made = address_by_header(head.encode(), [parse_mailbox(one) for one in recipients])
    return made if isinstance(made, Misfit) else made.decode()


def test_who_is_in_no_field_comes_in_as_bcc() -> None:
    """And nothing else of the header changes."""
    head = f"From: me@here.test\r\nTo: {ANN}\r\nSubject: x\r\n"

    assert addressed(head, ANN, BOB, CYD) == f"Bcc: {BOB},\r\n {CYD}\r\n{head}"


@pytest.mark.parametrize(
    "to",
    [
        f'"Ann, of Sales" <{ANN}>',
        f"Ann <{ANN}>",
        "=?utf-8?q?=C3=84nn?=\r\n <ann@EXAMPLE.ORG>",
        f"{ANN} (the boss)",
    ],
)
def test_a_recipient_with_a_name_is_not_missing(to: str) -> None:
    """Addresses are compared, and not lines."""
    head = f"To: {to}\r\n"

    assert addressed(head, ANN) == head


@pytest.mark.parametrize("to", ["", "undisclosed-recipients:;", "Undisclosed recipients: ;"])
def test_mail_to_nobody_in_the_header_goes_by_bcc_alone(to: str) -> None:
    """As devices send it that know only an envelope."""
    head = f"To: {to}\r\nSubject: x\r\n"

    assert addressed(head, ANN) == f"Bcc: {ANN}\r\n{head}"


def test_there_is_one_bcc_whatever_the_sender_wrote() -> None:
    """Of two fields a program may read one."""
    head = f"Bcc: Bob <{BOB}>\r\nTo: {ANN}\r\nBCC : {CYD}\r\n"

    assert addressed(head, ANN, BOB, CYD) == f"Bcc: {BOB},\r\n {CYD}\r\nTo: {ANN}\r\n"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (f"To: {ANN}, Bob <{BOB}>\r\n", f"names {BOB}"),
        (f"To: {ANN}\r\nCc: {BOB}\r\n", f"names {BOB}"),
        (f"To: {ANN}\r\nBcc: {BOB}\r\n", f"names {BOB}"),
        (f"To: {ANN}\r\nResent-To: {BOB}\r\n", f"names {BOB}"),
        (f"To: {ANN}\r\nTo: {ANN}\r\n", "two fields To"),
        (f"To: friends: {ANN}, {BOB};\r\n", "can not be read"),
        (f"To: {ANN} <{BOB}\r\n", "can not be read"),
        (f"To: {ANN}\r\nthis is no field\r\n", "no field"),
        ("To: a@x.test, b@x.test, c@x.test, d@x.test, e@x.test\r\n", "c@x.test and 2 more"),
    ],
)
def test_a_header_that_names_others_does_not_fit(head: str, words: str) -> None:
    """They would get the mail; so would those in what two programs read in two ways."""
    found = addressed(head, ANN)

    assert isinstance(found, Misfit)
    assert words in found.why


_ADDRESSES = st.sampled_from(
    [f"{name}@{host}" for name in "abcdef" for host in ("x.test", "Y.test")]
)
_SHOWN = st.sampled_from(["{}", "<{}>", "Some Name <{}>", '"x, y" <{}>', "{} (note)"])


@given(
    fields=st.dictionaries(
        st.sampled_from(["To", "Cc", "Bcc", "cc "]),
        st.lists(st.tuples(_ADDRESSES, _SHOWN), max_size=4),
    ),
    recipients=st.lists(_ADDRESSES, min_size=1, unique=True),
)
def test_the_header_names_the_envelope_or_the_message_does_not_go(
    fields: dict[str, list[tuple[str, str]]], recipients: list[str]
) -> None:
    """Never one more, never one less; judged by another parser."""
    head = "From: me@here.test\r\n" + "".join(
        f"{name}: {', '.join(how.format(address) for address, how in values)}\r\n"
        for name, values in fields.items()
    )

    made = addressed(head, *recipients)

    envelope = {address.lower() for address in recipients}
    if isinstance(made, Misfit):
        twice = "Cc" in fields and "cc " in fields
        assert twice or not _named(head.replace("cc :", "Cc:")) <= envelope
    else:
        assert _named(made.replace("cc :", "Cc:")) == envelope
        shown = [line for line in made.split("\r\n") if not line.lower().startswith(("bcc", " "))]
        assert shown == [line for line in head.split("\r\n") if not line.lower().startswith("bcc")]


def _named(head: str) -> set[str]:
    parsed: Message = message_from_bytes(head.encode() + b"\r\n")
    values = [str(v) for name in ("To", "Cc", "Bcc") for v in parsed.get_all(name, [])]
    # Newer Pythons read nothing at all when there are several and one is empty.
    values = [value for value in values if value.strip()]
    return {address.lower() for _, address in getaddresses(values) if address}
