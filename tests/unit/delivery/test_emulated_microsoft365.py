"""The way out, against the emulator of Microsoft 365, which shares none of its code."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support.emulated import emulating
from tests.support.granting import MemoryGrants
from tests.support.outgoing import DEFERRED, DELIVERED, attempt, message, states

from pillarbox.delivery.check_step import Step
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.sender_check import check_sender
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.emulate.config import SAMPLE_APP, SAMPLE_MAILBOX, SAMPLE_SECRET, SAMPLE_TENANT
from pillarbox.emulate.emulator import Emulator
from pillarbox.mail.address import parse_mailbox
from pillarbox.net.oauth import TokenSource
from pillarbox.net.tls import ClientContexts
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.route import Microsoft365

LETTER = f"From: {SAMPLE_MAILBOX}\r\nSubject: Toner\r\n\r\nIt is empty.\r\n".encode()


MAILBOX_AUTH = f"Set-CASMailbox '{SAMPLE_MAILBOX}' -SmtpClientAuthenticationDisabled $false"


@asynccontextmanager
async def _settings() -> AsyncIterator[SessionSettings]:
    tokens = TokenSource(
        MemoryGrants(), ClientContexts(), owner="me", monotonic=lambda: 1000.0, wall=lambda: 0
    )
    yield SessionSettings("me.test", ClientContexts(), Timeouts(quit=2), tokens=tokens)
    await tokens.close()


def hop_at(emulator: Emulator, cloud: Cloud = Cloud.WORLDWIDE) -> Microsoft365:
    """The sample mailbox by the sample application."""
    ca_file = str(emulator.ca_file)
    sign_in = SignIn(
        Flow.CLIENT_SECRET,
        SAMPLE_APP,
        emulator.authority_url,
        SAMPLE_TENANT,
        secret=SAMPLE_SECRET,
        ca_file=ca_file,
    )
    return Microsoft365(
        SAMPLE_MAILBOX,
        cloud,
        sign_in,
        host="localhost",
        port=emulator.smtp_port,
        ca_file=ca_file,
    )


async def test_a_message_arrives_by_the_mailbox() -> None:
    """Token, STARTTLS, XOAUTH2, message."""
    made = message(LETTER)
    made.envelope = replace(made.envelope, reverse_path=parse_mailbox(SAMPLE_MAILBOX))
    async with emulating() as emulator, _settings() as settings:
        courier = Couriers(settings).courier_for(hop_at(emulator))

        result = await attempt(courier, made)
        await courier.close()

        assert states(result) == {0: DELIVERED}, result
        assert len(emulator.world.messages.all(SAMPLE_MAILBOX)) == 1


async def test_check_finds_nothing_and_sends_nothing() -> None:
    """A tenant that was set up as variant A says."""
    async with emulating() as emulator, _settings() as settings:
        steps = await check_sender(hop_at(emulator), settings)

        assert [step for step in steps if not step.is_ok] == []
        assert steps[-1].name == "Sender"
        assert emulator.world.messages.all() == []


def _failed(steps: list[Step]) -> tuple[str, str]:
    """The step that failed, and all that it says."""
    [step] = [step for step in steps if not step.is_ok]
    return step.name, f"{step.text} {' '.join(step.fixes)}"


@pytest.mark.parametrize(
    ("switch", "position", "step", "words"),
    [
        ("secret", "expired", "Token", ["AADSTS7000222", "--client-secret-file"]),
        (
            "secret",
            "replaced",
            "Token",
            ["AADSTS7000215", "make a new one", "--client-secret-file"],
        ),
        ("app", "missing", "Token", ["AADSTS700016", "client id"]),
        ("app", "disabled", "Token", ["AADSTS7000112", "disabled", "Enabled for users to sign-in"]),
        ("tenant", "missing", "Token", ["AADSTS90002", "tenant id"]),
        ("object_id", "wrong", "Login", ["New-ServicePrincipal", "Enterprise application"]),
        ("full_access", "missing", "Login", ["Add-MailboxPermission"]),
        ("mailbox_smtp_auth", "off", "Login", ["Set-CASMailbox"]),
    ],
)
async def test_check_finds_what_is_missing(
    switch: str, position: str, step: str, words: list[str]
) -> None:
    """Each setting that an administrator forgets, by the step and the fix; mail waits for it."""
    async with emulating({switch: position}) as emulator, _settings() as settings:
        hop = hop_at(emulator)
        name, text = _failed(await check_sender(hop, settings))
        result = await attempt(Couriers(settings).courier_for(hop), message(LETTER))

    assert name == step
    assert all(word in text for word in words), text
    assert states(result) == {0: DEFERRED}
    assert result.hop_failure is not None


@pytest.mark.parametrize(
    ("switch", "fix"),
    [("smtp_auth", "Set-TransportConfig"), ("mailbox_smtp_auth", MAILBOX_AUTH)],
)
async def test_check_believes_a_refusal_that_says_why(switch: str, fix: str) -> None:
    """It guesses nothing then: what it would say of the application is not what is wrong."""
    async with emulating(switches={switch: "off"}) as emulator, _settings() as settings:
        steps = await check_sender(hop_at(emulator), settings)

    [login] = [step for step in steps if not step.is_ok]
    [said] = login.fixes
    assert fix in said
    assert MAILBOX_AUTH in said
