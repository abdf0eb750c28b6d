"""Explanations for programs (explain.client_failures, explain.client_replies): nothing in them
speaks of the service, its routes, or mail that is tried again by itself."""

import re
from collections.abc import Callable

import pytest

from pillarbox.client.server import Server
from pillarbox.client.verdicts import error_of
from pillarbox.errors import PillarboxError
from pillarbox.explain import client_replies, graph_failures, mx_failures
from pillarbox.explain.client_failures import explain_to_client
from pillarbox.explain.client_replies import advice_of
from pillarbox.explain.command_words import for_options, for_profile
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.explain.refusals import Refusal
from pillarbox.explain.replies import explain_text, explanation_of
from pillarbox.explain.reply_table import TABLE
from pillarbox.mail.reply import Reply

_OF_THE_SERVICE = re.compile(
    r"(?<!network )\broutes?\b|next hop|pillarbox (route|queue|m365|session)|this service|\bcaps?\b"
    r"|mail waits|is tried again|host_name",
    re.IGNORECASE,
)
_OF_A_PROGRAM = re.compile(
    r"\b(?:auth|ca_file|helo_name|tls|require_tls|sender|recipients)=|Pool\(|pillarbox\.client"
)
_NEVER_OF_A_CLIENT = {*vars(graph_failures), *vars(mx_failures), "MAIL_REFUSED"}

KINDS = [kind for kind in FailureKind if kind.name not in _NEVER_OF_A_CLIENT]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_failure_speaks_of_arguments(kind: FailureKind) -> None:
    """What happened, why, and which argument to change."""
    failure = Failure(kind, "there", Reply(451, "4.0.0", ("said",)))

    told = explain_to_client(failure, host="mx.test", port=587)

    for text in (told.reply.text, told.cause, told.fix):
        assert text
        assert not _OF_THE_SERVICE.search(text), text
        assert "{" not in text


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_failure_has_an_error_of_its_own(kind: FailureKind) -> None:
    """The code is the name of the kind, and the class is more than the base."""
    error = error_of(Failure(kind, "there"), Server("mx.test", 587, is_implicit=False))

    assert error.code == kind.name.lower().replace("_", "-")
    assert type(error) is not PillarboxError
    assert type(error).__name__ != "ClientError"
    assert (error.retry_after is not None) is error.is_transient


@pytest.mark.parametrize("row", TABLE.rows)
def test_a_known_reply_speaks_to_programs(row: str) -> None:
    """Each row of the table."""
    explanation = explanation_of(row)
    assert explanation is not None

    for text in advice_of(explanation):
        assert text
        assert not _OF_THE_SERVICE.search(text), text


def test_what_is_said_otherwise_is_said_of_rows_that_are_there() -> None:
    """An id that was mistyped would never be used."""
    assert set(client_replies._FIXES) | set(client_replies._CAUSES) <= set(TABLE.rows)


@pytest.mark.parametrize("words", [for_options, for_profile])
def test_a_command_speaks_of_options_and_profiles(words: Callable[[str], str]) -> None:
    """No argument of Python is left in what a person at a terminal reads."""
    fixes = [explain_to_client(Failure(k, "x"), host="mx.test", port=587).fix for k in KINDS]
    fixes += [advice_of(row).fix for row in map(explanation_of, TABLE.rows) if row is not None]

    left = {fix for fix in map(words, fixes) if _OF_A_PROGRAM.search(fix)}

    assert any(map(_OF_A_PROGRAM.search, fixes))
    assert not left


def test_a_token_that_pillarbox_refuses_is_no_wrong_password() -> None:
    """Who reads of a password would look for one that there is not."""
    found = explain_text(str(Refusal.TOKEN_REFUSED.reply("0SBM7641SNR00")))

    assert found is not None
    assert "password" not in " ".join((found.cause, found.fix, *advice_of(found)))
    assert "pillarbox issuer show" in found.fix
