"""What the DNS says of a domain that mail is sent from. Values only.

None in place of records means that the DNS did not answer; nothing is concluded from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.discovery.dane import TlsaRecord
from pillarbox.discovery.findings import CheckState
from pillarbox.publish.client_settings import Door
from pillarbox.publish.dns_records import ZoneSecurity

MAX_LOOKUPS, MAX_VOIDS = 10, 2
"""RFC 7208 section 4.6.4: more of them are an error."""


@dataclass(frozen=True, slots=True)
class SpfFacts:
    """SPF (RFC 7208). `records` are those that begin with v=spf1; `lookups` and `voids` what it
    takes to evaluate them; `problem` and `problem_id` what is wrong in them; `last` is what
    holds for all others ("-", "~", "?", "+", "" for nothing); `result` is that for the address
    of the sender, "" where none was given, "unknown" where that can not be told from here."""

    records: tuple[str, ...] | None = None
    lookups: int = 0
    voids: int = 0
    problem: str = ""
    problem_id: str = ""
    uses_ptr: bool = False
    last: str = ""
    result: str = ""
    includes: tuple[str, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether receivers take the record for an error, by what the walk found."""
        is_costly = self.lookups > MAX_LOOKUPS or self.voids > MAX_VOIDS
        return is_costly or bool(self.problem_id)


@dataclass(frozen=True, slots=True)
class DkimFacts:
    """The records of one selector; `alias` is where a CNAME leads."""

    selector: str
    texts: tuple[str, ...]
    alias: str = ""


class Reached(StrEnum):
    """What came of a connection to port 25."""

    OPEN = "open"
    REFUSED = "refused"
    DROPPED = "dropped"
    NOT_TRIED = "not tried"
    PRIVATE = "private"
    """Not tried: no address is a public one."""


@dataclass(frozen=True, slots=True)
class AnnouncedFacts:
    """A server that the domain names for sending; `source` is SRV or autoconfig. `state` is what
    was found there, `why` a short text where it is not well."""

    source: str
    host: str
    door: Door
    state: CheckState
    why: str = ""


@dataclass(frozen=True, slots=True)
class MxFacts:
    """One host that takes the mail of the domain. `chain` is its certificate, where TLSA records
    made it worth a look."""

    host: str
    addresses: tuple[str, ...] | None
    alias: str = ""
    tlsa: tuple[TlsaRecord, ...] = ()
    chain: tuple[bytes, ...] = ()
    reached: Reached = Reached.NOT_TRIED


@dataclass(frozen=True, slots=True)
class StsFacts:
    """MTA-STS (RFC 8461): the records, and the policy or why it could not be had."""

    records: tuple[str, ...] | None = None
    policy: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class BlockListFacts:
    """What a block list answered: of the address, and of the two test addresses, the one that each
    list has (`always`) and the one that none has (`never`). None: no answer."""

    zone: str
    codes: tuple[str, ...] | None
    text: str = ""
    always: tuple[str, ...] | None = None
    never: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """The address that mail comes from. `names` are its PTR records, `back` the addresses of each
    name; `ehlo_name` is what it says in EHLO, "" where that is not known, and `ehlo_addresses`
    where that leads."""

    address: str
    names: tuple[str, ...] | None
    back: Mapping[str, tuple[str, ...]]
    ehlo_name: str = ""
    ehlo_addresses: tuple[str, ...] | None = None
    lists: tuple[BlockListFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """All of a domain. `dmarc_at` is the domain at which the DMARC records stand, itself or one
    above; `reports` are domains that take reports of it, and whether they say that they do.
    `asked_selector` is the one that was named, `server` the host it sends by. `is_empty`: it has
    neither MX nor address nor text."""

    domain: str
    server: str = ""
    is_empty: bool = False
    null_mx: bool = False
    mx: tuple[MxFacts, ...] | None = None
    spf: SpfFacts = SpfFacts()
    dkim: tuple[DkimFacts, ...] | None = None
    asked_selector: str = ""
    dmarc: tuple[str, ...] | None = None
    dmarc_at: str = ""
    reports: Mapping[str, bool] | None = None
    sts: StsFacts = StsFacts()
    tls_reports: tuple[str, ...] | None = None
    address: AddressFacts | None = None
    zone: ZoneSecurity = ZoneSecurity.UNKNOWN
    announced: tuple[AnnouncedFacts, ...] = ()
