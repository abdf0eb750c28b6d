"""Real mail clients log in with tokens of an issuer (docs/oauth2-clients.md)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.letters import Letter
from tests.e2e.service import Pillarbox
from tests.e2e.token_clients import CLIENTS
from tests.e2e.waiting import wait_until
from tests.support.token_issuer import AUDIENCE, SUBJECT, TokenIssuer, running_issuer

PORTS = pytest.mark.parametrize("implicit_tls", [False, True], ids=["587", "465"])
BOTH_ENDS = pytest.mark.parametrize("client", list(CLIENTS))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenIssuer]:
    """The issuer of the tenant."""
    with running_issuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture(scope="module")
def trusting(service: Pillarbox, issuer: TokenIssuer) -> Pillarbox:
    """A service whose first account is known by a subject of the issuer; it captures all mail."""
    ca = ("--ca-file", str(issuer.ca_file))
    before = len(service.events("reception.logins_offered"))
    service.admin("issuer", "set", issuer.url, "--audience", AUDIENCE, *ca)
    service.admin(
        *("credential", "add", service.username, "--label", "token", "--oauth-subject", SUBJECT)
    )
    wait_until(
        lambda: len(service.events("reception.logins_offered")) > before, 10, "tokens to be offered"
    )
    return service


def _letter(client: str) -> Letter:
    marker = f"{client}-{uuid4().hex[:12]}"
    return Letter(marker, f"{marker}@next.example")


def _taken(service: Pillarbox) -> list[object]:
    """The sessions of the account that sent a message."""
    closed = service.events("session.closed")
    return [one for one in closed if (one["login"], one["messages"]) == (service.username, 1)]


@PORTS
@BOTH_ENDS
def test_a_client_sends_with_a_token(
    trusting: Pillarbox, issuer: TokenIssuer, client: str, *, implicit_tls: bool, tmp_path: Path
) -> None:
    """Its message is taken as the account's."""
    letter = _letter(client)
    door = replace(trusting.door(implicit_tls=implicit_tls), password=issuer.token())
    before = len(_taken(trusting))

    was_sent, said = CLIENTS[client](letter, door, tmp_path)

    assert was_sent, said
    wait_until(lambda: len(_taken(trusting)) > before, 20, "the session to end")


@BOTH_ENDS
def test_a_client_reads_why_its_token_is_refused(
    trusting: Pillarbox, issuer: TokenIssuer, client: str, tmp_path: Path
) -> None:
    """It understands the JSON, answers it, and shows the words of the refusal; nothing of the token
    is left in the log or the database."""
    letter = _letter(client)
    token = issuer.token(sub=f"other-{client}")
    door = replace(trusting.door(implicit_tls=False), password=token)
    before = len(trusting.events("session.closed"))

    was_sent, said = CLIENTS[client](letter, door, tmp_path)

    assert not was_sent
    assert "535 5.7.8 Login with OAuth2 failed" in said or client.startswith("msmtp"), said
    assert "535" in said
    wait_until(lambda: len(trusting.events("session.closed")) > before, 20, "the session to end")
    for file in (trusting.log_file, *trusting.folder.glob("*.sqlite3*")):
        octets = file.read_bytes()
        assert not any(piece.encode() in octets for piece in token.split(".")[1:])
    assert trusting.events("session.closed")[-1]["cause"] == (
        "the token is not good: its sub is no credential of this account"
    )
