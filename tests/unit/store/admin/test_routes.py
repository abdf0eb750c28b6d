"""store.admin.routes: where a tenant's mail goes."""

from pathlib import Path

import pytest
from tests.support.storing import now_ms, open_database

from pillarbox.errors import DirectoryError, SecretError
from pillarbox.route import Capture, HopCaps, NextHop, Reject, Route, SmartHost, TlsMode
from pillarbox.store.admin.routes import (
    add_route,
    change_route,
    list_routes,
    remove_route,
    show_route,
)
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.database import Database
from pillarbox.store.seal import Seal

NOW = now_ms()
PASSWORD = "open-sesame-4711"
HOP = SmartHost(
    "smtp.far.example", 587, TlsMode.STARTTLS, username="me", password=PASSWORD, ca_file="/ca.pem"
)
OPEN = SmartHost("smtp.far.example", 25, TlsMode.NONE, verify=False)


@pytest.fixture
def filled(database: Database) -> Database:
    """A tenant."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    return database


def _add(
    database: Database, seal: Seal, hop: NextHop, *patterns: str, caps: HopCaps | None = None
) -> int:
    sender, recipient = patterns or ("", "")
    route = Route(0, sender, recipient, hop, caps or HopCaps())
    return database.write_now(lambda c: add_route(c, "acme", route, seal=seal, now=NOW))


@pytest.mark.parametrize("hop", [OPEN, Capture(), Reject("Not from here")])
def test_a_route_is_shown_as_it_was_made(filled: Database, seal: Seal, hop: NextHop) -> None:
    """Every kind of next hop, with its caps."""
    caps = HopCaps(3, 50, 30, 10_000)
    route_id = _add(filled, seal, hop, "*.Here.example", "far.example", caps=caps)

    info = filled.read_now(lambda c: show_route(c, route_id))

    assert info.route == Route(route_id, "*.here.example", "far.example", hop, caps)
    assert (info.tenant, info.created_at) == ("acme", NOW)


def test_the_password_is_not_shown(filled: Database, seal: Seal) -> None:
    """Administrators set it, they do not read it."""
    _add(filled, seal, HOP)

    (info,) = filled.read_now(list_routes)

    assert isinstance(info.route.next_hop, SmartHost)
    assert info.route.next_hop.username == "me"
    assert info.route.next_hop.password == ""


async def test_no_secret_stands_in_the_files(tmp_path: Path, seal: Seal) -> None:
    """A copy of the database, of its log or of a backup gives nothing away."""
    database = open_database(f"sqlite:///{tmp_path / 'pillarbox.db'}")
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    await database.write(lambda c: add_route(c, "acme", Route(0, "", "", HOP), seal=seal, now=NOW))
    with_log = _octets(tmp_path)
    await database.close()

    assert b"smtp.far.example" in with_log
    assert PASSWORD.encode() not in with_log
    assert PASSWORD.encode() not in _octets(tmp_path)


def _octets(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_a_login_needs_a_master_key(filled: Database) -> None:
    """Without it nothing secret is taken."""
    with pytest.raises(SecretError):
        _add(filled, Seal(None), HOP)
    _add(filled, Seal(None), OPEN)


def test_a_pair_of_patterns_has_one_route(filled: Database, seal: Seal) -> None:
    """Two would leave the choice to chance."""
    _add(filled, seal, Capture())

    with pytest.raises(DirectoryError, match="from all to all already"):
        _add(filled, seal, OPEN, "*", "")


@pytest.mark.parametrize(
    ("hop", "hint"),
    [
        (SmartHost("", 25, TlsMode.NONE), "host name"),
        (SmartHost("a b", 25, TlsMode.NONE), "host name"),
        (SmartHost("a.example", 0, TlsMode.NONE), "port"),
        (SmartHost("a.example", 25, TlsMode.NONE, username="me", password="x"), "in the clear"),
        (SmartHost("a.example", 465, TlsMode.TLS, username="me"), "both"),
        (Reject(""), "why"),
        (Reject("Nein, bitte über"), "ASCII"),
    ],
)
def test_a_next_hop_that_can_not_work_is_refused(
    filled: Database, seal: Seal, hop: NextHop, hint: str
) -> None:
    """Before mail waits for it."""
    with pytest.raises(DirectoryError, match=hint):
        _add(filled, seal, hop)


def test_caps_are_positive(filled: Database, seal: Seal) -> None:
    """Zero would hold all mail without saying so."""
    with pytest.raises(DirectoryError, match="messages_per_minute"):
        _add(filled, seal, OPEN, caps=HopCaps(messages_per_minute=0))


@pytest.mark.parametrize("pattern", ["*x.example", "*.", "a b", "*.*.example"])
def test_a_pattern_is_a_domain_or_all_below_one(filled: Database, seal: Seal, pattern: str) -> None:
    """Other stars mean nothing."""
    with pytest.raises(DirectoryError):
        _add(filled, seal, OPEN, "", pattern)


def test_a_route_gets_another_next_hop(filled: Database, seal: Seal) -> None:
    """Nothing of the old one is left."""
    route_id = _add(filled, seal, HOP)

    filled.write_now(lambda c: change_route(c, route_id, Capture(), caps=HopCaps(), seal=seal))
    filled.write_now(lambda c: change_route(c, route_id, OPEN, caps=HopCaps(), seal=seal))

    assert filled.read_now(lambda c: show_route(c, route_id)).route.next_hop == OPEN


def test_a_route_is_removed_once(filled: Database, seal: Seal) -> None:
    """Then it is unknown."""
    route_id = _add(filled, seal, OPEN)

    filled.write_now(lambda c: remove_route(c, route_id))

    assert filled.read_now(lambda c: list_routes(c, "acme")) == []
    with pytest.raises(DirectoryError, match="route list"):
        filled.write_now(lambda c: remove_route(c, route_id))
    with pytest.raises(DirectoryError, match="route list"):
        filled.write_now(lambda c: change_route(c, route_id, OPEN, caps=HopCaps(), seal=seal))
