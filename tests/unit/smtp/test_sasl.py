"""The exchanges of AUTH by themselves; whole logins are in test_server_auth."""

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.explain.refusals import Refusal
from pillarbox.smtp.events import Credentials
from pillarbox.smtp.sasl import (
    Challenge,
    LoginExchange,
    PlainExchange,
    decode_base64,
    encode_base64,
)
from pillarbox.smtp.sasl_mechanisms import exchange_for

names = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=20)


@given(names, names)
def test_plain_reads_user_name_and_password(username: str, password: str) -> None:
    """Any text without controls goes through PLAIN unchanged (RFC 4616)."""
    response = f"\x00{username}\x00{password}".encode()

    assert PlainExchange().answer(response) == Credentials("PLAIN", username, password)


@given(names, names)
def test_login_reads_user_name_and_password(username: str, password: str) -> None:
    """Any text without controls goes through LOGIN unchanged."""
    exchange = LoginExchange()

    assert exchange.answer(username.encode()) == Challenge(b"Password:")
    assert exchange.answer(password.encode()) == Credentials("LOGIN", username, password)


@given(st.lists(st.binary(max_size=30), max_size=3))
def test_exchanges_never_raise(responses: list[bytes]) -> None:
    """Whatever a client sends: a challenge, credentials or a refusal of the few for logins."""
    for exchange in (PlainExchange(), LoginExchange()):
        for response in responses:
            outcome = exchange.answer(response)
            if isinstance(outcome, Refusal):
                assert outcome in (Refusal.LOGIN_SYNTAX, Refusal.LOGIN_FAILED)


@given(st.binary(max_size=100))
def test_base64_round_trips(octets: bytes) -> None:
    """What is encoded is decoded."""
    assert decode_base64(encode_base64(octets)) == octets


@given(st.text(max_size=30))
def test_base64_that_is_none_gives_none(text: str) -> None:
    """Only the one right spelling of octets is read (RFC 4648 section 3.5)."""
    octets = decode_base64(text)

    assert octets is None or len(encode_base64(octets)) == len(text)


def test_mechanisms_that_are_not_known() -> None:
    """Only PLAIN and LOGIN have an exchange."""
    assert exchange_for("CRAM-MD5") is None
    assert exchange_for("") is None
    assert isinstance(exchange_for("pLaIn"), PlainExchange)
