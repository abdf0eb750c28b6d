"""Limits of a next hop to which several routes go (pillarbox.cli.route)."""

from tests.unit.cli.conftest import Service

EX_USAGE = 64
EX_DATA = 65

RELAY = ("route", "add", "--smarthost", "relay.example:587")
TO = ("--to", "example.net")


def _limits(office: Service) -> list[tuple[int, int | None]]:
    """Connections and messages a minute of all routes."""
    routes = office.json("route", "list")
    return [(route["connections"], route["messages_per_minute"]) for route in routes]


def test_a_second_route_to_a_next_hop_has_its_limits(office: Service) -> None:
    """The one who adds it is told, and which route has them."""
    first = office.json(*RELAY, "--connections", "3", "--per-minute", "30")["id"]

    added = office.run(*RELAY, *TO)

    assert _limits(office) == [(3, 30), (3, 30)]
    assert first in added.stderr
    assert "3 connections, 30 messages a minute" in added.stderr


def test_other_limits_for_a_known_next_hop_are_refused(office: Service) -> None:
    """The refusal names the route that has others, and what to do; the same ones are no trouble."""
    first = office.json(*RELAY, "--per-minute", "30")["id"]

    refused = office.run(*RELAY, *TO, "--per-minute", "20")
    office.do(*RELAY, *TO, "--per-minute", "30")

    assert refused.exit_code == EX_DATA
    assert f"pillarbox route change {first}" in refused.stderr
    assert "30 messages in 60 s" in refused.stderr
    assert _limits(office) == [(10, 30), (10, 30)]


def test_another_login_is_another_next_hop(office: Service) -> None:
    """Its limits are its own."""
    office.do(*RELAY, "--per-minute", "30")

    user = ("--user", "app", "--password-file", "-")
    office.do(*RELAY, *TO, *user, "--per-minute", "20", stdin="s3cret\n")

    assert _limits(office) == [(10, 30), (10, 20)]


def test_changed_limits_hold_for_all_routes_to_the_next_hop(office: Service) -> None:
    """Of other tenants too; who changes them is told."""
    office.do("tenant", "add", "other")
    first = office.json(*RELAY, "--tenant", "default")["id"]
    second = office.json(*RELAY, "--tenant", "other")["id"]

    changed = office.run("route", "change", first, "--per-minute", "20")

    assert _limits(office) == [(10, 20), (10, 20)]
    assert f"route {second} of tenant other" in changed.stderr


def test_a_route_that_is_led_to_a_known_next_hop_keeps_the_limits_there(office: Service) -> None:
    """They are taken over, or refused where others are said; what was there is not changed."""
    office.do(*RELAY, "--per-minute", "30")
    route = office.json("route", "add", *TO, "--smarthost", "b.example", "--per-minute", "5")["id"]

    there = ("--smarthost", "relay.example:587")
    refused = office.run("route", "change", route, *there, "--per-minute", "20")
    office.do("route", "change", route, *there)

    assert refused.exit_code == EX_DATA
    assert _limits(office) == [(10, 30), (10, 30)]


def _mailboxes(office: Service, mailboxes: str, to: str, *words: str) -> str:
    """A route by mailboxes of Microsoft 365; its id."""
    app = ("--tenant-id", "contoso.example", "--client-id", "app", "--client-secret-file", "-")
    add = ("route", "add", "--microsoft365", mailboxes, "--to", to, *app, *words)
    return office.do(*add, "--json", stdin="s3cret\n").split('"id": "')[1][:13]


def test_pools_that_share_mailboxes_share_limits(office: Service) -> None:
    """Also where they do so by a third one."""
    _mailboxes(office, "a@contoso.example,b@contoso.example", "a.example")
    _mailboxes(office, "b@contoso.example,c@contoso.example", "b.example")
    last = _mailboxes(office, "c@contoso.example", "c.example")

    office.do("route", "change", last, "--per-minute", "10")

    assert _limits(office) == [(2, 10)] * 3


def test_two_ways_into_a_mailbox_take_the_connections_of_the_narrower(office: Service) -> None:
    """By Graph alone there are four; where some may be by SMTP, two for both."""
    first = _mailboxes(office, "a@contoso.example", "a.example", "--way", "graph")
    mixed = ("--microsoft365", "a@contoso.example", "--to", "b.example", "--way", "graph-or-smtp")
    app = ("--tenant-id", "contoso.example", "--client-id", "app", "--client-secret-file", "-")

    refused = office.run("route", "add", *mixed, *app, stdin="s3cret\n")
    office.do("route", "change", first, "--connections", "2")
    office.do("route", "add", *mixed, *app, stdin="s3cret\n")

    assert refused.exit_code == EX_DATA
    assert "4 connections" in refused.stderr
    assert _limits(office) == [(2, 30), (2, 30)]


def test_what_goes_nowhere_has_no_limits(office: Service) -> None:
    """Captured and refused mail waits for nobody; limits of an earlier next hop go."""
    route = office.json(*RELAY, "--per-minute", "30")["id"]

    refused = office.run("route", "add", *TO, "--capture", "--per-minute", "30")
    office.do("route", "change", route, "--capture")
    late = office.run("route", "change", route, "--per-minute", "20")

    assert (refused.exit_code, late.exit_code) == (EX_USAGE, EX_DATA)
    assert _limits(office) == [(10, None)]
