"""Providers that we know: by the domain of an address, by a host, by the traces they leave in the
DNS of a customer's domain. Pure.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pillarbox.discovery.findings import Login, Offer
from pillarbox.discovery.hosts import matches_any
from pillarbox.publish.client_settings import Door

LOCAL_PART = "%EMAILLOCALPART%"
"""As a user name: the part of the address before the @."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table. `source` says where its facts stand; a row without one is not shipped.

    `domains` are those of its addresses, `mx` the hosts that take mail for it and for domains of
    customers, `spf` and `autodiscover` what customers have in their DNS. `only_mechanisms` is what
    the server offers where that is known to keep clients out. `notes` are for people.
    """

    key: str
    name: str
    host: str
    doors: tuple[Door, ...]
    source: str
    logins: tuple[Login, ...] = (Login.PASSWORD,)
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    spf: tuple[str, ...] = ()
    autodiscover: tuple[str, ...] = ()
    username: str = ""
    only_mechanisms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def offers(self, address: str) -> tuple[Offer, ...]:
        """What the provider offers to the owner of an address."""
        local_part = address.rpartition("@")[0]
        username = local_part if self.username == LOCAL_PART else self.username
        return tuple(Offer(self.host, door, username, self.logins) for door in self.doors)


def by_domain(providers: Iterable[Provider], domain: str) -> Provider | None:
    """Whose addresses end in this domain."""
    return next((p for p in providers if matches_any(domain, p.domains)), None)


def by_host(providers: Iterable[Provider], host: str) -> Provider | None:
    """Whose server for sending this is."""
    return next((p for p in providers if p.host == host), None)


def by_mx(providers: Iterable[Provider], host: str) -> Provider | None:
    """Who takes the mail of a domain with this MX host."""
    return next((p for p in providers if matches_any(host, p.mx)), None)


def by_autodiscover(providers: Iterable[Provider], target: str) -> Provider | None:
    """To whom the alias `autodiscover` of a domain leads."""
    return next((p for p in providers if target and matches_any(target, p.autodiscover)), None)


def by_spf(providers: Iterable[Provider], texts: Iterable[str]) -> list[Provider]:
    """Who may send for a domain by its SPF record (RFC 7208), as far as it names them itself."""
    included = set(spf_includes(texts))
    return [p for p in providers if included.intersection(p.spf)]


def spf_includes(texts: Iterable[str]) -> list[str]:
    """The domains that the SPF record includes or redirects to; none where there are two records,
    which is an error (RFC 7208 section 4.5)."""
    records = [text for text in texts if text.lower().split(" ", 1)[0] == "v=spf1"]
    if len(records) != 1:
        return []
    found = []
    for term in records[0].lower().split():
        for prefix in ("include:", "redirect="):
            bare = term.lstrip("+?~")
            if bare.startswith(prefix):
                found.append(bare.removeprefix(prefix).rstrip("."))
    return found


def is_known_to_entra(document: bytes) -> bool:
    """Whether Microsoft's OpenID configuration for a domain is that of a tenant."""
    try:
        content = json.loads(document)
    except (ValueError, RecursionError):
        return False
    issuer = content.get("issuer") if isinstance(content, dict) else None
    return isinstance(issuer, str) and issuer.startswith("https://")
