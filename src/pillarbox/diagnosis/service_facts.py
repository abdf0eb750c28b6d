"""What `pillarbox doctor self` saw of the service on this machine. Values only."""

from dataclasses import dataclass

from pillarbox.diagnosis.domain_facts import AddressFacts


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The clock of the machine. `is_kept`: whether a program keeps it right, None where that is
    not known. `servers` are time servers and how many seconds this machine is before each, None
    for no answer; `database_seconds` is the same for the database's machine."""

    is_kept: bool | None = None
    servers: tuple[tuple[str, float | None], ...] = ()
    database_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """`problems` are those of /readyz, `silence` is why it could not be asked. Listeners are by
    their ports. `sync_milliseconds` is what one write took to reach the disk, None where it failed
    with `sync_trouble`. `damage` is what the database says of itself. `oldest_seconds` is how long
    the oldest mail has been waiting for a next hop; `suspended` are hops that take nothing now.
    `sources` are addresses that mail comes from with what is wrong with each. `unopened` are
    ids of master keys that are missing, and how many secrets each has sealed.
    `address` is the one that mail leaves from, where it goes to MX hosts or somebody named it;
    `earlier_address` is that of the last daily look, "" for none."""

    silence: str = ""
    problems: tuple[str, ...] = ()
    listeners: tuple[int, ...] = ()
    free_octets: int = 0
    reserve_octets: int = 0
    sync_milliseconds: int | None = 0
    sync_trouble: str = ""
    damage: tuple[str, ...] = ()
    oldest_seconds: float = 0.0
    oldest_hop: str = ""
    suspended: tuple[tuple[str, str], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    unopened: tuple[tuple[str, int], ...] = ()
    clock: ClockFacts = ClockFacts()
    address: AddressFacts | None = None
    earlier_address: str = ""
