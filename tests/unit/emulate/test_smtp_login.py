"""Who may log in by SMTP, and in what words the others are refused."""

import asyncio
import re

import pytest
from tests.support.emulated import (
    Client,
    app_token,
    emulating,
    submit,
    xoauth2,
)

from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_MAILBOX,
    SAMPLE_SHARED,
    EmulatorConfig,
    sample_tenant,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.replies import REPLIES

TRAILER = (
    r" \[emulate01\.outlook\.office365\.example \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \w{16}\]"
)


@pytest.mark.parametrize(
    ("switch", "row", "pattern"),
    [
        ("smtp_auth=off", 12, r"SmtpClientAuthentication is disabled for the Tenant\. Visit .*"),
        (
            "mailbox_smtp_auth=off",
            13,
            r"SmtpClientAuthentication is disabled for the Mailbox\. Visit .*",
        ),
        ("basic_auth=off", 14, r"basic authentication is disabled\."),
        ("security_defaults=on", 15, r"user is locked by your organization's security defaults .*"),
        ("conditional_access=legacy", 16, r"the request did not meet the criteria to be .*"),
        ("authentication_policy=block", 16, r"the request did not meet the criteria to be .*"),
    ],
)
async def test_a_password_is_refused_by_the_switch(switch: str, row: int, pattern: str) -> None:
    """535 5.7.139 in the words of each setting, with host, time and session behind it."""
    name, _, position = switch.partition("=")

    async with emulating({name: position}) as emulator:
        said = await submit(emulator)

    assert re.fullmatch(rf"535 5\.7\.139 Authentication unsuccessful, {pattern}{TRAILER}", said)
    assert row in {reply.row for reply in REPLIES.values()}


@pytest.mark.parametrize(
    ("switch", "reply"),
    [
        ("mfa=on", "535 5.7.3 Authentication unsuccessful ["),
        ("mailbox=disabled", "535 5.7.3 Authentication unsuccessful ["),
        (
            "federation=unreachable",
            "535 5.7.139 Authentication unsuccessful, federated STS service",
        ),
        ("federation=insecure", "535 5.7.139 Authentication unsuccessful, the federated STS URL"),
        ("basic_auth=retired", "550 5.7.30 Basic authentication is not supported for Client"),
        ("outbound=blocked", "550 5.1.8 Access denied, bad outbound sender"),
        ("outbound=banned", "550 5.7.501 Access denied, spam abuse detected"),
        ("mailbox_storage=full", "554 5.2.2 mailbox full;"),
        ("mailbox_logon=fails", "430 4.2.0 STOREDRV; mailbox logon failure;"),
    ],
)
async def test_a_switch_refuses_a_login_or_a_message(switch: str, reply: str) -> None:
    """For one mailbox as for all."""
    name, _, position = switch.partition("=")

    async with emulating({f"{SAMPLE_MAILBOX}/{name}": position}) as emulator:
        said = await submit(emulator)

    assert said.startswith(reply)
    assert emulator.world.messages.all() == []


async def test_the_mailboxs_own_switch_outranks_the_tenants() -> None:
    """SMTP AUTH on for the mailbox, off for the tenant: the login succeeds."""
    async with emulating({"smtp_auth": "off", "mailbox_smtp_auth": "on"}) as emulator:
        assert (await submit(emulator)).startswith("250 2.0.0 OK <")


async def test_a_refused_login_shows_again_at_mail() -> None:
    """Programs that ignore the 535 see it behind 5.7.57."""

    def talk(emulator: Emulator) -> str:
        with Client(emulator) as client:
            client.log_in(password="wrong")
            return client.say(f"MAIL FROM:<{SAMPLE_MAILBOX}>")

    async with emulating() as emulator:
        said = await asyncio.to_thread(talk, emulator)

    assert said.startswith(
        "530 5.7.57 Client not authenticated to send mail. Error: 535 5.7.139 Authentication"
        " unsuccessful, the user credentials were incorrect. [emulate01"
    )


@pytest.mark.parametrize(
    ("claims", "username"),
    [
        ({"aud": "https://graph.microsoft.com"}, SAMPLE_MAILBOX),
        ({"exp": 1}, SAMPLE_MAILBOX),
        ({"tid": "another"}, SAMPLE_MAILBOX),
        ({"roles": []}, SAMPLE_MAILBOX),
        ({"appid": "another"}, SAMPLE_MAILBOX),
        ({}, "nobody@contoso.example"),
        ({"upn": SAMPLE_SHARED, "scp": "SMTP.Send", "roles": []}, SAMPLE_MAILBOX),
        ({"upn": SAMPLE_MAILBOX, "scp": "Mail.Send", "roles": []}, SAMPLE_MAILBOX),
    ],
)
async def test_a_token_that_does_not_fit_is_refused(
    claims: dict[str, object], username: str
) -> None:
    """Wrong audience, time, tenant, role, app, `user=`, or another user's: 535 5.7.3."""

    def talk(emulator: Emulator) -> str:
        with Client(emulator) as client:
            return client.log_in_by_token(app_token(emulator, **claims), username)

    async with emulating() as emulator:
        said = await asyncio.to_thread(talk, emulator)

    assert re.fullmatch(r"535 5\.7\.3 Authentication unsuccessful \[[\w.]+\]", said)


@pytest.mark.parametrize(
    ("switch", "reply"),
    [
        (f"{SAMPLE_APP}/object_id=wrong", "535 5.7.3"),
        ("full_access=missing", "535 5.7.3"),
        ("app=missing", "535 5.7.3"),
        ("smtp_auth=off", "535 5.7.139"),
        ("security_defaults=on", "235 2.7.0"),
        ("basic_auth=retired", "235 2.7.0"),
    ],
)
async def test_what_keeps_an_app_out(switch: str, reply: str) -> None:
    """Settings of the app do, settings for passwords do not."""
    name, _, position = switch.partition("=")

    def talk(emulator: Emulator) -> str:
        with Client(emulator) as client:
            return client.log_in_by_token(app_token(emulator))

    async with emulating({name: position}) as emulator:
        assert (await asyncio.to_thread(talk, emulator)).startswith(reply)


async def test_rbac_for_applications_needs_no_role_in_the_token() -> None:
    """Variant B: the scope of a management role names the mailboxes. With SMTP.SendAsApp in the
    token the mailbox's own permissions are looked at instead."""
    tenant = sample_tenant()
    app = tenant.apps[0].model_copy(update={"mailboxes": (), "rbac_mailboxes": (SAMPLE_MAILBOX,)})
    config = EmulatorConfig(tenants=(tenant.model_copy(update={"apps": (app,)}),))

    def talk(emulator: Emulator, roles: list[str], mailbox: str) -> str:
        with Client(emulator) as client:
            return client.log_in_by_token(app_token(emulator, roles=roles), mailbox)

    async with Emulator(config) as emulator:
        said = [
            await asyncio.to_thread(talk, emulator, roles, mailbox)
            for roles, mailbox in (
                ([], SAMPLE_MAILBOX),
                ([], SAMPLE_SHARED),
                (["SMTP.SendAsApp"], SAMPLE_MAILBOX),
            )
        ]

    assert [reply[:3] for reply in said] == ["235", "535", "535"]


async def test_a_delegate_opens_the_shared_mailbox() -> None:
    """The user's token with `user=` the shared mailbox."""

    def talk(emulator: Emulator) -> str:
        token = app_token(emulator, upn=SAMPLE_MAILBOX, scp="SMTP.Send", roles=[])
        with Client(emulator) as client:
            return client.log_in_by_token(token, SAMPLE_SHARED)

    async with emulating() as emulator:
        assert (await asyncio.to_thread(talk, emulator)).startswith("235 2.7.0")


async def test_high_volume_email_refuses_a_token_that_ends_soon() -> None:
    """Ten minutes before its end."""

    def talk(emulator: Emulator, seconds: int) -> str:
        token = app_token(emulator, exp=int(emulator.world.clock()) + seconds)
        with Client(emulator) as client:
            return client.log_in_by_token(token)

    async with emulating({"hve": "on"}) as emulator:
        early = await asyncio.to_thread(talk, emulator, 660)
        late = await asyncio.to_thread(talk, emulator, 540)

    assert early.startswith("235")
    assert late == "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon"


async def test_xoauth2_works_without_an_initial_response() -> None:
    """334 first, then the token."""

    def talk(emulator: Emulator) -> tuple[str, str]:
        with Client(emulator) as client:
            client.ehlo()
            asked = client.say("auth xoauth2")
            return asked, client.say(xoauth2(SAMPLE_MAILBOX, app_token(emulator)))

    async with emulating() as emulator:
        asked, said = await asyncio.to_thread(talk, emulator)

    assert asked.strip() == "334"
    assert said == "235 2.7.0 Authentication successful"
