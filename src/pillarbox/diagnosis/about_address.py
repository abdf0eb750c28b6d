"""The address that mail comes from: its name, the name in EHLO, block lists. Pure."""

import re
from collections.abc import Iterable

from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.domain_facts import AddressFacts, BlockListFacts
from pillarbox.diagnosis.finding import Finding

_DYNAMIC = re.compile(
    r"dyn(?:amic)?[.-]|dial-?up|dsl[.-]|\bppp|dhcp|pool[.-]|cable[.-]|\bclient[.-]"
)
_REFUSALS = {
    "127.255.255.252": "the name of the list has a typing error",
    "127.255.255.254": "it does not answer public resolvers",
    "127.255.255.255": "this resolver asks too much",
}
"""What Spamhaus answers in place of an answer; other lists have taken it over."""
_LISTED = re.compile(r"127\.(?!255\.)")


def about_address(seen: AddressFacts | None) -> Iterable[Finding]:
    """All findings of an address."""
    if seen is None:
        return
    yield from _about_names(seen)
    yield from _about_ehlo(seen)
    for one in seen.lists:
        yield from _about_list(one, seen.address)


def _about_names(seen: AddressFacts) -> Iterable[Finding]:
    if seen.names is None:
        return
    if not seen.names:
        yield found("PTR-NONE", seen.address, address=seen.address)
        return
    name = seen.names[0]
    if not any(seen.address in addresses for addresses in seen.back.values()):
        yield found("PTR-MISMATCH", seen.address, name, name=name, address=seen.address)
    elif _DYNAMIC.search(name) or re.search(r"\d+[.-]\d+[.-]\d+[.-]\d+", name):
        yield found("PTR-DYNAMIC", seen.address, name, name=name, address=seen.address)


def _about_ehlo(seen: AddressFacts) -> Iterable[Finding]:
    name, leads_to = seen.ehlo_name, seen.ehlo_addresses
    if not name or leads_to is None:
        return
    address = seen.address
    if "." not in name or not leads_to:
        yield found("EHLO-NAME-UNKNOWN", address, name=name, address=address)
    elif address not in leads_to:
        evidence = " ".join(leads_to)
        yield found("EHLO-NAME-ELSEWHERE", address, evidence, name=name, address=address)
    elif seen.names and name not in seen.names:
        yield found("EHLO-NAME-NOT-PTR", address, name=name, ptr=seen.names[0])


def _about_list(one: BlockListFacts, address: str) -> Iterable[Finding]:
    refusals = [code for code in one.codes or () if code in _REFUSALS]
    refusals += [code for code in one.always or () if code in _REFUSALS]
    if refusals:
        why = _REFUSALS[refusals[0]]
        yield found("BLOCK-LIST-REFUSES", address, refusals[0], zone=one.zone, why=why)
    elif one.always is None or one.codes is None:
        why = "the DNS does not answer for it"
        yield found("BLOCK-LIST-REFUSES", address, zone=one.zone, why=why)
    elif one.never or not any(map(_LISTED.match, one.always)):
        evidence = f"127.0.0.2: {one.always}, 127.0.0.1: {one.never}"
        yield found("BLOCK-LIST-DEAD", address, evidence, zone=one.zone)
    elif codes := [code for code in one.codes if _LISTED.match(code)]:
        evidence = " ".join([*codes, one.text]).strip()
        yield found("BLOCK-LISTED", address, evidence, zone=one.zone, address=address)
