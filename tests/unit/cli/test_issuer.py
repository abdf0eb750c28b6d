"""Issuers and their subjects by command (pillarbox.cli.issuer, .credential)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.token_issuer import KEYS, TokenIssuer, running_issuer, send
from tests.unit.cli.conftest import Service

EX_USAGE = 64
EX_DATA = 65
EX_NO_SUCH = 67
EX_UNAVAILABLE = 69


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[TokenIssuer]:
    """An issuer that answers."""
    with running_issuer(tmp_path) as running:
        yield running


def _set(issuer: TokenIssuer) -> tuple[str, ...]:
    settings = ("--audience", "api://mail", "--audience", "1-2", "--claim", "appid")
    return ("issuer", "set", issuer.url, *settings, "--ca-file", str(issuer.ca_file))


def test_an_issuer_is_shown_as_it_was_set(office: Service, issuer: TokenIssuer) -> None:
    """Its keys are fetched at once."""
    assert "credential add" in office.do(*_set(issuer), "--scope", "SMTP.Send")

    shown = office.json("issuer", "show")

    assert issuer.asked[KEYS] == 1
    assert shown["issuer"] == issuer.url
    assert shown["audiences"] == ["1-2", "api://mail"]
    assert (shown["claim"], shown["scope"]) == ("appid", "SMTP.Send")
    assert shown["ca_file"] == str(issuer.ca_file)
    assert office.json("issuer", "list") == [shown]
    assert office.json("issuer", "check")["keys"] == ["k1"]
    assert issuer.url in office.do("issuer", "show")
    assert issuer.url in office.do("issuer", "list")


def test_an_issuer_that_does_not_answer_is_told(office: Service, issuer: TokenIssuer) -> None:
    """It stays set: perhaps it answers later."""
    issuer.answers[KEYS] = lambda handler: send(handler, b"", 500)

    result = office.run(*_set(issuer))

    assert result.exit_code == EX_UNAVAILABLE
    assert "answered 500" in result.stderr
    assert "issuer check" in result.stderr
    assert office.json("issuer", "show")["issuer"] == issuer.url


def test_an_issuer_can_be_set_before_it_is_there(office: Service) -> None:
    """Without asking it."""
    office.do("issuer", "set", "https://nowhere.invalid", "--audience", "x", "--no-check")

    assert office.json("issuer", "show")["claim"] == "sub"


def test_an_issuer_can_be_removed(office: Service, issuer: TokenIssuer) -> None:
    """Then there is none, and the command says how to set one."""
    office.do(*_set(issuer))

    office.do("issuer", "remove")

    result = office.run("issuer", "show")
    assert result.exit_code == EX_NO_SUCH
    assert "pillarbox issuer set" in result.stderr
    assert office.json("issuer", "list") == []


def test_a_subject_is_a_credential(office: Service, issuer: TokenIssuer) -> None:
    """It has no secret to show."""
    add = ("credential", "add", "printer@example.org", "--label", "erp", "--oauth-subject", "id-1")
    assert office.run(*add).exit_code == EX_DATA
    office.do(*_set(issuer))

    assert "appid id-1" in office.do(*add)

    shown = office.json("credential", "show", "printer@example.org", "erp")
    assert (shown["kind"], shown["issuer"]) == ("oauth2", issuer.url)
    assert (shown["claim"], shown["subject"]) == ("appid", "id-1")
    assert "password" not in shown
    assert "appid id-1" in office.do("credential", "list")


def test_a_credential_is_of_one_kind(office: Service) -> None:
    """A subject needs no network and no password."""
    add = ("credential", "add", "printer@example.org", "--label", "erp", "--oauth-subject", "id-1")

    assert office.run(*add, "--network", "10.0.0.1").exit_code == EX_USAGE
