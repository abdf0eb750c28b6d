"""What is counted of sessions with MX hosts, for reports (RFC 8460 section 4.3)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.dane_certificates import make
from tests.support.mail_world import Page, page, redirect, write_ca
from tests.support.mx_world import MxWorld, open_mx_world, take_all, with_starttls
from tests.support.smtp_peer import Peer, Server

from pillarbox.delivery.mx_settings import wall_clock
from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.mail.envelope import TlsWish
from pillarbox.store.database import Database
from pillarbox.store.mta_sts import StsPolicies
from pillarbox.store.schema import mta_sts
from pillarbox.tlsrpt.results import NO_POLICY, Policy, PolicyType, ResultType, TlsResult, day_of

HOST = "mx.far.example"
NOW = 1_795_680_000_123
PATH = "/.well-known/mta-sts.txt"
TYPE = "Content-Type: text/plain\r\n"
LINES = ("version: STSv1", "mode: {mode}", "mx: mx.far.example", "max_age: 604800")
HERE = {"sending_ip": "127.0.0.1", "receiving_ip": "127.0.0.11"}
ANOTHER = make("another")


class Counting:
    """far.example with one host, and what is counted of it."""

    def __init__(self, mx: MxWorld, database: Database) -> None:
        self.mx = mx
        self.now = NOW
        self.counts = TlsCounts(lambda: self.now)
        mx.mx("far.example", HOST)
        self.pages: dict[str, Page] = {}
        mx.settings = replace(
            mx.settings,
            counts=self.counts,
            policies=StsPolicies(database),
            web_connect=mx.dns.connect,
        )

    async def host(self, certificate: str = HOST, *extensions: str) -> Server:
        """The host, under TLS."""
        script = with_starttls(self.mx.dns.tls(certificate), *extensions)
        return await self.mx.host(HOST, script, address="127.0.0.11")

    def policy(self, mode: str = "enforce", found: Page | None = None, mx: str = HOST) -> None:
        """The domain has a policy."""
        self.mx.dns.dns("_mta-sts.far.example", "TXT", '"v=STSv1; id=1;"')
        text = "\n".join(LINES).format(mode=mode).replace("mx: mx.far.example", f"mx: {mx}")
        self.pages[PATH] = found or page(f"{text}\n", headers=TYPE)

    def tlsa(self, *records: str) -> None:
        """The zone is signed and has these records."""
        name = f"_{self.mx.port}._tcp.{HOST}"
        self.mx.dns.validated.update({"far.example", HOST, name})
        self.mx.dns.dns(name, "TLSA", *records)

    async def send(self, **envelope: Any) -> dict[TlsResult, int]:
        """One attempt; what it counts."""
        await self.mx.send("far.example", **envelope)
        return {one.result: one.sessions for one in self.counts.take()}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Counting]:
    """A domain without a policy or a host."""
    async with open_mx_world() as mx:
        mx.ca_file = write_ca(tmp_path / "ca.pem")
        database = Database.open(f"sqlite:///{tmp_path / 'store.sqlite3'}", reserve_octets=0)
        database.write_now(mta_sts.create)
        made = Counting(mx, database)
        await mx.dns.web("mta-sts.far.example", made.pages)
        try:
            yield made
        finally:
            await mx.close()
            database.close_now()


def _result(policy: Policy, failure: ResultType | None = None, **more: str) -> TlsResult:
    more.setdefault("mx_host", HOST)
    return TlsResult(day_of(NOW), "far.example", policy, failure=failure, **more)


def _sts(mode: str = "enforce") -> Policy:
    return Policy(PolicyType.STS, tuple(line.format(mode=mode) for line in LINES), (HOST,))


async def test_a_session_counts_once(world: Counting) -> None:
    """However many messages go by it: TLS as it came, on the day of UTC."""
    await world.host("other.example")

    first = await world.send()
    second = await world.send()
    world.now += 86_400_000
    world.mx.restart()
    third = await world.send()

    assert first == {_result(NO_POLICY): 1}
    assert second == {}
    assert [one.day for one in third] == [day_of(NOW) + 1]


async def test_a_host_without_starttls(world: Counting) -> None:
    """Mail goes in the clear; it is a failure all the same, with both addresses."""
    await world.mx.host(HOST, take_all, address="127.0.0.11")

    found = await world.send()

    assert found == {_result(NO_POLICY, ResultType.STARTTLS_NOT_SUPPORTED, **HERE): 1}


async def test_a_handshake_that_fails(world: Counting) -> None:
    """The session in the clear behind it is not counted."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        if await peer.line() == "STARTTLS":
            peer.send("454 4.7.0 TLS is broken here")
            await peer.until_closed()

    await world.mx.host(HOST, script, take_all, address="127.0.0.11")

    found = await world.send()

    reason = "tls-refused"
    assert found == {_result(NO_POLICY, ResultType.VALIDATION_FAILURE, **HERE, reason=reason): 1}


@pytest.mark.parametrize("mode", ["enforce", "testing"])
@pytest.mark.parametrize("certificate", [HOST, "other.example"])
async def test_a_policy_of_mta_sts(world: Counting, mode: str, certificate: str) -> None:
    """Its lines and patterns; in testing mode, too, and then nothing of the session that mail went
    by all the same."""
    await world.host(certificate)
    world.policy(mode)

    found = await world.send()

    if certificate == HOST:
        assert found == {_result(_sts(mode)): 1}
    else:
        assert found == {_result(_sts(mode), ResultType.HOST_MISMATCH, **HERE): 1}


@pytest.mark.parametrize("mode", ["enforce", "testing"])
async def test_a_host_that_the_policy_does_not_list(world: Counting, mode: str) -> None:
    """With `enforce` it is not even connected to."""
    await world.host()
    world.policy(mode, mx="else.far.example")

    (found,) = await world.send()

    assert found.failure is ResultType.VALIDATION_FAILURE
    assert (found.mx_host, found.reason) == (HOST, "mta-sts-failed")
    assert found.policy.mx == ("else.far.example",)


@pytest.mark.parametrize(
    ("found", "failure"),
    [
        (redirect("https://elsewhere.example/"), ResultType.STS_FETCH_ERROR),
        (page("mode: enforce\n", headers=TYPE), ResultType.STS_INVALID),
    ],
)
async def test_a_policy_that_can_not_be_had(
    world: Counting, found: Page, failure: ResultType
) -> None:
    """Beside the session, which then has no policy."""
    await world.host()
    world.policy(found=found)

    assert await world.send() == {
        _result(Policy(PolicyType.STS), failure, mx_host=""): 1,
        _result(NO_POLICY): 1,
    }


async def test_a_policy_behind_a_bad_certificate(world: Counting) -> None:
    """The web server is somebody else."""
    await world.host()
    world.policy()
    await world.mx.dns.web("mta-sts.far.example", world.pages, certificate="other.example")

    assert _result(Policy(PolicyType.STS), ResultType.STS_WEBPKI_INVALID, mx_host="") in (
        await world.send()
    )


@pytest.mark.parametrize("is_named", [True, False])
async def test_dane(world: Counting, is_named: bool) -> None:
    """The records as they are in the DNS."""
    other = make("host")
    script = with_starttls((ANOTHER if is_named else other).context())
    await world.mx.host(HOST, script, address="127.0.0.11")
    record = str(ANOTHER.tlsa(3))
    world.tlsa(record)

    found = await world.send()

    policy = Policy(PolicyType.TLSA, (record,))
    reason = "dane-failed"
    failed = _result(policy, ResultType.VALIDATION_FAILURE, **HERE, reason=reason)
    assert found == {_result(policy) if is_named else failed: 1}


async def test_records_of_dane_that_fail(world: Counting) -> None:
    """Those that can not be had, and those that can not be used: TLS was all that was left."""
    await world.host()
    world.tlsa(str(ANOTHER.tlsa(3)))
    world.mx.dns.broken.add(f"_{world.mx.port}._tcp.{HOST}")
    tlsa = Policy(PolicyType.TLSA)
    assert await world.send() == {_result(tlsa, ResultType.DNSSEC_INVALID): 1}

    world.mx.dns.broken.clear()
    world.mx.dns.records[f"_{world.mx.port}._tcp.{HOST}", "TLSA"] = ["0 0 1 " + "00" * 32]
    world.mx.restart()

    assert await world.send() == {_result(tlsa, ResultType.TLSA_INVALID, **HERE): 1}


async def test_what_says_nothing_of_tls_is_not_counted(world: Counting) -> None:
    """A host that is down, one that refuses the session, and messages with a wish of their own."""
    world.mx.dns.dns(HOST, "A", "127.0.0.11")
    assert await world.send() == {}

    async def refuse(peer: Peer) -> None:
        peer.send("554 5.7.1 not you")
        await peer.until_closed()

    world.mx.restart()
    del world.mx.dns.records[HOST, "A"]
    await world.mx.host(HOST, refuse, with_starttls(world.mx.dns.tls(HOST)), address="127.0.0.11")
    assert await world.send() == {}
    world.mx.restart()
    assert await world.send(tls_wish=TlsWish.OPTIONAL) == {}


def test_a_flood_of_kinds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More sessions of what is known are counted; new kinds are not."""
    monkeypatch.setattr("pillarbox.delivery.tls_counts.MAX_KINDS", 2)
    counts = TlsCounts(wall_clock)
    kinds = [TlsResult(1, f"d{number}.example", NO_POLICY) for number in range(3)]

    for kind in kinds + kinds:
        counts.add(kind)

    assert {one.result.domain: one.sessions for one in counts.take()} == {
        "d0.example": 2,
        "d1.example": 2,
    }
    assert counts.take() == []
