"""Which of the MX hosts of a site are passed over for a time: those that open sessions and take no
mail in them, while the domain has others (RFC 5321 section 5.1).

Only what a host says of itself counts. Who asks for less, or for patience (greylisting), is not
evaded: that mail comes back to the same host, later.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from pillarbox.delivery.receivers import Receiver
from pillarbox.explain.remedies import Bounce
from pillarbox.explain.replies import explain_reply
from pillarbox.mail.reply import Reply, ReplyClass
from pillarbox.observe.log import log

PASSED_SECONDS = 300.0
"""So long a host is tried behind all others."""

REFUSALS = 2
"""So many in a row, of whatever messages: a single one may be about the sender of that message."""

MOST_IN_TURN = 2
"""So many hosts give way within one attempt: each may have taken its time. The next attempt finds
these behind the others."""

_MOST_ADDRESSES = 200
"""What the DNS says may change each time."""

_OF_SYSTEM = ("4.3.", "4.4.")
"""RFC 3463 sections 3.4 and 3.5: the system of the host, and what it needs of the network."""

_MAILBOX_UNAVAILABLE = 450
"""Greylisting, as often as not."""

_MILTER_IS_DOWN = ("4.7.1", "service unavailable - try again later")
"""What Postfix says to all commands while a milter of its does not run."""

_OF_US = re.compile(
    r"gr[ae]y|minute|second|defer|throttl|\brate|limit|exceed|maximum|too (?:many|much|fast|quick)"
    r"|slow|spam|abus|polic|reputation|block|listed|denied|sender|your (?:ip|host|server|domain)"
)
"""Words of replies that are, or may be, about who sends, or how much."""

_OF_HOST = frozenset({Bounce.SOFT, Bounce.OTHER})


class Place(Protocol):
    """Where a session is (delivery.mx_site.MxSession)."""

    host: str
    address: str
    has_more: bool


class Spares:
    """One for each site."""

    def __init__(
        self, hosts: Iterable[str], receiver: Receiver, monotonic: Callable[[], float]
    ) -> None:
        self._hosts = frozenset(hosts)
        self._receiver = receiver
        self._monotonic = monotonic
        self._refusals: dict[str, int] = {}
        self._until: dict[str, float] = {}
        self._trouble: dict[str, str] = {}
        self._addresses: dict[str, float] = {}
        """Those at which hosts gave way, and until when they come behind the others of theirs."""

    @property
    def passed(self) -> frozenset[str]:
        """Those that come behind all others now; none where that would be all."""
        if not self._until:
            return frozenset()
        now = self._monotonic()
        passed = frozenset(host for host, until in self._until.items() if now < until)
        return frozenset() if passed >= self._hosts else passed

    @property
    def text(self) -> str:
        """The same for people to read, with what they said."""
        return "; ".join(f"{host} ({self._trouble[host]})" for host in sorted(self.passed))

    def last(self, refused_by: Mapping[str, str]) -> frozenset[str]:
        """Hosts that come behind all others for a message, and addresses behind those of theirs;
        it was refused at these addresses of hosts."""
        now = self._monotonic()
        avoided = (address for address, until in self._addresses.items() if now < until)
        return self.passed.union(refused_by, refused_by.values(), avoided)

    def has_other(self, session: Place, refused_by: Mapping[str, str]) -> bool:
        """Whether a message that is not taken in a session may go to another host or address."""
        if len(refused_by) >= MOST_IN_TURN or session.address in refused_by:
            return False
        behind = self.passed.union(refused_by.values())
        # A host of these is asked only where all others are dead.
        has_host = session.host not in behind and not behind | {session.host} >= self._hosts
        return has_host or session.has_more

    def blames(self, reply: Reply) -> bool:
        """Whether a refusal of all that was to come means the host alone, for now."""
        if reply.category is not ReplyClass.TRANSIENT or self._receiver.wish(reply) is not None:
            return False
        text = reply.text.lower()
        if (reply.enhanced, text) == _MILTER_IS_DOWN:
            return True
        is_bare = not reply.enhanced and reply.code != _MAILBOX_UNAVAILABLE
        if not (is_bare or reply.enhanced.startswith(_OF_SYSTEM)) or _OF_US.search(text):
            return False
        why = explain_reply(reply)
        return why is None or (why.bounce in _OF_HOST and not why.suspends)

    def refused(self, host: str, address: str, trouble: str) -> None:
        """A host did not take what was offered, and another one or address is asked."""
        now, count = self._monotonic(), self._refusals.get(host, 0) + 1
        self._refusals[host] = count
        self._trouble[host] = trouble
        if len(self._addresses) >= _MOST_ADDRESSES:
            self._addresses.clear()
        self._addresses[address] = now + PASSED_SECONDS
        if count >= REFUSALS:
            self._until[host] = now + PASSED_SECONDS
        seconds = round(PASSED_SECONDS) if count >= REFUSALS else 0
        log.info(
            "delivery.mx_host_gave_way", host=host, address=address, reply=trouble, seconds=seconds
        )

    def took(self, host: str, address: str) -> None:
        """A host takes mail."""
        if self._addresses:
            self._addresses.pop(address, None)
            self._refusals.pop(host, None)
            self._until.pop(host, None)

    def let_go(self) -> None:
        """An administrator wants them tried at once, in their order."""
        self._refusals.clear()
        self._until.clear()
        self._addresses.clear()
