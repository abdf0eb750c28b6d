"""SCRAM-SHA-256 in the server's protocol: the steps, and what is no message of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import ScramEnd, ScramFinal, ScramFirst
from pillarbox.smtp.sasl_mechanisms import SCRAM_MECHANISMS
from pillarbox.smtp.sasl_scram import ScramExchange

if TYPE_CHECKING:
    from tests.support.smtp_session import Driver
    from tests.unit.smtp.conftest import Sessions

Cuts = Callable[[bytes], list[list[bytes]]]

MECHANISMS = ("PLAIN", *SCRAM_MECHANISMS)
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqOmore,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
AUTH = b"AUTH SCRAM-SHA-256 "
FAILED = reply(535, "5.7.8", "Login failed")

names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


def _session(sessions: Sessions) -> Driver:
    return sessions.encrypted(login_mechanisms=MECHANISMS)


def test_a_whole_exchange(sessions: Sessions) -> None:
    """What the server said last is a challenge, which the client answers with nothing
    (RFC 4954 section 4)."""
    session = _session(sessions)

    assert session.send(AUTH + b64encode(FIRST) + b"\r\n") == b"334 Zmlyc3Q=\r\n"
    assert session.send(b64encode(FINAL) + b"\r\n") == b"334 bGFzdA==\r\n"
    assert not session.protocol.authenticated
    assert session.codes(b"\r\n") == [235]

    assert session.protocol.authenticated
    assert session.events == [
        ScramFirst("user", FIRST.decode()),
        ScramFinal(FINAL.decode()),
        ScramEnd(),
    ]
    assert "rOpr" not in repr(session.events)


def test_an_exchange_without_an_initial_response(sessions: Sessions) -> None:
    """It begins with an empty challenge."""
    session = _session(sessions)

    assert session.send(b"auth scram-sha-256\r\n") == b"334 \r\n"
    assert session.codes(b64encode(FIRST) + b"\r\n") == [334]


def test_an_exchange_in_any_splitting(sessions: Sessions, cuts: Cuts) -> None:
    """It does not depend on how the octets arrive."""
    for first, final in zip(
        cuts(AUTH + b64encode(FIRST) + b"\r\n"), cuts(b64encode(FINAL) + b"\r\n"), strict=False
    ):
        session = _session(sessions)
        replies = session.send_all(first) + session.send_all(final)
        replies += session.send_all([b"\r", b"\n"])
        assert replies == b"334 Zmlyc3Q=\r\n334 bGFzdA==\r\n235 2.7.0 Logged in\r\n"


@pytest.mark.parametrize("step", [ScramFirst, ScramFinal, ScramEnd])
def test_each_step_can_be_refused(sessions: Sessions, step: type) -> None:
    """The exchange is over, another can begin."""
    session = _session(sessions)
    session.refusals[step] = FAILED
    lines = [AUTH + b64encode(FIRST), b64encode(FINAL), b""]

    said = b""
    for line in lines:
        said = session.send(line + b"\r\n")
        if not said.startswith(b"334"):
            break

    assert said == FAILED.encode()
    assert session.codes(b"MAIL FROM:<a@a.test>\r\n") == [530]
    assert session.codes(b"AUTH PLAIN AHUAcA==\r\n") == [235]


def test_an_exchange_can_be_cancelled(sessions: Sessions) -> None:
    """By a client that does not trust the server, say."""
    session = _session(sessions)
    session.send(AUTH + b64encode(FIRST) + b"\r\n")

    assert session.codes(b"*\r\n") == [501]
    assert not session.protocol.authenticated


def test_who_does_not_wait_for_the_challenge_is_cut_off(sessions: Sessions) -> None:
    """A proof that was sent before the salt was known is none."""
    session = _session(sessions)
    session.answers = False
    session.send(AUTH + b64encode(FIRST) + b"\r\n")
    assert isinstance(session.protocol.next_event(), ScramFirst)
    session.send(b64encode(FINAL) + b"\r\n")

    session.protocol.challenge(b"first")

    assert session.protocol.data_to_send().startswith(b"554 5.5.0 ")
    assert session.protocol.closing


@pytest.mark.parametrize(
    ("response", "refusal"),
    [
        (b"", Refusal.LOGIN_SYNTAX),
        (b"n,,", Refusal.LOGIN_SYNTAX),
        (b"n,,r=x,n=user", Refusal.LOGIN_SYNTAX),
        (b"n,,n=,r=x", Refusal.LOGIN_SYNTAX),
        (b"n,,n=user,r=", Refusal.LOGIN_SYNTAX),
        (b"n,,n=user,r=x y", Refusal.LOGIN_SYNTAX),
        (b"n,,n=us\x00er,r=x", Refusal.LOGIN_SYNTAX),
        (b"n,,n=us\ner,r=x", Refusal.LOGIN_SYNTAX),
        (b"n,,n=us=er,r=x", Refusal.LOGIN_SYNTAX),
        (b"n,,n=us=2cer,r=x", Refusal.LOGIN_SYNTAX),
        (b"x,,n=user,r=x", Refusal.LOGIN_SYNTAX),
        (b"n,,n=\xff,r=x", Refusal.LOGIN_FAILED),
        (b"p=tls-unique,,n=user,r=x", Refusal.LOGIN_FAILED),
        (b"n,a=other,n=user,r=x", Refusal.LOGIN_FAILED),
        (b"n,,m=must,n=user,r=x", Refusal.LOGIN_FAILED),
    ],
)
def test_a_first_message_that_is_none(response: bytes, refusal: Refusal) -> None:
    """Nobody is looked up for it."""
    assert ScramExchange().answer(response) is refusal


@pytest.mark.parametrize(
    "response",
    [b"", b"c=biws,r=x", b"c=biws,p=eA==,r=x", b"r=x,c=biws,p=eA==", FINAL + b"\xc3\xbc"],
)
def test_a_final_message_that_is_none(response: bytes) -> None:
    """No proof is looked at."""
    exchange = ScramExchange()
    exchange.answer(FIRST)

    assert exchange.answer(response) is Refusal.LOGIN_SYNTAX


def test_the_last_answer_is_empty() -> None:
    """Else the client speaks of something else."""
    exchange = ScramExchange()
    exchange.answer(FIRST)
    exchange.answer(FINAL)

    assert exchange.answer(b"x") is Refusal.LOGIN_SYNTAX


@given(names, st.sampled_from(["n", "y"]))
def test_any_name_is_read_as_it_was_written(name: str, binding: str) -> None:
    """With the escapes of RFC 5802 section 5.1; a client may know channel bindings."""
    escaped = name.replace("=", "=3D").replace(",", "=2C")
    message = f"{binding},,n={escaped},r=abc,x=more"

    assert ScramExchange().answer(message.encode()) == ScramFirst(name, message)


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(FIRST), st.just(FINAL)), max_size=4))
def test_exchanges_never_raise(responses: list[bytes]) -> None:
    """Whatever a client sends, in any order."""
    exchange = ScramExchange()

    for response in responses:
        outcome = exchange.answer(response)
        assert isinstance(outcome, ScramFirst | ScramFinal | ScramEnd) or outcome in (
            Refusal.LOGIN_SYNTAX,
            Refusal.LOGIN_FAILED,
        )
