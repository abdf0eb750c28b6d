"""app.tls_reporting: reports on TLS at the change of the day, with a DNS, web servers, a store."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from functools import partial
from itertools import pairwise
from typing import Any

import dkim
import pytest
from tests.support.mail_world import page, silence
from tests.support.mx_world import MxWorld, open_mx_world
from tests.support.outgoing import DELIVERED, Chunks, states
from tests.support.storing import open_database

from pillarbox.app.tls_letters import TlsLetters
from pillarbox.app.tls_reporting import LEASE_MS, PATIENCE_MS, TlsReporting
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.dkim import Algorithm
from pillarbox.mail.envelope import TlsWish
from pillarbox.mail.identifier import IdGenerator
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.net.dns import DnsResolver
from pillarbox.net.post import post
from pillarbox.net.reach import Reach
from pillarbox.policy.clock import Clock
from pillarbox.store.admin.dkim_keys import activate_key, add_key
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.seal import Seal, new_master_key
from pillarbox.store.signing_keys import new_private_key
from pillarbox.store.spool import Spool
from pillarbox.store.tls_reports import ReportRecord, ReportState, list_reports
from pillarbox.store.tls_results import add_results
from pillarbox.tlsrpt.report import Reporter
from pillarbox.tlsrpt.results import DAY_MS, NO_POLICY, Counted, ResultType, TlsResult

DAY = 20_700
"""Over already: a verifier takes no signature from the future."""
MIDNIGHT = (DAY + 1) * DAY_MS
MORNING = MIDNIGHT + 5 * 3_600_000
"""All reports on DAY are due."""

NAME = "_smtp._tls.far.example"
URL = "https://reports.far.example/v1"
MAILTO = "mailto:tls@far.example"
SENDER = "reports@here.example"


@dataclass
class House:
    """A store, what is outside of it, and as many workers as are asked for."""

    mx: MxWorld
    database: Database
    seal: Seal
    now: int = MORNING
    offered: list[SpooledMessage] = field(default_factory=list)
    _numbers: int = 0

    def worker(self, sender: str = SENDER) -> TlsReporting:
        """The reporting of one more worker, all of whose memory is its own."""
        self._numbers += 1
        dns = self.mx.dns
        clock = Clock(timestamp=lambda: self.now)
        mailbox = parse_mailbox(sender)

        async def hand_over(url: str, content: bytes, kind: str) -> None:
            resolver = DnsResolver.of_servers([dns.dns_server])
            await post(url, Reach(resolver, dns.trust, dns.connect), content, kind=kind)

        return TlsReporting(
            self.database,
            Reporter("Here", "postmaster@here.example", mailbox.domain_key),
            TlsLetters(
                self.database,
                Directory(self.database, self.seal),
                Spool(self.database),
                self.offered.append,
                mailbox,
                clock,
            ),
            lambda: DnsResolver.of_servers([dns.dns_server]),
            hand_over,
            IdGenerator(self._numbers).next_id,
            clock,
        )

    def count(self, *domains: str, day: int = DAY) -> None:
        """Sessions with them."""
        bad = ResultType.STARTTLS_NOT_SUPPORTED
        counted = [
            Counted(TlsResult(day, name, NO_POLICY, f"mx.{name}", failure), 1)
            for name in domains
            for failure in (None, bad)
        ]
        self.database.write_now(lambda c: add_results(c, counted))

    def wanted(self, *uris: str, name: str = NAME) -> None:
        """The domain wants reports there."""
        self.mx.dns.records[name, "TXT"] = [f'"v=TLSRPTv1; rua={",".join(uris)}"']

    async def web(self, answer: Any = None) -> None:
        """A server takes reports, or does otherwise."""
        await self.mx.dns.web("reports.far.example", {"/v1": answer or page("")})

    def reports(self) -> list[ReportRecord]:
        """What became of them."""
        return self.database.read_now(list_reports)

    def posted(self) -> list[dict[str, Any]]:
        """The reports that came by POST."""
        return [json.loads(gzip.decompress(body)) for _, body in self.mx.dns.posted]


@pytest.fixture
async def house(sqlite_url: str) -> AsyncIterator[House]:
    """A tenant with the domain of the sender; sessions with far.example were counted."""
    database = open_database(sqlite_url)
    seal = Seal(new_master_key())
    database.write_now(lambda c: add_tenant(c, "acme", now=1))
    database.write_now(lambda c: add_domain(c, "acme", "here.example", now=1))
    async with open_mx_world() as mx:
        made = House(mx, database, seal)
        made.count("far.example")
        yield made
    await database.close()


async def test_a_report_by_post(house: House) -> None:
    """Of the whole day that is over, once, and no other one later."""
    await house.web()
    house.wanted(URL)
    worker = house.worker()

    await worker.look()
    await worker.look()

    (document,) = house.posted()
    assert [kind for kind, _ in house.mx.dns.posted] == ["application/tlsrpt+gzip"]
    assert document["date-range"]["start-datetime"] == "2026-09-04T00:00:00Z"
    assert document["policies"][0]["summary"] == {
        "total-successful-session-count": 1,
        "total-failure-session-count": 1,
    }
    (report,) = house.reports()
    assert (report.state, report.detail) == (ReportState.SENT, URL)


async def test_nothing_is_sent_before_the_day_is_over(house: House) -> None:
    """Nor in the minute after it; reports of a thousand domains are spread over hours."""
    await house.web()
    house.wanted(URL)
    worker = house.worker()
    for moment in (MIDNIGHT - 1, MIDNIGHT + 60_000):
        house.now = moment
        await house.worker().look()
        assert house.reports() == []
    house.now = MIDNIGHT + 1_000_000
    await worker.look()
    assert [one.attempts for one in house.reports()] == [0]
    assert not house.posted()

    hours = [(worker.due_at(DAY, f"d{n}.example") - MIDNIGHT) / 3_600_000 for n in range(1000)]
    assert 0.5 <= min(hours) < 0.6
    assert 3.9 < max(hours) <= 4.0
    other = house.worker("reports@other.example")
    assert worker.due_at(DAY, "far.example") == house.worker().due_at(DAY, "far.example")
    assert worker.due_at(DAY, "far.example") != other.due_at(DAY, "far.example")


async def test_several_workers_send_each_report_once(house: House) -> None:
    """All at once, and after a restart."""
    await house.web()
    names = [f"d{number}.example" for number in range(20)]
    house.count(*names)
    for name in names:
        house.wanted(URL, name=f"_smtp._tls.{name}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(house.worker().look())
    await house.worker().look()

    sent = [one["policies"][0]["policy"]["policy-domain"] for one in house.posted()]
    assert sorted(sent) == sorted(names)
    assert len({one["report-id"] for one in house.posted()}) == 20


async def test_a_report_by_mail_arrives_signed_and_without_tls(house: House) -> None:
    """At a host that is not as MTA-STS and DANE would have it: RFC 8460 section 3 wants reports
    delivered "despite any TLS-related failures"."""
    key = new_private_key(Algorithm.ED25519)
    made = house.database.write_now(
        partial(
            add_key, domain_name="here.example", selector="s1", private=key, seal=house.seal, now=1
        )
    )
    house.database.write_now(lambda c: activate_key(c, made, now=2))
    house.wanted(MAILTO)
    house.mx.mx("far.example", "mx.far.example")
    sink = await house.mx.host("mx.far.example", address="127.0.0.11")
    tlsa = f"_{house.mx.port}._tcp.mx.far.example"
    house.mx.dns.dns(tlsa, "TLSA", "3 1 1 " + "00" * 32)
    house.mx.dns.validated.update({"far.example", "mx.far.example", tlsa})

    await house.worker().look()
    (message,) = house.offered
    result = await house.mx.courier("far.example").attempt(message, message.recipients, Chunks())

    assert states(result) == {0: DELIVERED}
    assert message.envelope.tls_wish is TlsWish.OPTIONAL
    assert f"MAIL FROM:<{SENDER}>" in sink.commands[1]
    assert "RCPT TO:<tls@far.example>" in sink.commands[2]
    octets = sink.peers[0].contents[0].removesuffix(b".\r\n")
    record = made.record.encode()
    assert dkim.verify(octets, dnsfunc=lambda name, timeout=5: record)  # noqa: ARG005
    letter = message_from_bytes(octets, policy=policy.default)
    assert letter["TLS-Report-Domain"] == "far.example"
    attached = list(letter.iter_parts())[1]
    document = json.loads(gzip.decompress(attached.get_content()))
    assert document["report-id"] in letter["Subject"]
    (report,) = house.reports()
    assert report.state is ReportState.SENT


async def test_a_report_that_was_spooled_is_not_sent_again(house: House) -> None:
    """Its worker dies between that and the note of it."""
    house.wanted(MAILTO)
    worker = house.worker()
    record = await _planned(worker, house)
    await worker._deliver(record)
    assert len(house.offered) == 1

    house.now += LEASE_MS
    await house.worker().look()

    assert len(house.offered) == 1
    (report,) = house.reports()
    assert (report.state, report.attempts) == (ReportState.SENT, 2)


async def _planned(worker: TlsReporting, house: House) -> ReportRecord:
    """The claim of a worker that does nothing more."""
    house.now, then = MIDNIGHT + 1_200_000, house.now
    await worker.look()
    house.now = then
    record = await worker._claim()
    assert record is not None
    return record


async def test_who_asks_for_no_report_gets_none(house: House) -> None:
    """No record, two of them, or one that is none."""
    house.count("two.example", "odd.example")
    two = "_smtp._tls.two.example", "TXT"
    house.mx.dns.records[two] = ['"v=TLSRPTv1; rua=mailto:a@b.example"'] * 2
    house.mx.dns.records[two][1] = '"v=TLSRPTv1; rua=mailto:c@b.example"'
    house.wanted("ftp://far.example", name="_smtp._tls.odd.example")

    await house.worker().look()

    assert {one.state for one in house.reports()} == {ReportState.UNWANTED}
    assert not house.offered


@pytest.mark.parametrize("uris", [(URL, MAILTO), (MAILTO, URL)])
async def test_the_first_that_takes_it_has_it(house: House, uris: tuple[str, str]) -> None:
    """In the order of the record; the other one is for want of it."""
    await house.web(page("", status="503 Not now"))
    house.wanted(*uris)

    await house.worker().look()

    assert len(house.offered) == 1
    assert len(house.mx.dns.posted) == (uris[0] == URL)


async def test_what_fails_is_tried_again_for_a_day(house: House) -> None:
    """In growing steps; then it is over, and its cause can be read."""
    await house.web(page("", status="500 Broken"))
    house.wanted(URL)
    worker = house.worker()
    tries: list[int] = []
    for _ in range(30):
        await worker.look()
        (report,) = house.reports()
        if len(house.mx.dns.posted) > len(tries):
            tries.append(house.now - worker.due_at(DAY, "far.example"))
        if report.state is ReportState.FAILED:
            break
        assert "the server answered 500" in report.detail
        house.now = max(house.now, report.due_at)

    pauses = [round((b - a) / 60_000) for a, b in pairwise(tries)]
    assert pauses == [15, 30, 60, 120, 240, 480]
    assert tries[-1] <= PATIENCE_MS
    assert report.state is ReportState.FAILED


async def test_a_dns_that_fails_is_no_answer(house: House) -> None:
    """The report waits."""
    await house.web()
    house.wanted(URL)
    house.mx.dns.broken.add(NAME)
    worker = house.worker()
    await worker.look()
    assert [one.state for one in house.reports()] == [ReportState.WAITING]

    house.mx.dns.broken.clear()
    house.now += 900_000
    await worker.look()

    assert len(house.posted()) == 1


async def test_a_slow_receiver_keeps_nobody_else_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is silent is left to the next attempt."""
    monkeypatch.setattr("pillarbox.net.post.POST_SECONDS", 1.0)
    await house.web(silence)
    await house.mx.dns.web("quick.example", {"/": page("")})
    house.wanted(URL)
    house.count("quick.example")
    house.wanted("https://quick.example/", name="_smtp._tls.quick.example")

    await house.worker().look()

    states_of = {one.domain: one.state for one in house.reports()}
    assert states_of == {
        "far.example": ReportState.WAITING,
        "quick.example": ReportState.SENT,
    }


async def test_a_sender_of_nobody_is_told(house: House) -> None:
    """Until its domain is some tenant's, reports by mail wait."""
    house.wanted(MAILTO)

    await house.worker("reports@nobody.example").look()

    (report,) = house.reports()
    assert "no tenant has the domain nobody.example" in report.detail
    assert "tls_reports.from_address" in report.detail
    assert not house.offered
