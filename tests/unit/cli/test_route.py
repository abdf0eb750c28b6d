"""Routes by command (pillarbox.cli.route)."""

import json
from pathlib import Path

import pytest
import trustme
from tests.support.usage import full
from tests.unit.cli.conftest import Service

from pillarbox.config import load
from pillarbox.route import Counted, SmartHost, Window, lane_id
from pillarbox.store.admin.routes import list_routes, show_route
from pillarbox.store.lanes import UsageRecord, claim, save_usage
from pillarbox.store.seal import Seal
from pillarbox.store.suspensions import Suspension, Suspensions

EX_USAGE = 64
EX_DATA = 65
EX_NO_INPUT = 66
EX_NO_SUCH = 67

RELAY = ("route", "add", "--smarthost", "relay.example:587")
LOGIN = ("--user", "app", "--password-file", "-")


def _password(service: Service) -> str:
    """The opened password of the only route."""
    seal = Seal(load(service.config_file).master_key)
    [info] = service.database.read_now(list_routes)
    route_id = info.route.route_id
    opened = service.database.read_now(lambda c: show_route(c, route_id, seal=seal))
    assert isinstance(opened.route.next_hop, SmartHost)
    return opened.route.next_hop.password


def test_smart_host_with_login_and_limits(office: Service) -> None:
    """The route of the README; its password is read from standard input and never shown."""
    limits = ("--connections", "3", "--per-minute", "30", "--per-day", "10000")
    shown = office.do(*RELAY, *LOGIN, *limits, stdin="s3cret\n")

    [route] = office.json("route", "list")
    assert route["next_hop"] == {
        "kind": "smarthost",
        "host": "relay.example",
        "port": 587,
        "tls": "starttls",
        "verify": True,
        "username": "app",
        "ca_file": None,
        "return_path": False,
        "sign_in": None,
    }
    assert (route["connections"], route["messages_per_minute"]) == (3, 30)
    assert route["recipients_per_day"] == 10_000
    assert _password(office) == "s3cret"
    assert "s3cret" not in shown + office.do("route", "list") + office.do(
        "route", "show", route["id"]
    )


def test_password_file_counts_to_its_first_line_end(office: Service, tmp_path: Path) -> None:
    """An editor's line end is no part of a password; blanks are."""
    file = tmp_path / "secret"
    file.write_text(" s3cret \n# a note\n")

    office.do(*RELAY, "--user", "app", "--password-file", str(file))

    assert _password(office) == " s3cret "


def test_missing_password_file_is_66(office: Service) -> None:
    """EX_NOINPUT, with the name of the file."""
    result = office.run(*RELAY, "--user", "app", "--password-file", "/nowhere/secret")

    assert result.exit_code == EX_NO_INPUT
    assert "/nowhere/secret" in result.stderr


def test_without_a_terminal_the_password_is_not_asked_for(office: Service) -> None:
    """A script gets an error instead of hanging."""
    result = office.run(*RELAY, "--user", "app")

    assert result.exit_code == EX_USAGE
    assert "--password-file" in result.stderr


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("relay.example", ("relay.example", 587, "starttls")),
        ("relay.example:465", ("relay.example", 465, "tls")),
        ("192.0.2.1:25", ("192.0.2.1", 25, "starttls")),
        ("[2001:db8::1]:2525", ("2001:db8::1", 2525, "starttls")),
    ],
)
def test_encryption_follows_from_the_port(
    office: Service, host: str, expected: tuple[str, int, str]
) -> None:
    """Never in the clear unless that is asked for."""
    hop = office.json("route", "add", "--smarthost", host)["next_hop"]

    assert (hop["host"], hop["port"], hop["tls"]) == expected


def test_a_smart_host_gets_the_return_path_where_that_is_asked_for(office: Service) -> None:
    """And keeps it through other changes."""
    route_id = office.json("route", "add", "--smarthost", "relay.example", "--return-path")["id"]
    office.do("route", "change", route_id, "--smarthost", "relay.example:2525")
    assert office.json("route", "show", route_id)["next_hop"]["return_path"] is True
    assert "of the sender's domain" in office.do("route", "show", route_id)

    office.do("route", "change", route_id, "--no-return-path")

    assert office.json("route", "show", route_id)["next_hop"]["return_path"] is False


@pytest.mark.parametrize("host", [":587", "relay.example:", "relay:x", "[::1", "[::1]587"])
def test_smart_host_that_can_not_be_read_is_64(office: Service, host: str) -> None:
    """A usage error, not a route."""
    assert office.run("route", "add", "--smarthost", host).exit_code == EX_USAGE


def test_password_never_goes_in_the_clear(office: Service) -> None:
    """A login over an unencrypted connection is refused."""
    result = office.run(*RELAY, *LOGIN, "--tls", "none", stdin="s3cret\n")

    assert result.exit_code == EX_DATA
    assert "STARTTLS" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--capture", "--reject", "No"],
        ["--capture", "--tls", "none"],
        ["--smarthost", "a.example", "--password-file", "-"],
    ],
    ids=["nothing", "two", "capture with TLS", "password without user"],
)
def test_route_goes_one_way(office: Service, options: list[str]) -> None:
    """One next hop, and only options that mean something with it."""
    assert office.run("route", "add", *options, stdin="x\n").exit_code == EX_USAGE


def test_capture_and_reject_for_some_domains(office: Service) -> None:
    """Patterns by sender and recipient are shown as they were given."""
    office.do("route", "add", "--to", "*.Example.com", "--capture")
    office.do("route", "add", "--from", "example.org", "--to", "bad.example", "--reject", "No mail")

    routes = office.json("route", "list")

    assert [(r["from"], r["to"], r["next_hop"]) for r in routes] == [
        ("", "*.example.com", {"kind": "capture"}),
        ("example.org", "bad.example", {"kind": "reject", "text": "No mail"}),
    ]


def test_change_keeps_the_rest_and_the_password(office: Service) -> None:
    """One limit changes; host, login and password stay."""
    route_id = office.do(*RELAY, *LOGIN, "--json", stdin="s3cret\n").split('"id": "')[1][:13]

    changed = office.json("route", "change", route_id, "--per-minute", "5")

    assert changed["messages_per_minute"] == 5
    assert changed["next_hop"]["username"] == "app"
    assert _password(office) == "s3cret"


def test_change_to_another_login_needs_its_password(office: Service) -> None:
    """The password of one user is not tried with another."""
    route_id = office.json("route", "add", "--smarthost", "relay.example")["id"]

    refused = office.run("route", "change", route_id, "--user", "app")
    office.do("route", "change", route_id, *LOGIN, stdin="other\n")

    assert refused.exit_code == EX_USAGE
    assert _password(office) == "other"


def test_removed_route_is_gone(office: Service) -> None:
    """By its id, in any case; a second time it is unknown."""
    route_id = office.json("route", "add", "--capture")["id"]

    office.do("route", "remove", route_id.lower())

    assert office.run("route", "show", route_id).exit_code == EX_NO_SUCH
    assert office.run("route", "show", "nonsense").exit_code == EX_DATA


def test_same_pattern_twice_is_refused(office: Service) -> None:
    """The first route is named, not silently replaced."""
    office.do("route", "add", "--capture")

    assert office.run("route", "add", "--reject", "No").exit_code == EX_DATA


async def test_suspended_route_says_so(office: Service) -> None:
    """Since when, by which reply, cause and fix; others are not."""
    office.do("route", "add", "--to", "example.net", "--capture")
    added = json.loads(office.do("route", "add", "--smarthost", "relay.example:587", "--json"))
    assert added["suspended"] is None
    hop = "smarthost:relay.example:587:starttls"
    found = Suspension(
        1000, "535 5.7.8 no", "rfc-5.7.8", "configuration", "It is wrong.", "Mend it"
    )
    await Suspensions(office.database).suspend(lane_id(hop), hop, found)

    shown = office.do("route", "show", added["id"])

    assert all(text in shown for text in ("535 5.7.8 no", "It is wrong.", "Mend it", "rfc-5.7.8"))
    routes = office.json("route", "list")
    assert [route["suspended"] and route["suspended"]["reply"] for route in routes] in (
        [None, "535 5.7.8 no"],
        ["535 5.7.8 no", None],
    )


def _use_up(office: Service, window: Window, seconds_ago: float) -> None:
    """The owner of the lane of RELAY writes that a window is full."""
    hop = "smarthost:relay.example:587:starttls"
    record = UsageRecord(lane_id(hop), full(window, seconds_ago=seconds_ago))
    office.database.write_now(lambda c: claim(c, hop, 0, owner="worker", lease_ms=60_000))
    assert office.database.write_now(lambda c: save_usage(c, [record], owner="worker"))


def test_show_tells_how_full_each_window_is_and_when_the_next_message_goes(
    office: Service,
) -> None:
    """For people and for programs; a route without mail has empty windows."""
    limits = ("--per-minute", "30", "--window", "150 MB in 5 min")
    route_id = office.json(*RELAY, *limits)["id"]
    assert "0 messages used; the next at once" in office.do("route", "show", route_id)
    _use_up(office, Window(Counted.MESSAGES, 30, 60), 20)

    shown = office.do("route", "show", route_id)
    [minute, octets] = office.json("route", "show", route_id)["windows"]

    assert "30 messages used; the next in 4" in shown
    assert "150 MB in 5 min" in shown
    assert (minute["counted"], minute["amount"], minute["used"]) == ("messages", 30, 30)
    assert minute["next_at"].endswith("Z")
    assert octets == {
        "hop": "smarthost:relay.example:587:starttls",
        "counted": "octets",
        "amount": 150_000_000,
        "seconds": 300,
        "used": 0,
        "next_at": None,
    }


def test_windows_are_changed_one_by_one(office: Service) -> None:
    """What is not named stays; none takes one away."""
    limits = ("--per-day", "10000", "--window", "10000 requests in 10 min")
    route_id = office.json(*RELAY, *limits)["id"]

    changed = office.json("route", "change", route_id, "--window", "9 requests in 10min")
    last = office.json("route", "change", route_id, "--window", "none request in 600 s")

    assert [(w["amount"], w["seconds"]) for w in changed["windows"]] == [(9, 600), (10_000, 86_400)]
    assert [w["counted"] for w in last["windows"]] == ["recipients"]
    assert last["recipients_per_day"] == 10_000


@pytest.mark.parametrize("text", ["30 in 60 s", "0 messages in 1 s", "5 MB", "5 messages in 0 s"])
def test_a_window_that_says_too_little_is_refused(office: Service, text: str) -> None:
    """With an example of what to write."""
    refused = office.run(*RELAY, "--window", text)

    assert refused.exit_code == EX_USAGE
    assert "150 MB in 5 min" in refused.stderr


def test_mx_route(office: Service) -> None:
    """Ten connections and a hundred messages in each, unless told otherwise."""
    said = office.do("route", "add", "--mx")

    assert "from all to all: MX hosts of the recipient." in said
    [route] = office.json("route", "list")
    assert route["next_hop"] == {"kind": "mx", "port": 25, "ca_file": None, "sources": []}
    assert (route["connections"], route["messages_per_connection"]) == (10, 100)


def test_roots_that_can_not_be_read_are_refused(office: Service, tmp_path: Path) -> None:
    """All mail of the route would wait for them."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")

    refused = office.run("route", "add", "--mx", "--ca-file", str(garbage))

    assert (refused.exit_code, office.json("route", "list")) == (EX_DATA, [])
    assert f"{garbage}: no trusted certificates can be read" in refused.stderr
    assert "BEGIN CERTIFICATE" in refused.stderr


def test_mx_route_is_changed_and_becomes_another(
    office: Service, authority: trustme.CA, tmp_path: Path
) -> None:
    """What is not given stays."""
    ca_file = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca_file)
    office.do("route", "add", "--mx", "--connections", "3")
    route_id = office.json("route", "list")[0]["id"]
    office.do("route", "change", route_id, "--mx-port", "2525", "--ca-file", ca_file)
    [route] = office.json("route", "list")
    assert route["next_hop"] == {
        "kind": "mx",
        "port": 2525,
        "ca_file": ca_file,
        "sources": [],
    }
    assert route["connections"] == 3

    office.do("route", "change", route_id, "--smarthost", "relay.example:587")

    assert office.json("route", "list")[0]["next_hop"]["kind"] == "smarthost"


@pytest.mark.parametrize(
    "options", [("--user", "x"), ("--tls", "tls"), ("--capture",), ("--client-id", "x")]
)
def test_mx_route_has_no_login(office: Service, options: tuple[str, ...]) -> None:
    """Nobody logs in at a stranger's host."""
    assert office.run("route", "add", "--mx", *options).exit_code == EX_USAGE


def test_password_file_that_is_no_text_is_named(office: Service, tmp_path: Path) -> None:
    """Nothing of what stands in it is shown."""
    file = tmp_path / "key.der"
    file.write_bytes(b"secret\xff\xfe")

    words = ("--smarthost", "relay.example", "--user", "app", "--password-file", str(file))
    result = office.run("route", "add", *words)

    assert result.exit_code == EX_DATA
    assert result.stderr == f"pillarbox: {file} is no text in UTF-8 (is it the right file?)\n"
