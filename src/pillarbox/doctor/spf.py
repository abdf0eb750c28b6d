"""Walks through an SPF record and all that it includes (RFC 7208), and counts what that costs."""

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pillarbox.diagnosis.domain_facts import SpfFacts
from pillarbox.discovery.hosts import host_name
from pillarbox.errors import DnsFailure
from pillarbox.net.dns import DnsResolver
from pillarbox.publish.domain_records import is_spf

_MAX_WALKED = 40
"""Where a record costs far too much it is not followed to its end."""

_TERM = re.compile(
    r"(?P<sign>[-+~?]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?:[:](?P<value>[^/\s]+))?(?P<length>(?:/\d{1,3})?(?://\d{1,3})?)$",
    re.IGNORECASE,
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>\S*)$", re.IGNORECASE)
_WORDS = {"+": "pass", "": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

Address = IPv4Address | IPv6Address


def records_of(texts: list[str]) -> tuple[str, ...]:
    """Those of SPF, in an order of their own."""
    return tuple(sorted(filter(is_spf, texts)))


class SpfWalk:
    """One evaluation. The facts grow while it walks."""

    def __init__(self, resolver: DnsResolver, address: str) -> None:
        self._dns = resolver
        self._address: Address | None = ip_address(address) if address else None
        self._path: list[str] = []
        self._is_unknown = False
        self.facts = SpfFacts()

    async def run(self, domain: str) -> SpfFacts:
        """The facts of a domain; `records` is None where the DNS does not answer."""
        try:
            records = records_of(await self._dns.txt(domain))
        except DnsFailure:
            return self.facts
        self.facts = replace(self.facts, records=records)
        if len(records) != 1:
            return self.facts
        try:
            result = await self._evaluate(domain, records[0])
        except DnsFailure:
            result = "unknown"
        if self.facts.is_error and result != "pass":
            # What passes may have done so before the error, where receivers stop.
            result = "permerror"
        if self._address is not None:
            is_open = self._is_unknown and result not in ("pass", "permerror")
            self.facts = replace(self.facts, result="unknown" if is_open else result)
        return self.facts

    def _blame(self, name: str, problem: str) -> None:
        if not self.facts.problem_id:
            self.facts = replace(self.facts, problem_id=name, problem=problem)

    def _count(self) -> None:
        self.facts = replace(self.facts, lookups=self.facts.lookups + 1)

    async def _evaluate(self, domain: str, record: str) -> str:
        """The result for the address: pass, fail, softfail, neutral, permerror."""
        self._path.append(domain)
        redirect, result = "", ""
        for term in record.split()[1:]:
            modifier = _MODIFIER.match(term)
            if modifier is not None:
                if modifier["name"].lower() == "redirect":
                    redirect = modifier["value"]
                continue
            match = _TERM.match(term)
            if match is None:
                self._blame("SPF-SYNTAX", term)
                return "permerror"
            if await self._fits(match, domain) and not result:
                result = _WORDS[match["sign"]]
            if match["name"].lower() == "all":
                if len(self._path) == 1:
                    self.facts = replace(self.facts, last=match["sign"] or "+")
                redirect = ""
                break
        if redirect:
            self._count()
            followed = await self._included(redirect, is_redirect=True)
            result = result or followed
        self._path.pop()
        return result or "neutral"

    async def _fits(self, match: re.Match[str], domain: str) -> bool:
        """Whether a mechanism fits the address; what it costs is counted in any case."""
        name, value = match["name"].lower(), match["value"] or ""
        if name == "all":
            return True
        if name in ("ip4", "ip6"):
            return self._is_within(value + match["length"])
        self._count()
        if name == "ptr":
            self.facts = replace(self.facts, uses_ptr=True)
        if name in ("ptr", "exists") or "%" in value:
            self._is_unknown = True
            return False
        if self.facts.lookups > _MAX_WALKED:
            return False
        if name == "include":
            if len(self._path) == 1:
                self.facts = replace(self.facts, includes=(*self.facts.includes, value.lower()))
            return await self._included(value) == "pass"
        hosts = await self._dns.mx(value or domain) if name == "mx" else [value or domain]
        found = [address for host in hosts[:10] for address in await self._dns.addresses(host)]
        if not found:
            self._void()
        return any(
            self._is_within(address + _length(match["length"], address)) for address in found
        )

    def _void(self) -> None:
        self.facts = replace(self.facts, voids=self.facts.voids + 1)

    async def _included(self, domain: str, *, is_redirect: bool = False) -> str:
        name = domain.lower().rstrip(".")
        if host_name(name.replace("_", "x")) is None:
            if "%" not in name:
                self._blame("SPF-SYNTAX", f"include:{domain}" if not is_redirect else domain)
            self._is_unknown = True
            return "neutral"
        if name in self._path:
            self._blame("SPF-LOOP", " > ".join([*self._path, name]))
            return "permerror"
        texts = await self._dns.txt(name)
        records = records_of(texts)
        if not texts:
            self._void()
        if len(records) != 1:
            self._blame("SPF-INCLUDE-NONE", name)
            return "permerror"
        return await self._evaluate(name, records[0])

    def _is_within(self, network: str) -> bool:
        try:
            parsed = ip_network(network, strict=False)
        except ValueError:
            self._blame("SPF-SYNTAX", network)
            return False
        if self._address is None or self._address.version != parsed.version:
            return False
        return self._address in parsed


def _length(lengths: str, address: str) -> str:
    """The prefix length for an address of "/24//64"; "" where there is none."""
    first, _, second = lengths.partition("//")
    if ":" in address:
        return f"/{second}" if second else ""
    return first
