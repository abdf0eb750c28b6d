"""Logging in with SCRAM-SHA-256 (RFC 5802, RFC 7677): the arithmetic, the proof that the server
owes, and what a hostile server may try."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramMechanism

from pillarbox.errors import RemoteProtocolError
from pillarbox.explain.failures import FailureKind
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_login import Login, choose_login
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_scram import DIGESTS, Scrambling, ScramExchange, prepared

Cuts = Callable[[bytes], list[list[bytes]]]

NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
SETTINGS = ClientSettings(
    "me.test",
    username="user",
    password="pencil",
    mechanisms=("SCRAM-SHA-256", "PLAIN"),
    scrambling=Scrambling(NONCE),
)
FIRST = b"334 " + b64encode(SERVER_FIRST) + b"\r\n"
REFUSAL = b"535 5.7.8 no\r\n"
FINAL = b"334 " + b64encode(SERVER_FINAL) + b"\r\n"


def began(settings: ClientSettings = SETTINGS) -> ClientProtocol:
    """A session behind its AUTH command."""
    core = ClientProtocol(settings)
    core.receive(b"220 mx.test\r\n")
    core.data_to_send()
    core.receive(b"250-mx.test\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n")
    said = core.data_to_send().split()
    assert said[:2] == [b"AUTH", b"SCRAM-SHA-256"]
    assert b64decode(said[2]) == b"n,,n=user,r=" + NONCE.encode()
    return core


def test_the_example_of_rfc_7677(cuts: Cuts) -> None:
    """Section 3, octet by octet and at once: the proof, and the empty answer to the signature."""
    for first in cuts(FIRST):
        core = began()
        for piece in first:
            assert core.data_to_send() == b""
            core.receive(piece)
        assert b64decode(core.data_to_send()) == CLIENT_FINAL
        for octet in FINAL:
            core.receive(bytes([octet]))
        assert core.data_to_send() == b"\r\n"
        core.receive(b"235 in\r\n")
        assert core.is_ready


@pytest.mark.parametrize(
    "said",
    [
        [b"235 in\r\n"],
        [FIRST, b"235 in\r\n"],
        [FIRST, b"334 " + b64encode(SERVER_FINAL[:-4] + b"AAA=") + b"\r\n"],
        [FIRST, b"334 " + b64encode(b"v=") + b"\r\n"],
        [FIRST, b"334 " + b64encode(b"e=invalid-proof") + b"\r\n", b"235 in\r\n"],
        [FIRST, FINAL, FINAL],
        [b"334 " + b64encode(SERVER_FIRST.replace(b"rOpr", b"xOpr")) + b"\r\n"],
        [b"334 " + b64encode(b"r=" + NONCE.encode() + b",s=W22Z,i=4096") + b"\r\n"],
        [b"334 " + b64encode(SERVER_FIRST.replace(b"4096", b"4095")) + b"\r\n"],
        [b"334 " + b64encode(SERVER_FIRST.replace(b"4096", b"1000000000")) + b"\r\n"],
        [b"334 " + b64encode(b"m=x," + SERVER_FIRST) + b"\r\n"],
        [b"334 !!!\r\n"],
        [b"334 \r\n"],
    ],
)
def test_a_server_that_does_not_prove_the_password_gets_no_mail(said: list[bytes]) -> None:
    """Whatever it leaves out, makes up or asks for, the session is over."""
    core = began()

    for octets in said:
        core.receive(octets)

    assert core.phase is Phase.CLOSED
    assert core.failure is not None
    assert core.failure.kind is FailureKind.PROTOCOL_BROKEN


def test_a_wrong_password_is_a_refused_login() -> None:
    """The server says so with 535, at once, behind the proof, or behind its own error."""
    error = b"334 " + b64encode(b"e=invalid-proof") + b"\r\n"
    for said in ([REFUSAL], [FIRST, REFUSAL], [FIRST, error, REFUSAL]):
        core = began()
        for octets in said:
            core.receive(octets)
        assert core.failure is not None
        assert core.failure.kind is FailureKind.LOGIN_REFUSED


def test_the_salted_password_is_kept_for_the_next_login() -> None:
    """The thousands of hashes are computed once for a client."""
    core = began()
    core.receive(FIRST)

    assert SETTINGS.scrambling is not None
    assert list(SETTINGS.scrambling.salted) == [(b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)


@pytest.mark.parametrize("mechanism", DIGESTS)
def test_other_hashes_agree_with_another_implementation(mechanism: str) -> None:
    """The doctor tries what a server offers; either side believes the other."""
    made = ScramMechanism(mechanism)
    stored = made.make_auth_info("pass,=word", iteration_count=4096)
    server = made.make_server(lambda _: stored)
    login = Login(
        "user@corp.com", "pass,=word", mechanisms=(mechanism,), scrambling=Scrambling("n")
    )
    exchange = choose_login([mechanism], login)
    assert exchange is not None

    name, first = exchange.command.split()[1:]
    server.set_client_first(b64decode(first).decode())
    proof = b64decode(exchange.answer(b64encode(server.get_server_first().encode())))
    server.set_client_final(proof.decode())
    exchange.answer(b64encode(server.get_server_final().encode()))

    exchange.finish()
    assert name == mechanism.encode()


@given(NAMES, NAMES)
def test_every_name_and_password_agrees_with_another_implementation(
    name: str, password: str
) -> None:
    """Scramp as the server, which prepares both by itself."""
    mechanism = ScramMechanism("SCRAM-SHA-256")
    try:
        verifier = mechanism.make_auth_info(password, iteration_count=4096, salt=b"salt")
    except Exception:  # noqa: BLE001 - what may not be in a password
        return
    exchange = ScramExchange(name, password, Scrambling("nonce"))
    server = mechanism.make_server(lambda _: verifier)
    try:
        server.set_client_first(b64decode(exchange.command.split()[2]).decode())
    except Exception:  # noqa: BLE001 - the same for a name
        return

    proof = b64decode(exchange.answer(b64encode(server.get_server_first().encode())))
    server.set_client_final(proof.decode())
    exchange.answer(b64encode(server.get_server_final().encode()))
    exchange.finish()


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_challenges_of_any_kind_raise_nothing_else(challenges: list[bytes]) -> None:
    """Only RemoteProtocolError, whatever comes."""
    exchange = ScramExchange("u", "p", Scrambling("n"))
    for challenge in challenges:
        for octets in (challenge, b64encode(challenge)):
            with suppress(RemoteProtocolError):
                exchange.answer(octets)


def test_other_blanks_and_what_does_not_show_are_prepared() -> None:
    """RFC 4013 section 3."""
    assert prepared("I\xadX") == "IX"
    assert prepared("\xaa") == "a"
    assert prepared("a\xa0b") == "a b"
