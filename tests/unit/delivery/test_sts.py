"""MTA-STS on the way to MX hosts: RFC 8461 against those who would switch it off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.dane_certificates import make
from tests.support.mail_world import Page, page, redirect, write_ca
from tests.support.mx_world import take_all, with_starttls
from tests.support.outgoing import DELIVERED, states
from tests.support.sts_world import HOST, TYPE, WEEK_MS, StsWorld, open_sts_world, policy

from pillarbox.mail.envelope import TlsWish
from pillarbox.mta_sts import StsMode, StsPolicy
from pillarbox.store.mta_sts import KeptPolicy


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The authority of web server and mail host."""
    return write_ca(tmp_path_factory.mktemp("ca") / "ca.pem")


@pytest.fixture
async def world(tmp_path: Path, ca_file: str) -> AsyncIterator[StsWorld]:
    """A domain with a policy to be published."""
    async with open_sts_world(tmp_path, ca_file) as made:
        yield made


async def test_enforced_policy_is_satisfied(world: StsWorld) -> None:
    """A listed host with a certificate for its name: delivered, and the policy fetched once."""
    await world.host()
    world.publish(policy())

    for _ in range(3):
        assert states(await world.send()) == {0: DELIVERED}

    assert world.mx.dns.count("mta-sts.far.example") == 1


async def test_certificate_for_another_name_defers(world: StsWorld) -> None:
    """Nothing is sent; the reply says who has to mend what."""
    host = await world.host("other.example")
    world.publish(policy())

    reply = await world.refused()

    assert reply.startswith("451 4.7.5")
    assert "MTA-STS" in reply
    assert f"{HOST}: certificate name mismatch" in reply
    assert not any(command.startswith("MAIL") for command in host.commands)


async def test_host_without_tls_defers(world: StsWorld) -> None:
    """Somebody strips STARTTLS."""
    host = await world.mx.host(HOST, take_all, address="127.0.0.11")
    world.publish(policy())

    assert "tls missing" in await world.refused()
    assert not any(command.startswith("MAIL") for command in host.commands)


async def test_host_that_is_not_listed_is_not_connected_to(world: StsWorld) -> None:
    """Somebody forged the MX records."""
    host = await world.host()
    world.publish(policy(mx="*.other.example"))

    assert f"{HOST} is not in the policy" in await world.refused()
    assert not host.peers


async def test_listed_hosts_alone_are_used(world: StsWorld) -> None:
    """The others are passed by."""
    world.mx.dns.records["far.example", "MX"] = ["1 evil.example.", f"10 {HOST}."]
    evil = await world.mx.host("evil.example", address="127.0.0.66")
    await world.host()
    world.publish(policy())

    assert states(await world.send()) == {0: DELIVERED}
    assert not evil.peers


async def test_policy_that_tests_changes_nothing(world: StsWorld) -> None:
    """Mail goes all the same, by TLS as it comes."""
    await world.host("other.example")
    world.publish(policy("testing"))

    result = await world.send()

    assert states(result) == {0: DELIVERED}
    assert result.outcomes[0].tls


@pytest.mark.parametrize(
    "records",
    [
        [],
        ["v=STSv1; id=1;", "v=STSv1; id=2;"],
        ["v=STSv2; id=9;"],
        ["v=STSv1; id=;"],
        ["SERVFAIL"],
    ],
)
async def test_known_policy_holds_without_its_record(world: StsWorld, records: list[str]) -> None:
    """Gone, twice, bogus, or a DNS that fails: enforce stays (RFC 8461 section 5.1)."""
    await world.host("other.example")
    world.publish(policy())
    await world.refused()

    if records == ["SERVFAIL"]:
        world.mx.dns.broken.add("_mta-sts.far.example")
        records = []
    world.record(*records)

    assert "MTA-STS" in await world.refused()


@pytest.mark.parametrize(
    "answer",
    [
        redirect("https://mta-sts.far.example/other"),
        page("", status="500 Broken"),
        page("", status="404 Not Found"),
        page("version: STSv1\nmode: none\nmax_age: 1\n", headers="Content-Type: text/html\r\n"),
        page("mode: none\n", headers=TYPE),
        page("version: STSv1\n" + "x: y\n" * 20_000, headers=TYPE),
    ],
)
async def test_known_policy_holds_when_the_next_one_can_not_be_had(
    world: StsWorld, answer: Page
) -> None:
    """A redirect, an error, another type, no policy, 64 KiB and more: the old one stays."""
    world.pages["/other"] = policy("none")
    await world.host("other.example")
    world.publish(policy())
    await world.refused()

    world.publish(answer, 2)

    assert "MTA-STS" in await world.refused()
    before = world.mx.dns.count("mta-sts.far.example")
    assert "MTA-STS" in await world.refused()
    assert world.mx.dns.count("mta-sts.far.example") == before


async def test_policy_under_a_wrong_certificate_is_none(tmp_path: Path, ca_file: str) -> None:
    """Nobody knows one yet: mail goes as without a policy."""
    async with open_sts_world(tmp_path, ca_file) as world:
        await world.mx.dns.web("mta-sts.far.example", world.pages, certificate="other.example")
        await world.host("other.example")
        world.publish(policy())

        assert states(await world.send()) == {0: DELIVERED}


async def test_known_policy_survives_a_restart_and_ends_in_time(world: StsWorld) -> None:
    """It is in the store; after max_age without another one it is over."""
    await world.host("other.example")
    world.publish(policy())
    await world.refused()
    world.pages.clear()
    world.record()

    world.mx.restart()
    assert "MTA-STS" in await world.refused()
    world.later_ms = WEEK_MS

    assert states(await world.send()) == {0: DELIVERED}


@pytest.mark.parametrize(("is_known", "later_ms"), [(False, 300_000), (True, WEEK_MS)])
async def test_policy_that_another_worker_fetched_holds(
    world: StsWorld, is_known: bool, later_ms: int
) -> None:
    """Where this one knew none, or an older one, and can not fetch it itself any more."""
    await world.host("other.example")
    if is_known:
        world.publish(policy())
        await world.refused()
        world.pages.clear()
        world.record()
    else:
        assert states(await world.send()) == {0: DELIVERED}
    policies = world.mx.settings.policies
    assert policies is not None
    fetched = StsPolicy(StsMode.ENFORCE, (HOST,), WEEK_MS // 1000)
    await policies.save("far.example", KeptPolicy("2", fetched, world.wall() + later_ms - 1))
    world.later_ms = later_ms

    assert "MTA-STS" in await world.refused()


async def test_policy_is_replaced_when_its_id_changes(world: StsWorld) -> None:
    """By mode none, which ends it."""
    await world.host("other.example")
    world.publish(policy())
    await world.refused()

    world.publish(policy("none"), 2)

    assert states(await world.send()) == {0: DELIVERED}
    kept = await world.mx.settings.policies.load("far.example", now=0)  # type: ignore[union-attr]
    assert kept is not None
    assert kept.policy.mode is StsMode.NONE


async def test_policy_is_fetched_again_each_day(world: StsWorld) -> None:
    """So that one that does not change does not end."""
    await world.host()
    world.publish(policy())
    await world.send()

    world.later_ms = 86_400_000
    await world.send()

    assert world.mx.dns.count("mta-sts.far.example") == 2


async def test_policy_is_fetched_once_for_all_who_want_it(world: StsWorld) -> None:
    """Several at the same time."""
    await world.host()
    world.publish(policy())

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(world.send())

    assert world.mx.dns.count("mta-sts.far.example") == 1


async def test_web_server_that_fails_is_left_alone_for_a_time(world: StsWorld) -> None:
    """Mail goes as without a policy, and for five minutes nobody asks again."""
    await world.host()
    world.publish(page("", status="500 Broken"))

    assert states(await world.send()) == {0: DELIVERED}
    assert states(await world.send()) == {0: DELIVERED}
    assert world.mx.dns.count("mta-sts.far.example") == 1


async def test_dane_counts_before_the_policy(world: StsWorld) -> None:
    """What the DNS vouches for need not be of a known authority, and must be where it says so
    (RFC 8461 section 2)."""
    right, wrong = make("whoever"), make("another")
    await world.mx.host(HOST, with_starttls(right.context()), address="127.0.0.11")
    tlsa = f"_{world.mx.port}._tcp.{HOST}"
    world.mx.dns.validated.update(("far.example", HOST, tlsa))
    world.mx.dns.dns(tlsa, "TLSA", str(right.tlsa(3)))
    world.publish(policy())
    assert states(await world.send()) == {0: DELIVERED}

    world.mx.dns.records[tlsa, "TLSA"] = [str(wrong.tlsa(3))]
    world.mx.restart()

    assert "DANE" in await world.refused()


async def test_records_that_can_not_be_used_do_not_take_the_place_of_the_policy(
    world: StsWorld,
) -> None:
    """They say no more than that there is TLS; the policy says whose certificate it has."""
    other = make("whoever")
    await world.mx.host(HOST, with_starttls(other.context()), address="127.0.0.11")
    tlsa = f"_{world.mx.port}._tcp.{HOST}"
    world.mx.dns.validated.update(("far.example", HOST, tlsa))
    world.mx.dns.dns(tlsa, "TLSA", str(other.tlsa(1)))
    world.publish(policy())

    assert "MTA-STS" in await world.refused()


async def test_a_ca_file_that_is_not_there_is_named(world: StsWorld) -> None:
    """Before anything is connected; it is the administrator's to mend."""
    host = await world.host()
    world.publish(policy())
    world.mx.ca_file = "/nowhere/ca.pem"

    reply = await world.refused()

    assert reply.startswith("451 4.3.5")
    assert "ca-file of the route" in reply
    assert host.peers == []


@pytest.mark.parametrize("mode", ["enforce", "testing"])
async def test_a_policy_vouches_for_the_host_of_a_message_with_requiretls(
    world: StsWorld, mode: str
) -> None:
    """RFC 8689 section 4.2.1: without DNSSEC "the client MUST also validate the SMTP server name
    using MTA-STS"."""
    context = world.mx.dns.tls(HOST)
    host = await world.mx.host(HOST, with_starttls(context, "REQUIRETLS"), address="127.0.0.11")
    world.publish(policy(mode))

    assert states(await world.send(tls_wish=TlsWish.REQUIRED)) == {0: DELIVERED}
    assert "MAIL FROM:<u1@t1.test> REQUIRETLS" in host.commands


async def test_a_policy_that_does_not_list_the_host_does_not_vouch(world: StsWorld) -> None:
    """Whatever its certificate: the MX record may be forged."""
    host = await world.host()
    world.publish(policy("testing", mx="other.far.example"))

    result = await world.send(tls_wish=TlsWish.REQUIRED)

    assert str(result.outcomes[0].reply).startswith("550 5.7.10")
    assert not host.peers


async def test_tls_required_no_ignores_the_policy(world: StsWorld) -> None:
    """RFC 8689 section 3: "ignoring policy-based mechanisms (including MTA-STS and DANE)"."""
    await world.mx.host(HOST, take_all, address="127.0.0.11")
    world.publish(policy(mx="other.far.example"))

    assert states(await world.send(tls_wish=TlsWish.OPTIONAL)) == {0: DELIVERED}
    assert "MTA-STS" in await world.refused()
