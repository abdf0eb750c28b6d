"""Secrets, certificates and grants that end soon are told in time, once for each stage."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
import trustme
from tests.support.storing import now_ms, open_database

from pillarbox.app.ending_watch import EndingWatch
from pillarbox.mail.envelope import Timestamp
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.observe import metrics
from pillarbox.policy.clock import Clock
from pillarbox.route import Microsoft365, Route
from pillarbox.store.admin.routes import add_route
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.database import Database
from pillarbox.store.seal import Seal, new_master_key

DAY_MS = 86_400_000
NOW = now_ms()
APP = SignIn(Flow.CLIENT_SECRET, "app", "https://login.test", "tenant", secret="s3cret")


@dataclass
class Watched:
    """A watch over a database, at a time that a test sets."""

    database: Database
    now: Timestamp = NOW

    def __post_init__(self) -> None:
        self.watch = EndingWatch(self.database, Clock(timestamp=lambda: self.now))

    def add(self, sign_in: SignIn, refresh_token: str = "") -> None:
        """The only route, by this sign-in."""
        hop = Microsoft365("alerts@contoso.example", Cloud.WORLDWIDE, sign_in)
        seal = Seal(new_master_key())
        self.database.write_now(
            lambda c: add_route(
                c, "acme", Route(0, "", "", hop), seal=seal, now=NOW, refresh_token=refresh_token
            )
        )

    async def stages(self, *days: float) -> list[int]:
        """Look so many days from NOW on; which stage has something in it each time."""
        seen = []
        for day in days:
            self.now = NOW + round(day * DAY_MS)
            await self.watch.look()
            gauge = metrics.SIGN_INS_ENDING
            found = [s for s in (0, 3, 14, 30, 60) if gauge.labels(str(s))._value.get() == 1]
            seen.append(found[0] if found else -1)
        return seen


@pytest.fixture
async def watched(database_url: str) -> AsyncIterator[Watched]:
    """A tenant without routes."""
    database = open_database(database_url)
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    yield Watched(database)
    await database.close()


async def test_a_secret_that_ends_is_told_30_14_and_3_days_before(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once for each stage, and after its end."""
    watched.add(replace(APP, secret_ends_at=NOW + 100 * DAY_MS))

    seen = await watched.stages(0, 69, 70, 80, 86, 90, 97, 97.5, 100, 200)

    assert seen == [-1, -1, 30, 30, 14, 14, 3, 3, 0, 0]
    said = capsys.readouterr().err
    assert re.findall(r"oauth.ends_soon .*days=(\d+)", said) == ["30", "14", "3", "0"]
    assert "s3cret" not in said


async def test_a_certificate_says_itself_when_it_ends(watched: Watched) -> None:
    """Nobody has to type it."""
    ends_at = datetime.fromtimestamp(NOW / 1000 + 20 * 86_400, UTC)
    made = trustme.CA().issue_cert("app.example", not_after=ends_at)
    pem = made.cert_chain_pems[0].bytes().decode()
    watched.add(replace(APP, flow=Flow.CERTIFICATE, secret="", private_key="x", certificate=pem))

    assert await watched.stages(0, 7, 18) == [30, 14, 3]


async def test_a_grant_that_nobody_uses_is_told(watched: Watched) -> None:
    """After 60 days; Microsoft's end after 90."""
    watched.add(replace(APP, flow=Flow.DEVICE_CODE, secret=""), refresh_token="refresh")

    assert await watched.stages(59.9, 60) == [-1, 60]
