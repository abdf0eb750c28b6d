"""What is said of the service on this machine (pillarbox.diagnosis.about_service)."""

import shlex
from dataclasses import replace

import pytest

from pillarbox.diagnosis.domain_facts import AddressFacts
from pillarbox.diagnosis.facts import Attempt, Facts, Stage, Step
from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.service_facts import ClockFacts, ServiceFacts
from pillarbox.diagnosis.target import Target
from pillarbox.publish.client_settings import Encryption

WELL = ServiceFacts(listeners=(587,), free_octets=10**10, reserve_octets=10**8)
ATTEMPT = Attempt(
    "127.0.0.1", 587, Encryption.STARTTLS, (Step(Stage.TCP, True, 1),), None, ("PLAIN",)
)


OUT = AddressFacts("11.9.9.9", ("out.a.com",), {"out.a.com": ("11.9.9.9",)})
KEPT = ClockFacts(is_kept=False, servers=(("ntp", 0.1),))


def ids(service: ServiceFacts) -> list[str]:
    """Of failures and warnings about the service."""
    facts = Facts(Target("this service", "a.com"), attempts=(ATTEMPT,), service=service)
    return [f.id for f in findings(facts) if f.id.startswith("SELF-")]


def test_service_that_is_well_has_no_findings() -> None:
    """Nothing is told, nor of a clock that is right although the kernel does not know why."""
    assert ids(WELL) == []
    assert ids(replace(WELL, clock=KEPT, address=OUT, earlier_address="11.9.9.9")) == []


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"silence": "refused"}, "SELF-NOT-RUNNING"),
        ({"sources": (("192.0.2.1", "no PTR"),)}, "SELF-SOURCE"),
        ({"problems": ("the disk is full",)}, "SELF-NOT-READY"),
        ({"listeners": (587, 465)}, "SELF-LISTENER-DOWN"),
        ({"free_octets": 10**7}, "SELF-DISK-FULL"),
        ({"free_octets": 15 * 10**7}, "SELF-DISK-LOW"),
        ({"sync_milliseconds": None, "sync_trouble": "I/O error"}, "SELF-SYNC-FAILED"),
        ({"sync_milliseconds": 900}, "SELF-SYNC-SLOW"),
        ({"damage": ("row 3 missing from index",)}, "SELF-DATABASE-DAMAGED"),
        ({"clock": ClockFacts(servers=(("ntp", 9.0),))}, "SELF-CLOCK-WRONG"),
        ({"clock": ClockFacts(servers=(("ntp", -9000.0),))}, "SELF-CLOCK-WRONG"),
        ({"clock": ClockFacts(database_seconds=70.0)}, "SELF-CLOCK-WRONG"),
        ({"clock": ClockFacts(servers=(("ntp", None),))}, "SELF-CLOCK-NO-ANSWER"),
        ({"clock": ClockFacts(is_kept=False)}, "SELF-CLOCK-NOT-KEPT"),
        ({"address": OUT, "earlier_address": "11.9.9.8"}, "SELF-ADDRESS-CHANGED"),
        ({"oldest_seconds": 20_000.0, "oldest_hop": "hop:25"}, "SELF-QUEUE-OLD"),
        ({"unopened": (("c20152a2", 3),)}, "SELF-KEY-MISSING"),
        ({"suspended": (("hop:25", "the password is wrong"),)}, "SELF-HOP-SUSPENDED"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, object], first: str) -> None:
    """Each by its id."""
    assert ids(replace(WELL, **change))[0] == first  # type: ignore[arg-type] # its fields


def test_commands_to_paste_name_the_hop_in_one_word() -> None:
    """A login may have any sign in it."""
    old = replace(WELL, oldest_seconds=20_000.0, oldest_hop="smtp:host:587:tls:it's me & you")
    facts = Facts(Target("this service", "a.com"), attempts=(ATTEMPT,), service=old)

    [fix] = [one.fix for one in findings(facts) if one.id == "SELF-QUEUE-OLD"]

    assert shlex.split(fix)[-2:] == ["--hop", old.oldest_hop]
