"""What the doctor makes of SPF and DMARC records of a domain (pillarbox.doctor.domain)."""

import pytest
from tests.gallery.exhibits import Domain, Exhibit
from tests.gallery.visit import visit
from tests.support.mail_world import open_world

from pillarbox.doctor.domain import DomainRequest, DomainTools, look_up
from pillarbox.doctor.talk import Means
from pillarbox.net.dns import DnsResolver
from pillarbox.net.reach import Reach

REJECT, NONE = "v=DMARC1; p=reject", "v=DMARC1; p=none"


@pytest.mark.parametrize(
    ("records", "at", "texts"),
    [
        ({"a.mail.corp.com": REJECT, "corp.com": NONE}, "a.mail.corp.com", (REJECT,)),
        ({"mail.corp.com": REJECT, "corp.com": NONE}, "corp.com", (NONE,)),
        ({"mail.corp.com": f"{REJECT}; psd=n", "corp.com": NONE}, "mail.corp.com", None),
        ({"com": f"{REJECT}; psd=y"}, "com", None),
        ({"a.mail.corp.com": "v=dmarc1; p=none", "corp.com": NONE}, "a.mail.corp.com", None),
        ({"mail.corp.com": "v=DMARC1; p=rejct", "corp.com": NONE}, "corp.com", (NONE,)),
        ({"mail.corp.com": "v=DMARC1; p=rejct"}, "mail.corp.com", None),
        ({}, "a.mail.corp.com", ()),
    ],
)
async def test_record_that_receivers_take_is_looked_at(
    records: dict[str, str], at: str, texts: tuple[str, ...] | None
) -> None:
    """RFC 9989: the domain's own, then that of its organization, not the nearest above; where none
    holds, what somebody meant as one."""
    zone = {f"_dmarc.{name} TXT": f'"{text}"' for name, text in records.items()}
    domain = Domain("a.mail.corp.com", zone)

    found = (await visit(Exhibit("a name below", "", domain=domain))).domain

    assert found is not None
    assert (found.dmarc_at, found.dmarc) == (at, (records[at],) if texts is None else texts)


@pytest.mark.parametrize(
    ("record", "result", "problem"),
    [
        ("v=spf1 exists:%{i}.ok.corp.com -all", "pass", ""),
        ("v=spf1 exists:%{i}.no.corp.com -all", "fail", ""),
        ("v=spf1 a:corp -all", "permerror", "SPF-SYNTAX"),
        (f"v=spf1 {'a:mx.corp.com ' * 11}-all", "permerror", ""),
    ],
)
async def test_address_is_judged_as_receivers_do(record: str, result: str, problem: str) -> None:
    """Macros, errors and limits are those of the RFC, not of the doctor's own walk."""
    zone = {
        "corp.com TXT": f'"{record}"',
        "11.9.9.9.ok.corp.com A": "127.0.0.2",
        "mx.corp.com A": "11.1.1.1",
    }
    domain = Domain("corp.com", zone, address="11.9.9.9")

    found = (await visit(Exhibit("an address", "", domain=domain))).domain

    assert found is not None
    assert (found.spf.result, found.spf.problem_id) == (result, problem)


@pytest.mark.parametrize("address", ["192.168.7.7", "127.0.0.1", "169.254.169.254"])
async def test_mx_hosts_at_private_addresses_are_left_alone(address: str) -> None:
    """Who owns a domain must not choose a place in this network that is connected to; by a public
    address the same host is looked at."""
    async with open_world() as world:
        world.dns("far.example", "MX", "10 in.far.example.", "20 both.far.example.")
        world.dns("in.far.example", "A", address)
        world.dns("both.far.example", "A", address, "11.7.7.7")
        for host in ("in", "both"):
            world.dns(f"_25._tcp.{host}.far.example", "TLSA", f"3 1 1 {'ab' * 32}")
        resolver = DnsResolver.of_servers([world.dns_server])
        reach = Reach(resolver, world.trust, world.connect)
        tools = DomainTools(resolver, reach, Means(world.trust, world.connect, 8.0))

        await look_up(DomainRequest("far.example"), tools)

        assert set(world.connections) == {("11.7.7.7", 25)}
