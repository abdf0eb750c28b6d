"""A Pillarbox that relays to another one with a login: what the refusals of one mean to the other.
A real reception behind a real courier."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.outgoing import DELIVERED, FAILED, attempt, message, states
from tests.support.reception import MESSAGE, PATIENCE_SECONDS, USER, Site, running_site

from pillarbox.config import Limits
from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.explain.replies import explain_text
from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.net.tls import ClientContexts
from pillarbox.policy.clock import timestamp
from pillarbox.route import SmartHost, TlsMode
from pillarbox.store.admin.accounts import add_send_as, disable_account, limit_account
from pillarbox.store.admin.tenants import TenantSettings, add_domain, change_tenant

REPORT_FROM = "mailer-daemon@relay.t1.test"
REPORT = f"From: Mail Delivery System <{REPORT_FROM}>\r\n\r\nSorry\r\n".encode()


@pytest.fixture
async def behind(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    """The second Pillarbox."""
    certificates = CertificateFiles.in_folder(tmp_path)
    ensure_certificates(certificates, ["mx.test"])
    limits = Limits(tls_silence_seconds=PATIENCE_SECONDS, login_failures_per_account=3)
    async with running_site(sqlite_url, certificates, limits) as site:
        yield site


def _courier(site: Site, *, password: str = "") -> SmtpCourier:
    hop = SmartHost(
        "localhost",
        site.ports["submissions"],
        TlsMode.TLS,
        ca_file=str(site.files.ca_certificate),
        username=USER,
        password=password or site.password,
    )
    return SmtpCourier(hop, SessionSettings("relay.test", ClientContexts(), Timeouts(quit=2)))


@pytest.fixture
async def courier(behind: Site) -> AsyncIterator[SmtpCourier]:
    """What the first one sends with, in a session that stands."""
    courier = _courier(behind)
    assert await _deliver(courier) == {0: DELIVERED}
    yield courier
    await courier.close()


async def _deliver(courier: SmtpCourier, recipients: int = 1) -> object:
    return states(await attempt(courier, message(MESSAGE, recipients)))


def _suspension(result: AttemptResult) -> str:
    """Why the whole hop waits."""
    assert result.hop_failure is not None
    assert result.reason is not None
    assert result.reason.explanation.suspends
    return result.reason.explanation.id


async def test_refusals_of_the_account_hold_all_mail_back_and_of_a_number_none(
    behind: Site, courier: SmtpCourier
) -> None:
    """A switch and a daily limit, in a session that stands and goes on. Too many recipients go in
    several transactions at once."""
    await behind.change(lambda c: disable_account(c, USER, disabled_at=timestamp()))
    switched_off = await attempt(courier, message(MESSAGE))
    await behind.change(lambda c: disable_account(c, USER, disabled_at=None))
    await behind.change(lambda c: limit_account(c, USER, 2))
    await attempt(courier, message(MESSAGE, recipients=2))
    used_up = await attempt(courier, message(MESSAGE))
    await behind.change(lambda c: limit_account(c, USER, None))
    few = TenantSettings(recipient_limit=3)
    await behind.change(lambda c: change_tenant(c, "default", few))

    assert _suspension(switched_off) == "pillarbox-account-off"
    assert _suspension(used_up) == "pillarbox-daily-limit"
    assert await _deliver(courier, recipients=8) == dict.fromkeys(range(8), DELIVERED)
    assert [len(one.recipients) for one in behind.accepted][-3:] == [3, 3, 2]


async def test_a_wrong_password_and_the_lock_behind_it_are_told_apart(behind: Site) -> None:
    """Who corrects the password has to know that it still does not work for a while."""
    seen = [
        _suspension(await attempt(_courier(behind, password=password), message(MESSAGE)))
        for password in ("wrong", "wrong", "another", "a third one", "")
    ]

    assert seen == ["pillarbox-login"] * 3 + ["pillarbox-login-locked"] * 2


async def test_reports_pass_as_the_explanation_of_their_refusal_says(
    behind: Site, courier: SmtpCourier
) -> None:
    """Their sender is empty, and their From is the first Pillarbox itself."""
    report = message(REPORT, reverse_path=None)
    refused = await attempt(courier, report)
    assert states(refused) == {0: FAILED}
    found = explain_text(str(refused.outcomes[0].reply))
    assert found is not None
    assert (found.id, found.suspends) == ("pillarbox-null-sender", False)

    await behind.change(lambda c: add_domain(c, "default", "relay.t1.test", now=timestamp()))
    await behind.change(lambda c: add_send_as(c, USER, "<>"))
    await behind.change(lambda c: add_send_as(c, USER, REPORT_FROM))

    assert states(await attempt(courier, report)) == {0: DELIVERED}
