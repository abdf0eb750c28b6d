"""What Microsoft allows a mailbox of Microsoft 365. Pure."""

from pillarbox.oauth.clouds import CLOUDS, Cloud
from pillarbox.route import (
    DAY_SECONDS,
    MINUTE_SECONDS,
    Counted,
    HopCaps,
    Microsoft365Way,
    Window,
)

GRAPH_WINDOWS = (
    Window(Counted.OCTETS, 110_000_000, 300),
    Window(Counted.REQUESTS, 10_000, 600),
)
"""What Graph takes of one application for one mailbox: 10,000 requests in ten minutes, and 150 MB
in five, which are base64: somewhat less than three quarters of that in mail."""


def microsoft365_caps(cloud: Cloud, way: Microsoft365Way = Microsoft365Way.SMTP) -> HopCaps:
    """What a mailbox is given unless an administrator says otherwise. Microsoft allows three
    connections by SMTP, four requests at once by Graph, and by both ways 30 messages a minute and
    10,000 recipients in 24 hours; one connection by SMTP is left to other programs."""
    connections = 2 if way.has_smtp else 4
    if not CLOUDS[cloud].has_message_limits:
        return HopCaps(connections=connections)
    windows = (
        Window(Counted.MESSAGES, 30, MINUTE_SECONDS),
        *(GRAPH_WINDOWS if way.is_graph else ()),
        Window(Counted.RECIPIENTS, 10_000, DAY_SECONDS),
    )
    return HopCaps(connections=connections, windows=windows)
