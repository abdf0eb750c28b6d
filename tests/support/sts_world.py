"""A domain with one MX host, and a web server for its MTA-STS policy."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.mail_world import Page, page
from tests.support.mx_world import MxWorld, open_mx_world, with_starttls
from tests.support.outgoing import DEFERRED, states
from tests.support.smtp_peer import Server

from pillarbox.delivery.courier import AttemptResult
from pillarbox.store.database import Database
from pillarbox.store.mta_sts import StsPolicies
from pillarbox.store.schema import mta_sts

HOST = "mx.far.example"
PATH = "/.well-known/mta-sts.txt"
WEEK_MS = 604_800_000
TYPE = "Content-Type: text/plain; charset=utf-8\r\n"


def policy(mode: str = "enforce", mx: str = HOST, max_age: int = 604_800) -> Page:
    """A policy that holds a week."""
    text = f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {max_age}\n"
    return page(text, headers=TYPE)


class StsWorld:
    """far.example with one host, and a web server for its policy."""

    def __init__(self, mx: MxWorld) -> None:
        self.mx = mx
        self.pages: dict[str, Page] = {}
        self.later_ms = 0

    def wall(self) -> int:
        """The time of day."""
        return time.time_ns() // 1_000_000 + self.later_ms

    def publish(self, found: Page, number: int = 1) -> None:
        """A policy with its record."""
        self.pages[PATH] = found
        self.record(f"v=STSv1; id={number};")

    def record(self, *texts: str) -> None:
        """The TXT records from now on; the service asks anew."""
        self.mx.dns.records["_mta-sts.far.example", "TXT"] = [f'"{text}"' for text in texts]
        self.mx.means.dns._resolver = None

    async def host(self, certificate: str = HOST) -> Server:
        """The host, with STARTTLS and a certificate."""
        context = self.mx.dns.tls(certificate)
        return await self.mx.host(HOST, with_starttls(context), address="127.0.0.11")

    async def send(self, **envelope: Any) -> AttemptResult:
        """One attempt."""
        return await self.mx.send("far.example", **envelope)

    async def refused(self) -> str:
        """The reply to an attempt that has to wait."""
        result = await self.send()
        assert states(result) == {0: DEFERRED}
        # The pause of the hosts is over.
        self.mx.means.sites._sites.clear()
        return str(result.outcomes[0].reply)


@asynccontextmanager
async def open_sts_world(folder: Path, ca_file: str) -> AsyncIterator[StsWorld]:
    """A world whose policy is to be published."""
    async with open_mx_world() as mx:
        database = Database.open(f"sqlite:///{folder / 'store.sqlite3'}", reserve_octets=0)
        # All tables take a second.
        database.write_now(mta_sts.create)
        world = StsWorld(mx)
        mx.ca_file = ca_file
        mx.settings = replace(
            mx.settings,
            policies=StsPolicies(database),
            web_connect=mx.dns.connect,
            wall=world.wall,
        )
        mx.mx("far.example", HOST)
        await mx.dns.web("mta-sts.far.example", world.pages)
        try:
            yield world
        finally:
            await mx.close()
            database.close_now()
