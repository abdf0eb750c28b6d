"""The master key by command (pillarbox.cli.key)."""

import base64
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, update
from tests.unit.cli.conftest import Service

from pillarbox.app.self_look import SelfLooker
from pillarbox.cli.key import rotation
from pillarbox.config import load
from pillarbox.doctor.progress import Progress
from pillarbox.route import SmartHost
from pillarbox.store.admin.keys import SEALED
from pillarbox.store.admin.routes import list_routes, show_route
from pillarbox.store.schema_base import metadata
from pillarbox.store.schema_directory import route
from pillarbox.store.seal import Seal, key_id

EX_CONFIG = 78

STEPS = 4
SECRETS = ["s3cret0", "s3cret1"]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else seals anything here."""
    monkeypatch.setattr("pillarbox.cli.key.SETTLE_SECONDS", 0.0)


@pytest.fixture
def house(office: Service, tmp_path: Path) -> Service:
    """A service whose key is in a file of its own, with routes that have passwords."""
    [key] = load(office.config_file).master_key
    file = tmp_path / "master.key"
    file.write_bytes(base64.b64encode(key) + b"\n")
    file.chmod(0o640)
    text = office.config_file.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("master_key")]
    office.config_file.write_text("\n".join(['master_key_file = "master.key"', *lines]))
    for number in range(len(SECRETS)):
        _add(office, number)
    return office


def _add(house: Service, number: int) -> None:
    words = ("route", "add", "--smarthost", f"relay{number}.example", "--to", f"d{number}.example")
    house.do(*words, "--user", "app", "--password-file", "-", stdin=f"s3cret{number}\n")


def _opened(house: Service, seal: Seal) -> list[str]:
    ids = [info.route.route_id for info in house.database.read_now(list_routes)]
    opened = house.database.read_now(lambda c: [show_route(c, one, seal=seal) for one in ids])
    hops = [info.route.next_hop for info in opened]
    return sorted(hop.password for hop in hops if isinstance(hop, SmartHost))


def _passwords(house: Service) -> list[str]:
    """As a service that starts now would open them."""
    return _opened(house, Seal(load(house.config_file).master_key))


def _replace(house: Service, route_id: int, sealed: bytes) -> None:
    statement = update(route).where(route.c.id == route_id).values(password_sealed=sealed)
    house.database.write_now(lambda c: c.execute(statement).rowcount)


def test_a_rotation_leaves_one_new_key_that_opens_everything(house: Service) -> None:
    """The file keeps its mode; the old key lies beside; nothing says what a key is."""
    file = house.config_file.with_name("master.key")
    [old] = load(house.config_file).master_key

    said = house.do("key", "rotate")

    [new] = load(house.config_file).master_key
    assert new != old
    assert _passwords(house) == SECRETS
    kept = file.with_name(f"master.key.{key_id(old).hex()}")
    assert base64.b64decode(kept.read_bytes()) == old
    assert [each.stat().st_mode & 0o777 for each in (file, kept)] == [0o640, 0o640]
    said += house.do("key", "show")
    assert key_id(new).hex() in said
    for key in (old, new):
        assert base64.b64encode(key).decode() not in said
        assert key.hex() not in said


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_everything_opens_after_an_interrupted_rotation(house: Service, steps: int) -> None:
    """Whatever step was the last one, here and in a service that runs; the next call goes on."""
    file = house.config_file.with_name("master.key")
    keys = load(house.config_file).master_key
    running = Seal(keys, lambda: load(house.config_file).master_key)

    told = list(islice(rotation(house.database, file, keys, settle=lambda _: None), steps))

    assert len(told) == steps
    assert _passwords(house) == SECRETS
    assert _opened(house, running) == SECRETS
    _add(house, len(SECRETS))
    house.do("key", "rotate")
    assert len(load(house.config_file).master_key) == 1
    assert _passwords(house) == [*SECRETS, "s3cret2"]
    assert [row["use"] for row in house.json("key", "show")] == ["seals"]


def test_all_steps_of_a_rotation_are_tried(house: Service) -> None:
    """Above; there are no more."""
    file = house.config_file.with_name("master.key")
    keys = load(house.config_file).master_key

    assert len(list(rotation(house.database, file, keys, settle=lambda _: None))) == STEPS


def test_what_is_sealed_meanwhile_with_the_old_key_is_found(house: Service) -> None:
    """By a process that had read the key just before."""
    file = house.config_file.with_name("master.key")
    keys = load(house.config_file).master_key
    late = Seal(keys)
    [info, *_] = house.database.read_now(list_routes)
    route_id = info.route.route_id
    pauses: list[float] = []

    def settle(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            _replace(house, route_id, late.seal(b"late", SEALED[0].context(route_id)))

    for _ in rotation(house.database, file, keys, settle=settle):
        pass

    assert len(pauses) == 2
    assert "late" in _passwords(house)


def test_a_key_that_is_not_in_a_file_is_changed_by_hand(office: Service) -> None:
    """The new one is written before the old one; then everything is sealed with it."""
    _add(office, 0)
    refused = office.run("key", "rotate")
    text = office.config_file.read_text()
    new = base64.b64encode(bytes(range(32))).decode()
    office.config_file.write_text(text.replace('master_key = "', f'master_key = "{new} '))

    said = office.do("key", "rotate")

    assert refused.exit_code == EX_CONFIG
    assert "not in a file" in refused.stderr
    assert "take it away" in said
    found = office.json("key", "show")
    assert [(row["use"], row["values"]) for row in found] == [("seals", 1), ("opens", 0)]


def test_a_secret_that_no_key_opens_keeps_the_old_key(house: Service) -> None:
    """It is named, and nothing is thrown away."""
    [info, *_] = house.database.read_now(list_routes)
    _replace(house, info.route.route_id, Seal(bytes(32)).seal(b"x", "elsewhere"))

    refused = house.run("key", "rotate")

    assert refused.exit_code == EX_CONFIG
    assert SEALED[0].context(info.route.route_id) in refused.stderr
    assert len(load(house.config_file).master_key) == 2
    assert "is missing" in house.do("key", "show")


async def test_the_doctor_tells_of_a_key_that_is_missing(house: Service) -> None:
    """As where only the database came out of a backup: without it mail would just wait. A service
    that started before a rotation has no such finding."""
    file, settings = house.config_file, load(house.config_file)
    [key] = settings.master_key
    house.do("key", "rotate")

    rotated = SelfLooker(
        settings, house.database, Progress(), read_keys=lambda: load(file).master_key
    )
    lost = replace(rotated, read_keys=lambda: [key])

    assert (await rotated._stored()).unopened == ()
    [new] = load(file).master_key
    assert (await lost._stored()).unopened == ((key_id(new).hex(), len(SECRETS)),)


def test_every_sealed_column_is_sealed_again() -> None:
    """One that is forgotten could not be opened after a rotation."""
    columns = {
        column
        for table in metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_sealed") and isinstance(column.type, LargeBinary)
    }

    assert columns == {each.column for each in SEALED}
