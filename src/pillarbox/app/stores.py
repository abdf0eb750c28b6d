"""What of a worker stands on the database."""

from collections.abc import Iterable
from dataclasses import dataclass

from pillarbox.app.order import WorkerOrder
from pillarbox.app.upkeep import INSTANCE_LEASE_MS
from pillarbox.config import Settings, load
from pillarbox.mail.identifier import IdGenerator
from pillarbox.net.binding import why_not_bound
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.instances import Instances
from pillarbox.store.lanes import Lanes
from pillarbox.store.return_key import ensure_return_key
from pillarbox.store.scram import ensure_scram_key
from pillarbox.store.seal import Seal
from pillarbox.store.sources import list_sources
from pillarbox.store.spool import Spool
from pillarbox.store.suppressions import Suppressions


@dataclass(frozen=True, slots=True)
class Stores:
    """What stands on the database, with the number of this worker (`instance`) and its ids.
    `scram_key` is None where SCRAM is off."""

    database: Database
    directory: Directory
    instances: Instances
    lanes: Lanes
    spool: Spool
    suppressions: Suppressions
    instance: int
    ids: IdGenerator
    scram_key: bytes | None
    return_key: bytes


async def open_stores(order: WorkerOrder, settings: Settings, database: Database) -> Stores:
    """Give back what dead workers owned, then take a number."""
    directory = Directory(database, make_seal(settings, order))
    instances, lanes = Instances(database), Lanes(database)
    for token in order.dead_tokens:
        await lanes.release_owner(token)
        await instances.release(token)
    instance = await instances.claim(token=order.token, lease_ms=INSTANCE_LEASE_MS)
    await directory.refresh()
    _tell_lost_sources(await database.read(list_sources))
    ids = IdGenerator(instance)
    spool = Spool(database, order.plan)
    suppressions = Suppressions(database)
    await suppressions.refresh(Clock().timestamp())
    scram_key = await database.write(ensure_scram_key) if settings.scram_sha_256 else None
    return Stores(
        database=database,
        directory=directory,
        instances=instances,
        lanes=lanes,
        spool=spool,
        suppressions=suppressions,
        instance=instance,
        ids=ids,
        scram_key=scram_key,
        return_key=await database.write(ensure_return_key),
    )


def _tell_lost_sources(sources: Iterable[str]) -> None:
    """Say which addresses mail can not come from: it waits then."""
    for address in sources:
        cause = why_not_bound(address)
        if cause:
            hint = "give this machine the address, or take it out of its routes"
            log.error("delivery.source_unusable", address=address, cause=cause, hint=hint)


def make_seal(settings: Settings, order: WorkerOrder) -> Seal:
    """Looks for other keys in the configuration when it meets one that it does not know."""
    return Seal(settings.master_key, lambda: load(order.config_path).master_key)
