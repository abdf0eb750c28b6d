"""A courier to the mailbox of an emulator, by Graph."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.emulated import emulating
from tests.support.granting import MemoryGrants
from tests.support.outgoing import attempt, message
from tests.support.storing import open_database

from pillarbox.delivery.courier import AttemptResult, Courier
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.emulate.config import SAMPLE_APP, SAMPLE_MAILBOX, SAMPLE_SECRET, SAMPLE_TENANT
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Fault, Stage
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.net.oauth import TokenSource
from pillarbox.net.tls import ClientContexts
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.route import Microsoft365, Microsoft365Way
from pillarbox.store.drafts import Drafts

FROM = f"From: {SAMPLE_MAILBOX}\r\nSubject: Toner\r\n"


class Graph:
    """An emulator and a courier to it. `now` is the clock of the tokens."""

    def __init__(self, emulator: Emulator, way: Microsoft365Way, drafts: Drafts | None) -> None:
        self.emulator = emulator
        self.now = 1000.0
        self.hop = _hop(emulator, way)
        contexts = ClientContexts()
        self.tokens = TokenSource(
            MemoryGrants(),
            contexts,
            owner="me",
            monotonic=lambda: self.now,
            wall=lambda: 0,
        )
        timeouts = Timeouts(connect=10, quit=2)
        self.settings = SessionSettings(
            "me.test", contexts, timeouts, tokens=self.tokens, drafts=drafts
        )
        self.courier: Courier = Couriers(self.settings).courier_for(self.hop)

    async def send(self, content: str, recipients: int = 1) -> AttemptResult:
        """One attempt with r0@far.test, r1@far.test, …"""
        return await attempt(self.courier, letter(content, recipients))

    def order(self, stage: Stage = Stage.CONTENT, **fault: object) -> None:
        """The next request meets a fault."""
        order = {"service": "graph", "stage": stage, **fault}
        self.emulator.world.faults.order(Fault.model_validate(order))

    @property
    def taken(self) -> list[tuple[tuple[str, ...], bytes]]:
        """Recipients and content, as they see it, of all that arrived."""
        messages = self.emulator.world.messages.all()
        return [(one.arrival.recipients, one.seen) for one in messages]

    @property
    def ways(self) -> list[str]:
        """By which way each message came."""
        return [one.arrival.way for one in self.emulator.world.messages.all()]

    @property
    def requests(self) -> int:
        """How many there were at the mailbox."""
        return self.emulator.world.statistics[SAMPLE_MAILBOX].requests


def _hop(emulator: Emulator, way: Microsoft365Way) -> Microsoft365:
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
        Cloud.WORLDWIDE,
        sign_in,
        way,
        host="localhost",
        port=emulator.smtp_port,
        ca_file=ca_file,
        graph_url=emulator.graph_url,
    )


@asynccontextmanager
async def graph(
    way: Microsoft365Way = Microsoft365Way.GRAPH,
    switches: dict[str, str] | None = None,
    drafts: Drafts | None = None,
    **limits: Any,
) -> AsyncIterator[Graph]:
    """A courier to an emulator; `limits` are those of the emulator."""
    async with emulating(switches, **limits) as emulator:
        made = Graph(emulator, way, drafts)
        try:
            yield made
        finally:
            await made.courier.close()
            await made.tokens.close()


@asynccontextmanager
async def drafting(switches: dict[str, str] | None = None, **limits: Any) -> AsyncIterator[Graph]:
    """The same with drafts, and a database for what is known of them."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'pillarbox.sqlite'}")
        way = Microsoft365Way.GRAPH_OR_DRAFT
        async with graph(way, switches, Drafts(database), **limits) as made:
            yield made
        await database.close()


def letter(content: str, recipients: int = 1) -> SpooledMessage:
    """A message by the mailbox."""
    made = message(content.encode(), recipients)
    made.envelope = replace(made.envelope, reverse_path=parse_mailbox(SAMPLE_MAILBOX))
    return made
