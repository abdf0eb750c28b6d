"""store.admin.routes: where a tenant's mail goes."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.storing import now_ms, open_database

from pillarbox.errors import DirectoryError, SecretError
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Access, Flow, SignIn
from pillarbox.route import (
    Capture,
    Counted,
    HopCaps,
    Microsoft365,
    NextHop,
    Reject,
    Route,
    SmartHost,
    TlsMode,
    Window,
)
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
CERTIFICATE = SignIn(
    Flow.CERTIFICATE,
    "11111111-2222-3333-4444-555555555555",
    "https://login.microsoftonline.com",
    "contoso.example",
    private_key=f"-----BEGIN PRIVATE KEY-----\n{PASSWORD}\n",
    certificate="-----BEGIN CERTIFICATE-----\nMIIB\n",
)
MICROSOFT = Microsoft365("alerts@contoso.example", Cloud.WORLDWIDE, CERTIFICATE)
GOOGLE = SmartHost(
    "smtp.gmail.example",
    465,
    TlsMode.TLS,
    username="me@g.example",
    access=Access(
        SignIn(Flow.REFRESH_TOKEN, "id", token_url="https://oauth2.example/token", secret=PASSWORD),
        "https://mail.example/",
    ),
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


def _change(database: Database, seal: Seal, route_id: int, hop: NextHop) -> None:
    new = Route(route_id, "", "", hop)
    database.write_now(lambda c: change_route(c, new, seal=seal, now=NOW))


@pytest.mark.parametrize("hop", [OPEN, Capture(), Reject("Not from here")])
def test_a_route_is_shown_as_it_was_made(filled: Database, seal: Seal, hop: NextHop) -> None:
    """Every kind of next hop, with its caps where it has some."""
    caps = HopCaps(3, 50, (Window(Counted.MESSAGES, 30, 60), Window(Counted.OCTETS, 10**9, 300)))
    caps = caps if hop is OPEN else HopCaps()
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
    with pytest.raises(DirectoryError, match="0 messages in 60 s"):
        _add(filled, seal, OPEN, caps=HopCaps().limited(Counted.MESSAGES, 60, 0))


@pytest.mark.parametrize("hop", [MICROSOFT, GOOGLE], ids=["microsoft365", "smarthost"])
def test_a_route_with_oauth2_keeps_its_secrets(filled: Database, seal: Seal, hop: NextHop) -> None:
    """The service opens them, administrators do not see them."""
    route_id = _add(filled, seal, hop)

    shown = filled.read_now(lambda c: show_route(c, route_id)).route.next_hop
    opened = filled.read_now(lambda c: show_route(c, route_id, seal=seal)).route.next_hop

    assert PASSWORD not in repr(shown) + repr(opened)
    assert _sign_in(opened) == replace(_sign_in(hop), grant_id=route_id)
    assert not _sign_in(shown).secret
    assert not _sign_in(shown).private_key


def _sign_in(hop: NextHop) -> SignIn:
    if isinstance(hop, Microsoft365):
        return hop.sign_in
    assert isinstance(hop, SmartHost)
    assert hop.access is not None
    return hop.access.sign_in


def test_a_pool_keeps_its_mailboxes(filled: Database, seal: Seal) -> None:
    """In their order, with one sign-in."""
    others = tuple(replace(MICROSOFT, mailbox=f"{n}@contoso.example") for n in "bc")
    route = Route(0, "", "", MICROSOFT, HopCaps(), others)
    filled.write_now(lambda c: add_route(c, "acme", route, seal=seal, now=NOW))

    (info,) = filled.read_now(list_routes)

    mailboxes = [m.next_hop.mailbox for m in info.route.members]  # type: ignore[union-attr]
    assert mailboxes == ["alerts@contoso.example", "b@contoso.example", "c@contoso.example"]


@pytest.mark.parametrize(
    ("hop", "hint"),
    [
        (replace(MICROSOFT, mailbox="alerts"), "no mailbox"),
        (replace(MICROSOFT, sign_in=replace(CERTIFICATE, private_key="")), "private key"),
        (replace(MICROSOFT, sign_in=replace(CERTIFICATE, tenant_id="a b")), "tenant id"),
        (replace(MICROSOFT, sign_in=replace(CERTIFICATE, client_id="")), "client id"),
        (replace(MICROSOFT, sign_in=replace(CERTIFICATE, authority="http://x")), "https"),
        (replace(MICROSOFT, cloud=Cloud.OUTLOOK), "device-code"),
        (replace(GOOGLE, username=""), "user name"),
        (replace(GOOGLE, tls=TlsMode.NONE), "token would go"),
    ],
)
def test_a_sign_in_that_can_not_work_is_refused(
    filled: Database, seal: Seal, hop: NextHop, hint: str
) -> None:
    """Before mail waits for it."""
    with pytest.raises(DirectoryError, match=hint):
        _add(filled, seal, hop)


@pytest.mark.parametrize("pattern", ["*x.example", "*.", "a b", "*.*.example"])
def test_a_pattern_is_a_domain_or_all_below_one(filled: Database, seal: Seal, pattern: str) -> None:
    """Other stars mean nothing."""
    with pytest.raises(DirectoryError):
        _add(filled, seal, OPEN, "", pattern)


def test_a_route_gets_another_next_hop(filled: Database, seal: Seal) -> None:
    """Nothing of the old one is left."""
    route_id = _add(filled, seal, HOP)

    for hop in (Capture(), OPEN):
        _change(filled, seal, route_id, hop)

    assert filled.read_now(lambda c: show_route(c, route_id)).route.next_hop == OPEN


def test_a_route_is_removed_once(filled: Database, seal: Seal) -> None:
    """Then it is unknown."""
    route_id = _add(filled, seal, OPEN)

    filled.write_now(lambda c: remove_route(c, route_id))

    assert filled.read_now(lambda c: list_routes(c, "acme")) == []
    with pytest.raises(DirectoryError, match="route list"):
        filled.write_now(lambda c: remove_route(c, route_id))
    with pytest.raises(DirectoryError, match="route list"):
        _change(filled, seal, route_id, OPEN)
