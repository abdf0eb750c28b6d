"""Asks block lists about an address (RFC 5782). It judges nothing.

A list is asked only where somebody named it: most answer no public resolver, and some want money
of who asks much.
"""

import asyncio
from ipaddress import ip_address

from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A

from pillarbox.diagnosis.domain_facts import BlockListFacts
from pillarbox.net.dns import DnsResolver, or_none

LISTED_ALWAYS, LISTED_NEVER = "127.0.0.2", "127.0.0.1"
"""RFC 5782 section 5: a list that works has the first and not the second."""


async def ask_list(zone: str, address: str, dns: DnsResolver) -> BlockListFacts:
    """What a list says of an address, and whether it works at all."""
    codes, always, never = await asyncio.gather(
        *(_codes(zone, one, dns) for one in (address, LISTED_ALWAYS, LISTED_NEVER))
    )
    texts: list[TXT] = []
    if codes:
        texts = await or_none(dns.records(_name(zone, address), TXT)) or []
    text = " ".join(b"".join(one.strings).decode("ascii", "replace") for one in texts)[:300]
    return BlockListFacts(zone, codes, text, always, never)


async def _codes(zone: str, address: str, dns: DnsResolver) -> tuple[str, ...] | None:
    records = await or_none(dns.records(_name(zone, address), A))
    return None if records is None else tuple(sorted(record.address for record in records))


def _name(zone: str, address: str) -> str:
    pointer = ip_address(address).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"
