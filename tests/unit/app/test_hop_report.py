"""app.hop_report: what a worker tells of its next hops fits into one message of its line."""

from dataclasses import replace

import orjson

from pillarbox.delivery.hop_state import PAGE, REPLY_LENGTH, ConnectionsState, LaneState
from pillarbox.delivery.mx_site import Site, Unopened
from pillarbox.delivery.mx_site_tools import SiteName, SiteTools
from pillarbox.delivery.receivers import ANY
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.hop_caps import HopCaps
from pillarbox.mail.reply import Reply

LINE_OCTETS = 2 * 212_992
"""What Linux lets a socket have, unless net.core.wmem_max says otherwise."""

LONG = Reply(421, "4.7.0", ("too much " * 50,) * 50)


def test_a_page_with_long_replies_fits() -> None:
    """A larger one would be lost, and the worker be taken for one that does not answer."""
    tools = SiteTools(monotonic=lambda: 1.0, rand=lambda: 0.5, idle_seconds=1, idle_sessions=1)
    hosts = tuple(f"mx{number}.mail-host-number-{number}.example" for number in range(20))
    site = Site(SiteName(hosts), HopCaps(), tools, ANY)
    site.concurrency.refuse_more_than(1, reason=str(LONG))
    site.trouble = Unopened(Failure(FailureKind.CONNECTION_REFUSED, said=LONG), hosts[0])
    for host in hosts[:19] * 2:
        site.spares.refused(host, "192.0.2.1", str(LONG))
    state = site.state(1, lambda _: 1_790_000_000_000)
    reply = str(LONG)[:REPLY_LENGTH]
    connections = replace(ConnectionsState(1, 2, 10, reply), paused_until=1_790_000_000_000)
    lane = LaneState(
        "mx:" + "x" * 60, 9, connections, 1, reply, hosts[0], "TLSv1.3", " ".join(hosts)
    )

    for each in (state, lane):
        assert len(orjson.dumps([each] * PAGE)) < LINE_OCTETS
