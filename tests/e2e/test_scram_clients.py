"""Real mail clients prove their password by SCRAM-SHA-256 (docs/configuration.md)."""

import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.e2e.letters import Letter
from tests.e2e.postfix import PostfixClient
from tests.e2e.service import Pillarbox
from tests.e2e.token_clients import msmtp
from tests.e2e.waiting import wait_until

scram = partial(msmtp, "scram-sha-256")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service with SCRAM, to which its only account has logged in once by PLAIN."""
    pillarbox = Pillarbox(tmp_path_factory.mktemp("pillarbox"))
    pillarbox.config.write_text(f"scram_sha_256 = true\n{pillarbox.config.read_text()}")
    try:
        pillarbox.start()
        assert "SCRAM" not in _mechanisms(pillarbox)
        wait_until(lambda: pillarbox.events("reception.logins_offered") != [], 20, "SCRAM")
        yield pillarbox
    finally:
        code = pillarbox.stop()
    assert code == 0, pillarbox.log[-4000:]


def _mechanisms(service: Pillarbox) -> str:
    """Log in by PLAIN; what was offered before that."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, timeout=20, context=context) as client:
        client.ehlo()
        client.user, client.password = service.username, service.password
        client.auth("PLAIN", client.auth_plain)
        return client.esmtp_features["auth"]


def _taken(service: Pillarbox) -> int:
    return sum(one["messages"] for one in service.events("session.closed"))


@pytest.mark.parametrize("implicit_tls", [False, True], ids=["587", "465"])
def test_msmtp_sends(service: Pillarbox, *, implicit_tls: bool, tmp_path: Path) -> None:
    """By GNU SASL, which checks the server's signature."""
    before = _taken(service)

    was_sent, said = scram(
        Letter("a", "a@next.example"), service.door(implicit_tls=implicit_tls), tmp_path
    )

    assert was_sent, said
    wait_until(lambda: _taken(service) > before, 20, "the session to end")


@pytest.mark.parametrize("username", [None, "nobody@sender.example"])
def test_msmtp_reads_the_refusal(service: Pillarbox, username: str | None, tmp_path: Path) -> None:
    """The same for a wrong password and for nobody."""
    door = service.door(implicit_tls=True)
    door = replace(door, username=username or door.username, password="wrong")

    was_sent, said = scram(Letter("b", "b@next.example"), door, tmp_path)

    assert not was_sent
    assert "535 5.7.8 Login failed" in said


def test_a_postfix_sends(service: Pillarbox) -> None:
    """By Cyrus SASL, which takes no more iterations than these and chooses SCRAM by itself."""
    door = service.door(implicit_tls=False)
    client = PostfixClient("client.sender.example", [door])
    client.main.append("smtp_sasl_mechanism_filter = scram-sha-256")
    before = _taken(service)
    letter = Letter("c", "c@next.example")
    try:
        client.start_client()
        with smtplib.SMTP("127.0.0.1", client.port_for[door.port], timeout=20) as sender:
            sender.sendmail(letter.sender, letter.recipient, letter.octets, ["BODY=8BITMIME"])
        wait_until(lambda: _taken(service) > before, 30, "the letter")
    finally:
        client.stop()
