"""`pillarbox queue hops`, `pause`, `resume` and `cap` where the service does not run."""

from tests.support.storing import HOP, LATER, LEASE_MS, OWNER, Queue, now_ms, record, settlement
from tests.unit.cli.conftest import Service

from pillarbox.mail.envelope import RecipientState
from pillarbox.store.hop_orders import list_orders
from pillarbox.store.lanes import Lanes
from pillarbox.store.suspensions import Suspension, Suspensions

EX_USAGE = 64
EX_NO_SUCH = 67
HOUR = 3_600_000
SUSPENSION = Suspension(now_ms(), "535 5.7.139 off", "m365-12", "admin", "It is off.", "Set it on.")


async def _queue(service: Service) -> Queue:
    """A next hop with a message that waits for its turn and one that was put off."""
    assert await Lanes(service.database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    queue = Queue(service.database)
    await queue.put()
    message = await queue.put("bob@far.example")
    late = record(0, RecipientState.DEFERRED, next_attempt_at=now_ms() + HOUR, answer=LATER)
    assert await queue.spool.settle(settlement(message, late))
    return queue


async def test_hops_says_what_the_store_knows(service: Service) -> None:
    """What waits, the last reply, and that more is known while the service runs."""
    await _queue(service)

    found = service.json("queue", "hops")
    shown = service.do("queue", "hops")

    [hop] = found["hops"]
    assert (hop["hop"], hop["recipients"], hop["due"]) == (HOP, 2, 1)
    assert hop["last_reply"] == str(LATER)
    assert hop["connections"] is None
    assert found["not_running"] == "No such file or directory"
    assert "this is what the store knows" in shown


async def test_hops_are_chosen_by_name_and_by_domain(service: Service) -> None:
    """A domain is one that mail waits for."""
    await _queue(service)

    assert len(service.json("queue", "hops", "--domain", "far.example")["hops"]) == 1
    assert not service.json("queue", "hops", "--domain", "near.example")["hops"]
    assert len(service.json("queue", "hops", "--hop", HOP)["hops"]) == 1
    missing = service.run("queue", "hops", "--hop", HOP[:-1])
    assert missing.exit_code == EX_NO_SUCH
    assert f"did you mean {HOP}" in missing.stderr


async def test_a_suspended_hop_says_why(service: Service) -> None:
    """With cause and fix, as `queue count` does."""
    queue = await _queue(service)
    await Suspensions(service.database).suspend(queue.lane, HOP, SUSPENSION)

    [hop] = service.json("queue", "hops")["hops"]
    shown = service.do("queue", "hops")

    assert hop["suspended"]["fix"] == "Set it on."
    assert hop["state"].startswith("suspended since ")
    assert "Set it on." in shown


async def test_a_paused_hop_says_so_until_it_is_resumed(service: Service) -> None:
    """With the reason that was given, and the caps that were ordered beside it."""
    await _queue(service)

    service.do("queue", "pause", HOP, "--reason", "they move", "--until", "2099-01-01")
    service.do("queue", "cap", HOP, "--connections", "2", "--per-minute", "30")
    [paused] = service.json("queue", "hops")["hops"]
    service.do("queue", "resume", HOP)
    [resumed] = service.json("queue", "hops")["hops"]
    service.do("queue", "cap", HOP, "--connections", "none", "--per-minute", "none")

    assert paused["state"].startswith("paused until 2099-01-02")
    assert paused["state"].endswith("they move")
    assert paused["ordered_caps"]["messages_per_minute"] == 30
    assert not resumed["paused"]
    assert resumed["state"] == "open, with 2 connections, 30 messages a minute by order"
    assert not service.database.read_now(list_orders)


def test_the_hosts_of_a_domain_can_be_paused_before_any_mail_goes_there(service: Service) -> None:
    """By the name that they will have; what is no name of a next hop is refused."""
    service.do("queue", "pause", "mx:Far.Example")

    [hop] = service.json("queue", "hops")["hops"]

    assert (hop["hop"], hop["state"]) == ("mx:far.example", "paused by order")
    assert service.run("queue", "pause", "nowhere").exit_code == EX_NO_SUCH
    assert service.run("queue", "pause", "far.example").exit_code == 0
    assert service.run("queue", "cap", "far.example").exit_code == EX_USAGE
    assert service.run("queue", "pause", "far.example", "--until", "2020-01-01").exit_code != 0


async def test_the_hop_of_a_domain_is_named_as_mail_for_it_is(service: Service) -> None:
    """A pause under another name would hold nothing up."""
    for name in ("mx:bücher.example", "mx:Far.Example:2525", "mx:near.example@192.0.2.1"):
        service.do("queue", "pause", name)
    await _queue(service)

    assert set(service.database.read_now(list_orders)) == {
        "mx:xn--bcher-kva.example",
        "mx:far.example:2525",
        "mx:near.example@192.0.2.1",
    }
    for name in ("mx:..", "mx:a b.example", "mx:192.0.2.1", "mx:x.example:smtp", "mx:"):
        assert service.run("queue", "pause", name).exit_code == EX_NO_SUCH, name
    service.do("queue", "resume", "bücher.example")


async def test_retry_of_a_hop_ends_its_back_off(service: Service) -> None:
    """An order to the owner of its lane; other choices leave back-offs as they are."""
    await _queue(service)

    service.do("queue", "retry", "--domain", "far.example")
    assert not service.database.read_now(list_orders)
    told = service.do("queue", "retry", "--hop", HOP)
    of_some = service.do("queue", "retry", "--hop", HOP, "--domain", "far.example")

    assert told.startswith("0 recipients will be tried now.\n")
    assert "the next hop is given all that is due at once" in told
    assert "at once" not in of_some
    assert service.database.read_now(list_orders)[HOP].tried_at
