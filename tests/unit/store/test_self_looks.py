"""store.self_looks: what the daily look found, for each machine its own."""

from dataclasses import replace

from pillarbox.store.database import Database
from pillarbox.store.self_looks import KnownFinding, SelfLook, last_look, record_look

DISK = KnownFinding("SELF-DISK-LOW", "service", "warn", "little room", "make room", 1000)
HOP = KnownFinding("SELF-HOP-SUSPENDED", "a", "warn", "off", "turn it on", 2000)


async def test_last_look_replaces_the_one_before(database: Database) -> None:
    """With what it found; there was none at first."""
    assert await database.read(lambda c: last_look(c, "one")) == SelfLook()

    await database.write(lambda c: record_look(c, "one", SelfLook(5000, "11.1.1.1", (DISK, HOP))))
    again = replace(HOP, place="b")
    look = SelfLook(6000, "11.1.1.2", (DISK, again))
    await database.write(lambda c: record_look(c, "one", look))

    assert await database.read(lambda c: last_look(c, "one")) == look


async def test_each_machine_has_its_own(database: Database) -> None:
    """Several may share a database."""
    await database.write(lambda c: record_look(c, "one", SelfLook(5000, "", (DISK,))))
    await database.write(lambda c: record_look(c, "two", SelfLook(6000, "", ())))

    assert (await database.read(lambda c: last_look(c, "one"))).findings == (DISK,)
    assert (await database.read(lambda c: last_look(c, "two"))).findings == ()
