"""Failed sessions by command (pillarbox.cli.session)."""

from dataclasses import replace

import pytest
from tests.support.storing import new_id, now_ms
from tests.unit.cli.conftest import Service

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.identifier import format_id
from pillarbox.store.records import SessionRecord
from pillarbox.store.sessions import Sessions

EX_DATA = 65
EX_NO_SUCH = 67

FAILED = SessionRecord(
    session_id=new_id(),
    started_at=now_ms(),
    listener="submission",
    remote_address="192.0.2.7",
    helo="printer",
    login="printer@example.org",
    tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
    refusals="LOGIN_FAILED AUTH_REQUIRED",
    cause="the password is wrong",
)
SESSION_ID = format_id(FAILED.session_id)


@pytest.fixture
async def failed(service: Service) -> Service:
    """A service with one failed session in its store."""
    Sessions(service.database).record(FAILED)
    await service.database.write(lambda _: None)
    return service


@pytest.mark.parametrize(
    "typed",
    [SESSION_ID, f"[{SESSION_ID}]", SESSION_ID.lower()],
    ids=["plain", "in brackets", "lower case"],
)
async def test_session_tells_why_it_failed(failed: Service, typed: str) -> None:
    """The id as it stands in the reply is enough: who, from where, the private cause, and for
    each refusal what the client was told and what is behind it."""
    shown = failed.do("session", typed)

    for fact in ("192.0.2.7", "printer@example.org", "the password is wrong", "535 5.7.8"):
        assert fact in shown
    assert Refusal.LOGIN_FAILED.value.text in shown
    assert Refusal.AUTH_REQUIRED.value.cause_hint in shown


@pytest.mark.parametrize(
    ("prepare", "login", "advice"),
    [
        ([], "printer@example.org", "has no password: pillarbox credential add printer@"),
        ([], "printr@example.org", "is it printer@example.org?"),
        ([], "", "no user name"),
        (
            [["account", "change", "printer@example.org", "--disable"]],
            "Printer@Example.org",
            "pillarbox account change printer@example.org --enable",
        ),
        (
            [["tenant", "change", "default", "--disable"]],
            "printer@example.org",
            "pillarbox tenant change default --enable",
        ),
        (
            [["credential", "add", "printer@example.org", "--label", "hall"]],
            "printer@example.org",
            "type the password into the client again",
        ),
    ],
    ids=["no password", "near miss", "no name", "account off", "tenant off", "wrong password"],
)
async def test_failed_login_comes_with_the_command_that_helps(
    office: Service, prepare: list[list[str]], login: str, advice: str
) -> None:
    """By what the directory holds: the administrator need not guess."""
    for arguments in prepare:
        office.do(*arguments)
    Sessions(office.database).record(replace(FAILED, login=login))
    await office.database.write(lambda _: None)

    assert advice in office.do("session", SESSION_ID)
    assert advice in office.json("session", SESSION_ID)["advice"][0]


async def test_a_from_that_the_mailbox_may_not_use_comes_with_the_command_that_helps(
    office: Service,
) -> None:
    """Which is about the route, not about the account."""
    Sessions(office.database).record(replace(FAILED, refusals="MAILBOX_FROM_NOT_ALLOWED"))
    await office.database.write(lambda _: None)

    assert "pillarbox route change ID --may-send-as ADDRESS" in office.do("session", SESSION_ID)


async def test_commands_can_be_pasted_whatever_the_account_is_called(office: Service) -> None:
    """An address may have blanks in quotes, and what a shell would run: it is one word of it."""
    address = '"a $(reboot)"@example.org'
    word = f"'{address}'"
    command = f"pillarbox credential add {word} --label NAME"
    Sessions(office.database).record(replace(FAILED, login=address, refusals="LOGIN_FAILED"))
    await office.database.write(lambda _: None)

    assert command in office.do("account", "add", address)
    assert command in office.do("session", SESSION_ID)
    assert command in office.do("settings", address)
    assert (
        f"pillarbox credential list {word}" in office.run("credential", "show", address, "x").stderr
    )
    assert f"pillarbox send-as list {word}" in office.run("send-as", "remove", address, "x").stderr


async def test_every_refusal_can_be_explained(office: Service) -> None:
    """Also those for which only the client can do something."""
    names = " ".join(refusal.name for refusal in Refusal)
    Sessions(office.database).record(replace(FAILED, refusals=names))
    await office.database.write(lambda _: None)

    shown = office.do("session", SESSION_ID)

    assert all(refusal.value.cause_hint in shown for refusal in Refusal)


async def test_session_for_programs(failed: Service) -> None:
    """The refusals by name, code and text, in order."""
    shown = failed.json("session", "show", SESSION_ID)

    assert shown["session_id"] == SESSION_ID
    assert shown["cause"] == "the password is wrong"
    assert [(r["name"], r["code"]) for r in shown["refusals"]] == [
        ("LOGIN_FAILED", 535),
        ("AUTH_REQUIRED", 530),
    ]


async def test_failed_sessions_are_listed(failed: Service) -> None:
    """For those who have no id at hand."""
    assert [s["session_id"] for s in failed.json("session", "list")] == [SESSION_ID]
    assert "the password is wrong" in failed.do("session", "list")


async def test_session_without_a_refusal_is_67(failed: Service) -> None:
    """Only failed sessions are kept, and for how long is said."""
    result = failed.run("session", format_id(new_id()))

    assert result.exit_code == EX_NO_SUCH
    assert "30 days" in result.stderr


async def test_what_is_no_id_is_65(failed: Service) -> None:
    """A typing error is told apart from a session that is gone."""
    assert failed.run("session", "nonsense").exit_code == EX_DATA
