"""route: which next hop a recipient's mail takes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.microsoft365_caps import microsoft365_caps
from pillarbox.oauth.clouds import CLOUDS, Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.route import (
    Capture,
    Counted,
    HopCaps,
    LanePlan,
    Microsoft365,
    MxHosts,
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
    "caps", [HopCaps().limited(Counted.MESSAGES, 60, 30), HopCaps().limited(Counted.OCTETS, 9, 9)]
)
def test_caps_over_time_have_one_lane(caps: HopCaps) -> None:
    """Nobody counts for others, so they can not be divided."""
    plan = LanePlan(3, 4)

    assert plan.number(caps) == 0
    assert plan.share(caps) == caps


def pool(*mailboxes: str) -> Route:
    """A route by some mailboxes of Microsoft 365."""
    sign_in = SignIn(Flow.CLIENT_SECRET, "app", "https://login.test", "tenant", secret="s3cret")
    first, *others = (Microsoft365(name, Cloud.WORLDWIDE, sign_in) for name in mailboxes)
    return Route(1, "", "", first, microsoft365_caps(Cloud.WORLDWIDE), tuple(others))


def chosen(of: Route, queue_id: int, sender: Mailbox | None = None) -> str:
    """The mailbox of a message."""
    hop = of.member(queue_id, sender).next_hop
    assert isinstance(hop, Microsoft365)
    return hop.mailbox


def test_a_pool_spreads_messages_and_each_stays_with_its_mailbox() -> None:
    """About as many for each, the same one at each attempt and in each process."""
    route_by_three = pool("a@x.test", "b@x.test", "c@x.test")

    first = [chosen(route_by_three, number << 22) for number in range(3000)]
    again = [chosen(pool("a@x.test", "b@x.test", "c@x.test"), n << 22) for n in range(3000)]

    assert first == again
    assert all(850 < first.count(name) < 1150 for name in set(first))
    assert len(set(first)) == 3


def test_a_mailbox_more_takes_only_its_share() -> None:
    """Mail that waits is not shuffled: what moves, moves to the new mailbox."""
    before, after = pool("a@x.test", "b@x.test"), pool("b@x.test", "c@x.test", "a@x.test")

    moved = {
        (chosen(before, number), chosen(after, number))
        for number in range(500)
        if chosen(before, number) != chosen(after, number)
    }

    assert {to for _, to in moved} == {"c@x.test"}


def test_a_mailbox_of_the_pool_sends_its_own_mail() -> None:
    """Else it would have to be refused: no mailbox may send as another one by itself."""
    by_three = pool("a@x.test", "b@x.test", "c@x.test")

    assert {chosen(by_three, n, parse_mailbox("B@x.test")) for n in range(50)} == {"b@x.test"}


def test_a_mailbox_may_send_as_what_it_was_granted() -> None:
    """Itself, addresses, and all of a domain."""
    hop = pool("A@x.test").next_hop
    assert isinstance(hop, Microsoft365)
    hop = replace(hop, senders=("info@x.test", "@y.test"))

    allowed = ["a@x.test", "INFO@x.test", "any@Y.test"]
    assert all(hop.may_send_as(parse_mailbox(address)) for address in allowed)
    assert not hop.may_send_as(parse_mailbox("b@x.test"))


def test_each_mailbox_has_its_own_hop() -> None:
    """So it has its own lane and caps, in whatever case it was written."""
    keys = [hop_key(each.next_hop) for each in pool("A@x.test", "b@x.test").members]

    assert keys == [
        "microsoft365:a@x.test@smtp.office365.com:587",
        "microsoft365:b@x.test@smtp.office365.com:587",
    ]
    assert hop_key(pool("a@X.test").next_hop) == keys[0]


@pytest.mark.parametrize("cloud", Cloud)
def test_every_cloud_can_be_used(cloud: Cloud) -> None:
    """Host, scopes and caps for each; STARTTLS with a certificate that is verified."""
    sign_in = SignIn(Flow.DEVICE_CODE, "app", CLOUDS[cloud].authority, "tenant")
    hop = Microsoft365("a@x.test", cloud, sign_in)

    smart_host = hop.smart_host

    assert (smart_host.port, smart_host.tls, smart_host.verify) == (587, TlsMode.STARTTLS, True)
    assert smart_host.username == "a@x.test"
    assert hop.smtp_access.scope.endswith("/SMTP.Send")
    assert CLOUDS[cloud].authority.startswith("https://login.")
    assert CLOUDS[cloud].source
    assert microsoft365_caps(cloud).connections == 2


def test_an_application_asks_for_all_that_it_was_given() -> None:
    """The scope for client credentials is the resource with `.default`."""
    hop = pool("a@x.test").next_hop
    assert isinstance(hop, Microsoft365)

    assert hop.smtp_access.scope == "https://outlook.office365.com/.default"
    assert "s3cret" not in repr(hop)


def test_each_domain_is_a_hop_where_mail_goes_to_mx_hosts() -> None:
    """The route has no domain of its own; a lane follows from the recipient's."""
    table = RouteTable([route(next_hop=MxHosts())])

    hops = [table.choose("a.test", domain) for domain in ("one.example", "two.example")]

    assert [hop_key(hop.next_hop) for hop in hops if hop] == ["mx:one.example", "mx:two.example"]


def test_an_address_literal_is_refused_where_mail_goes_to_mx_hosts() -> None:
    """There is no domain to ask the DNS for."""
    chosen = RouteTable([route(next_hop=MxHosts())]).choose("a.test", "")

    assert chosen is not None
    assert isinstance(chosen.next_hop, Reject)
