"""route: which next hop a recipient's mail takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.route import (
    Capture,
    HopCaps,
    LanePlan,
    NextHop,
    Reject,
    Route,
    RouteTable,
    SmartHost,
    TlsMode,
    hop_key,
    lane_id,
)

DOMAINS = st.sampled_from(["", "example.org", "mail.example.org", "a.b.example.net", "localhost"])


def route(
    recipient_domain: str = "", sender_domain: str = "", next_hop: NextHop | None = None
) -> Route:
    """A route with a recognisable next hop."""
    hop = next_hop or Reject(f"{sender_domain}>{recipient_domain}")
    return Route(1, sender_domain, recipient_domain, hop)


def test_a_tenant_without_routes_captures() -> None:
    """Until a route is set, mail is captured."""
    chosen = RouteTable([]).choose("example.org", "example.net")

    assert chosen is not None
    assert chosen.next_hop == Capture()


def test_no_route_where_none_matches() -> None:
    """With routes for other domains only, there is no route and nothing is captured in silence."""
    table = RouteTable([route("example.com")])

    assert table.choose("example.org", "example.net") is None


@pytest.mark.parametrize(
    ("sender", "recipient", "expected"),
    [
        ("a.test", "mail.example.org", "*.example.org"),
        ("a.test", "deep.mail.example.org", "*.mail.example.org"),
        ("a.test", "example.org", "example.org"),
        ("a.test", "other.test", ""),
    ],
)
def test_the_most_specific_recipient_pattern_wins(
    sender: str, recipient: str, expected: str
) -> None:
    """An exact domain beats a wildcard, a longer wildcard a shorter one, and both beat "all"."""
    patterns = ["", "*.org", "*.example.org", "*.mail.example.org", "example.org"]
    table = RouteTable([route(pattern) for pattern in patterns])

    chosen = table.choose(sender, recipient)

    assert chosen is not None
    assert chosen.recipient_domain == expected


def test_the_recipient_domain_counts_before_the_sender_domain() -> None:
    """A route for the recipient beats a route for the sender; one for both beats each."""
    table = RouteTable([route("to.test"), route("", "from.test"), route("to.test", "from.test")])

    both = table.choose("from.test", "to.test")
    recipient = table.choose("else.test", "to.test")
    sender = table.choose("from.test", "else.test")

    assert (both, recipient, sender) == (
        route("to.test", "from.test"),
        route("to.test"),
        route("", "from.test"),
    )


@given(DOMAINS, DOMAINS)
def test_a_route_for_everything_matches_everything(sender: str, recipient: str) -> None:
    """The route without patterns is the way out for any pair of domains, null reverse-path too."""
    everything = route()

    assert RouteTable([everything]).choose(sender, recipient) == everything


def test_hops_differ_by_login_and_port_but_not_by_case() -> None:
    """What shares a mailbox at a smart host shares its caps; another login does not."""
    first = SmartHost("Relay.Example", 587, TlsMode.STARTTLS, username="a@x.test")
    same = SmartHost("relay.example", 587, TlsMode.STARTTLS, username="a@x.test", verify=False)
    other_login = SmartHost("relay.example", 587, TlsMode.STARTTLS, username="b@x.test")
    other_port = SmartHost("relay.example", 465, TlsMode.TLS, username="a@x.test")

    keys = {hop_key(hop) for hop in (first, same, other_login, other_port)}

    assert hop_key(first) == hop_key(same)
    assert len(keys) == 3


@given(st.text(max_size=80), st.integers(0, 99))
def test_lane_ids_fit_a_signed_64_bit_column(hop: str, number: int) -> None:
    """A lane's id is the same each time and fits BIGINT."""
    identifier = lane_id(hop, number)

    assert identifier == lane_id(hop, number)
    assert 0 <= identifier < 2**63


@given(st.integers(1, 16), st.integers(1, 64))
def test_shares_of_connections_add_up_to_the_cap(workers: int, connections: int) -> None:
    """Each worker has its lane and a connection at least, or all put mail into the first one."""
    caps = HopCaps(connections=connections)
    plans = [LanePlan(number, workers) for number in range(workers)]

    lanes = {plan.number(caps): plan.share(caps).connections for plan in plans}

    assert sum(lanes.values()) == connections
    assert len(lanes) == (workers if connections >= workers else 1)
    assert min(lanes.values()) >= 1


@pytest.mark.parametrize(
    "caps", [HopCaps(messages_per_minute=30), HopCaps(recipients_per_day=10_000)]
)
def test_caps_over_time_have_one_lane(caps: HopCaps) -> None:
    """Nobody counts for others, so they can not be divided."""
    plan = LanePlan(3, 4)

    assert plan.number(caps) == 0
    assert plan.share(caps) == caps
