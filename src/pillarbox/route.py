"""Which next hop a recipient's mail takes, by tenant, sender domain and recipient domain. Pure.

A route matches by two patterns, each a domain ("example.org"), all domains below one
("*.example.org") or everything (""). The most specific route wins: the recipient's domain counts
before the sender's, an exact domain before a wildcard, a longer wildcard before a shorter one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from pillarbox.hop_caps import DAY_SECONDS as DAY_SECONDS
from pillarbox.hop_caps import MINUTE_SECONDS as MINUTE_SECONDS
from pillarbox.hop_caps import ONE_WORKER as ONE_WORKER
from pillarbox.hop_caps import USUAL_CAPS
from pillarbox.hop_caps import CapsOrder as CapsOrder
from pillarbox.hop_caps import Counted as Counted
from pillarbox.hop_caps import HopCaps as HopCaps
from pillarbox.hop_caps import LanePlan as LanePlan
from pillarbox.hop_caps import Window as Window
from pillarbox.mail.address import Mailbox, domain_key, parse_mailbox
from pillarbox.oauth.clouds import CLOUDS, SUBMISSION_PORT, Cloud
from pillarbox.oauth.sign_in import Access, SignIn
from pillarbox.sources import Source, pool_name


class TlsMode(StrEnum):
    """How a connection is secured."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class SmartHost:
    """Hand the mail to an SMTP server (RFC 5321, RFC 6409), with a login if `username` is set.

    `verify` asks for a certificate that is valid for `host`; `ca_file` names a PEM file of further
    trusted roots. With `access` the login is made with a token in place of the password.
    `return_path`: it gets the return path of the sender's domain, so bounces come back to us.
    """

    host: str
    port: int
    tls: TlsMode
    verify: bool = True
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    access: Access | None = None
    return_path: bool = False


class Microsoft365Way(StrEnum):
    """How mail comes into a mailbox of Microsoft 365."""

    SMTP = "smtp"
    GRAPH = "graph"
    """By HTTPS: sendMail of Microsoft Graph."""
    GRAPH_OR_SMTP = "graph-or-smtp"
    """By Graph, and by SMTP what Graph can not take."""
    GRAPH_OR_DRAFT = "graph-or-draft"
    """By Graph, and as a draft with attachments what is too large for one request."""

    @property
    def is_graph(self) -> bool:
        """Whether mail goes by Graph first."""
        return self is not Microsoft365Way.SMTP

    @property
    def has_smtp(self) -> bool:
        """Whether mail may go by SMTP."""
        return self in (Microsoft365Way.SMTP, Microsoft365Way.GRAPH_OR_SMTP)

    @property
    def has_drafts(self) -> bool:
        """Whether drafts may be made in the mailbox."""
        return self is Microsoft365Way.GRAPH_OR_DRAFT


class OtherFrom(StrEnum):
    """What becomes of a message whose From address the mailbox may not use."""

    REFUSE = "refuse"
    """The client is told at once."""
    REWRITE = "rewrite"
    """It goes out as a message of the mailbox, with Reply-To."""
    PASS = "pass"  # noqa: S105 - the name of a rule
    """It goes out as it is; Microsoft decides."""


@dataclass(frozen=True, slots=True)
class Microsoft365:
    """Send by one mailbox of Microsoft 365.

    `senders` are the keys of further addresses that the mailbox may send as, and "@domain" for all
    of a domain. `host`, `port`, `graph_url` and `ca_file` differ from those of the cloud only for
    tests.
    """

    mailbox: str
    cloud: Cloud
    sign_in: SignIn
    way: Microsoft365Way = Microsoft365Way.SMTP
    host: str = ""
    port: int = SUBMISSION_PORT
    ca_file: str = ""
    senders: tuple[str, ...] = ()
    other_from: OtherFrom = OtherFrom.PASS
    graph_url: str = ""

    def may_send_as(self, author: Mailbox) -> bool:
        """Whether Microsoft lets the mailbox use this address, as far as the route says."""
        key = author.key
        if key in self.senders or f"@{author.domain_key}" in self.senders:
            return True
        return key == parse_mailbox(self.mailbox).key

    @property
    def smtp_host(self) -> str:
        """The host that mail is submitted to."""
        return self.host or CLOUDS[self.cloud].host

    @property
    def smtp_access(self) -> Access:
        """What a token for SMTP is asked for."""
        facts, flow = CLOUDS[self.cloud], self.sign_in.flow
        return Access(self.sign_in, facts.user_scope if flow.is_for_a_person else facts.app_scope)

    @property
    def graph_root(self) -> str:
        """The address that Graph has."""
        return self.graph_url or CLOUDS[self.cloud].graph_root

    @property
    def graph_access(self) -> Access:
        """What a token for Graph is asked for."""
        root, names = CLOUDS[self.cloud].graph_root, [".default"]
        if self.sign_in.flow.is_for_a_person:
            names = ["Mail.Send", "Mail.ReadWrite"] if self.way.has_drafts else ["Mail.Send"]
        return Access(self.sign_in, " ".join(f"{root}/{name}" for name in names))

    @property
    def access(self) -> Access:
        """What the first of its tokens is asked for."""
        return self.graph_access if self.way.is_graph else self.smtp_access

    @property
    def name(self) -> str:
        """Host and port that mail goes to first."""
        if not self.way.is_graph:
            return f"{self.smtp_host}:{self.port}"
        host = self.graph_root.partition("://")[2].rstrip("/")
        return host if ":" in host else f"{host}:443"

    @property
    def smart_host(self) -> SmartHost:
        """The way by SMTP: STARTTLS with a certificate that is verified, and a token."""
        return SmartHost(
            self.smtp_host,
            self.port,
            TlsMode.STARTTLS,
            username=self.mailbox,
            ca_file=self.ca_file,
            access=self.smtp_access,
        )


SMTP_PORT = 25


@dataclass(frozen=True, slots=True)
class MxHosts:
    """Hand the mail to the hosts that the DNS names for the recipient's domain (RFC 5321 5.1).

    A route has no `domain`: it gets that of the recipient, and its `caps` for what all domains with
    the same hosts get together. `port` and `ca_file` (PEM, further trusted roots) are
    for tests and closed networks. Mail comes from one of `sources`; without any as the machine
    chooses.
    """

    domain: str = ""
    port: int = SMTP_PORT
    ca_file: str = ""
    caps: HopCaps = USUAL_CAPS
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Capture:
    """Keep the mail for people to look at; nothing leaves."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the mail; `text` tells the sender why."""

    text: str


NextHop: TypeAlias = SmartHost | Microsoft365 | MxHosts | Capture | Reject


def mails_by_header(next_hop: NextHop) -> bool:
    """Whether it mails all whom the header names, so that recipients can not come one by one."""
    return isinstance(next_hop, Microsoft365) and next_hop.way.is_graph


_NO_LITERALS = "Mail goes to domains from here, not to an address in brackets"


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of a tenant. `others` are the further mailboxes of a pool; the caps hold for each
    of them, unless `caps_by_hop` has those of each."""

    route_id: int
    sender_domain: str
    recipient_domain: str
    next_hop: NextHop
    caps: HopCaps = USUAL_CAPS
    others: tuple[Microsoft365, ...] = ()
    caps_by_hop: tuple[HopCaps, ...] = ()

    @property
    def sign_in(self) -> SignIn | None:
        """How the route signs in with OAuth2; None: it does not."""
        match self.next_hop:
            case Microsoft365(sign_in=sign_in) | SmartHost(access=Access(sign_in=sign_in)):
                return sign_in
            case _:
                return None

    def toward(self, domain: str) -> "Route":
        """The route as it is for recipients in a domain; "" is that of an address literal."""
        if not isinstance(self.next_hop, MxHosts):
            return self
        if not domain:
            return replace(self, next_hop=Reject(_NO_LITERALS))
        return replace(self, next_hop=replace(self.next_hop, domain=domain, caps=self.caps))

    def under(self, orders: Mapping[str, CapsOrder]) -> "Route":
        """The route with the caps that were ordered for its next hops, by their names."""
        found = [orders.get(hop_key(hop)) for hop in (self.next_hop, *self.others)]
        if not any(found):
            return self
        caps = tuple(self.caps if order is None else order.on(self.caps) for order in found)
        return replace(self, caps=caps[0], caps_by_hop=caps)

    @property
    def members(self) -> "tuple[Route, ...]":
        """The route by each of its next hops."""
        if not self.others:
            return (self,)
        hops = (self.next_hop, *self.others)
        all_caps = self.caps_by_hop or (self.caps,) * len(hops)
        return tuple(
            replace(self, next_hop=hop, caps=caps, others=(), caps_by_hop=())
            for hop, caps in zip(hops, all_caps, strict=True)
        )

    def member_number(self, queue_id: int, sender: Mailbox | None) -> int:
        """Which of `members` a message takes: the mailbox that is its sender, else one by its id.

        So every process says the same and a message stays with its mailbox through all attempts;
        and a mailbox more or less moves only as much mail as it must (rendezvous hashing).
        """
        if not self.others:
            return 0
        hops = (self.next_hop, *self.others)
        if sender is not None:
            address = sender.address.lower()
            for number, hop in enumerate(hops):
                if isinstance(hop, Microsoft365) and hop.mailbox.lower() == address:
                    return number
        weights = [_weight(queue_id, hop) for hop in hops]
        return weights.index(max(weights))

    def member(self, queue_id: int, sender: Mailbox | None) -> "Route":
        """The route as it is for this message: with one next hop."""
        return self.members[self.member_number(queue_id, sender)] if self.others else self


def _weight(queue_id: int, hop: NextHop) -> bytes:
    return hashlib.blake2b(f"{queue_id} {hop_key(hop)}".encode(), digest_size=8).digest()


CAPTURE_ROUTE = Route(0, "", "", Capture())
"""What holds for a tenant as long as it has no route at all."""


def hop_key(next_hop: NextHop) -> str:
    """The name of the hop: everything that shares its connections, caps and back-off."""
    match next_hop:
        case SmartHost(host=host, port=port, tls=tls, username=username):
            login = f"{username}@" if username else ""
            return f"smarthost:{login}{host.lower()}:{port}:{tls.value}"
        case Microsoft365(mailbox=mailbox):
            return f"microsoft365:{mailbox.lower()}@{next_hop.name}"
        case MxHosts(domain=domain, port=port, sources=sources):
            name = f"mx:{domain}" if port == SMTP_PORT else f"mx:{domain}:{port}"
            return f"{name}@{pool_name(sources)}" if sources else name
        case Capture():
            return "capture"
        case Reject():
            return "reject"


def lane_id(hop: str, number: int = 0) -> int:
    """The id of a hop's lane: the same in every process, so nobody has to ask for it."""
    digest = hashlib.blake2b(f"{hop}#{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


_REMEMBERED_DOMAINS = 4096
_REMEMBERED_PAIRS = 1000
"""Domains repeat from message to message; these bound what we remember of them, in all and for each
tenant."""


@lru_cache(_REMEMBERED_DOMAINS)
def route_domain(domain: str) -> str:
    """The domain of a mailbox as routes know it: "" for an address literal, which only routes for
    everything match."""
    key = domain_key(domain)
    return "" if key.startswith("[") else key


_NO_ORDERS: Mapping[str, CapsOrder] = MappingProxyType({})


class RouteTable:
    """The routes of one tenant, made once, asked for every recipient. `orders` are caps for next
    hops by their names, whatever the route says."""

    def __init__(
        self, routes: Sequence[Route], orders: Mapping[str, CapsOrder] = _NO_ORDERS
    ) -> None:
        self._by_pattern = {(r.recipient_domain, r.sender_domain): r for r in routes}
        self._orders = orders
        self._empty = not routes
        self._chosen: dict[tuple[str, str], Route | None] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RouteTable):
            return NotImplemented
        return self._by_pattern == other._by_pattern and self._orders == other._orders

    def __hash__(self) -> int:
        return hash(frozenset(self._by_pattern))

    def choose(self, sender_domain: str, recipient_domain: str) -> Route | None:
        """The route for this pair of domains (lower-case A-labels; "" for the null reverse-path).

        None where routes exist and none of them matches.
        """
        if self._empty:
            return CAPTURE_ROUTE
        pair = sender_domain, recipient_domain
        try:
            return self._chosen[pair]
        except KeyError:
            if len(self._chosen) >= _REMEMBERED_PAIRS:
                self._chosen.clear()
            route = self._chosen[pair] = self._match(sender_domain, recipient_domain)
            return route

    def _match(self, sender_domain: str, recipient_domain: str) -> Route | None:
        senders = _patterns(sender_domain)
        for recipient_pattern in _patterns(recipient_domain):
            for sender_pattern in senders:
                route = self._by_pattern.get((recipient_pattern, sender_pattern))
                if route is not None:
                    return route.toward(recipient_domain).under(self._orders)
        return None


def _patterns(domain: str) -> list[str]:
    """The patterns that match a domain, most specific first."""
    patterns = [domain] if domain else []
    rest = domain
    while "." in rest:
        rest = rest.partition(".")[2]
        patterns.append(f"*.{rest}")
    patterns.append("")
    return patterns
