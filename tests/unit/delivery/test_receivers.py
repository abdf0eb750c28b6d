"""What large receivers take, and how they ask for less: the table, and what comes of a row."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.mx_world import MxWorld, open_mx_world
from tests.support.outgoing import DEFERRED, DELIVERED, attempt, message, states
from tests.support.smtp_peer import Peer, Script

from pillarbox.delivery.courier import HopBusy
from pillarbox.delivery.mx_site import Site
from pillarbox.delivery.receivers import TABLE, Receiver, Receivers, SlowDown
from pillarbox.mail.reply import Reply
from pillarbox.route import LanePlan
from pillarbox.smtp.client_replies import ReplyParser, to_reply

ADDRESS = "127.0.0.11"
YAHOO = "mta5.am0.yahoodns.net"
SLOW = "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints"
WISHES = [(row, wish, text) for row in TABLE for wish in row.slow_down for text in wish.examples]


@pytest.fixture
async def world() -> AsyncIterator[MxWorld]:
    """Two domains at Yahoo."""
    async with open_mx_world() as made:
        made.mx("one.example", YAHOO)
        made.mx("two.example", YAHOO)
        yield made


def _of_server(text: str) -> Reply:
    """A reply as it comes from a server."""
    parser = ReplyParser()
    parser.feed(f"{text}\r\n".encode())
    raw = parser.next_reply()
    assert raw is not None
    return to_reply(raw)


def _site(world: MxWorld) -> Site:
    [site] = world.means.sites._sites.values()
    return site


def _counting(sessions: list[int], *refusals: str) -> Script:
    """A host that counts the messages of each session; its first messages are answered so."""
    left = list(refusals)

    async def script(peer: Peer) -> None:
        sessions.append(0)
        await peer.greet()
        while command := await peer.line():
            if command.startswith("MAIL") and left:
                peer.send(left.pop(0))
                return
            if command.startswith("DATA"):
                peer.send("354 go")
                await peer.content()
                sessions[-1] += 1
                peer.send("250 taken")
            else:
                peer.send("221 bye" if command == "QUIT" else "250 ok")

    return script


def test_each_row_has_a_source_and_names_hosts() -> None:
    """Nothing is shipped that is merely known from memory."""
    assert len(TABLE) >= 10
    for row in TABLE:
        assert row.name
        assert row.mx
        assert row.source
        assert all(wish.source and wish.examples and wish.minutes > 0 for wish in row.slow_down)


@pytest.mark.parametrize(("row", "wish", "text"), WISHES, ids=[text[:30] for *_, text in WISHES])
def test_a_reply_asks_its_sender_for_less(row: Receiver, wish: SlowDown, text: str) -> None:
    """By the row of this receiver; a plain deferral asks for nothing."""
    assert row.wish(_of_server(text)) is wish
    assert row.wish(_of_server("451 4.7.1 Greylisted, please try again")) is None
    assert row.wish(_of_server("450 4.2.1 The user receives mail at too high a rate")) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("gmail-smtp-in.l.google.com", "Google"),
        ("ASPMX.L.GOOGLE.COM.", "Google"),
        ("hotmail-com.olc.protection.outlook.com", "Microsoft (Outlook.com, Hotmail)"),
        ("example-org.mail.protection.outlook.com", "Microsoft 365"),
        ("example-org.a-v1.mx.microsoft", "Microsoft 365"),
        ("mx01.mail.icloud.com", "Apple (iCloud Mail)"),
        ("mx00.emig.gmx.net", "GMX, WEB.DE and mail.com"),
        ("mx0a-00000001.pphosted.com", "Proofpoint"),
        ("eu-smtp-inbound-1.mimecast.com", "Mimecast"),
        ("mx.google.com.evil.example", ""),
        ("notgoogle.com", ""),
    ],
)
def test_a_receiver_is_known_by_its_hosts(host: str, name: str) -> None:
    """By the end of their names, in any case; of others nothing is known."""
    assert Receivers().of(["mx.unknown.example", host]).name == name


def test_workers_share_what_a_receiver_takes() -> None:
    """None of them gets nothing."""
    shares = [
        Receivers(plan=LanePlan(n, 3)).of(["aspmx.l.google.com"]).connections for n in range(3)
    ]

    assert shares == [2, 2, 1]


async def test_a_row_bounds_the_messages_of_a_session(world: MxWorld) -> None:
    """Yahoo takes 20 in a session: the next one begins another."""
    sessions: list[int] = []
    await world.host(YAHOO, _counting(sessions), address=ADDRESS)
    courier = world.courier("one.example")

    for _ in range(21):
        assert states(await attempt(courier, message())) == {0: DELIVERED}

    assert sessions == [20, 1]


async def test_what_an_administrator_says_of_hosts_counts(world: MxWorld) -> None:
    """Limits in place of those of the table; a pace for all domains there together."""
    own = Receiver("", ("*.yahoodns.net",), messages_per_connection=2, messages_per_minute=2)
    world.settings = replace(world.settings, receivers=Receivers((own,)))
    sessions: list[int] = []
    await world.host(YAHOO, _counting(sessions), address=ADDRESS)

    await world.send("one.example")
    with pytest.raises(HopBusy) as busy:
        await world.send("two.example")

    wait = busy.value.until - asyncio.get_running_loop().time()
    assert 20 < wait <= 30
    assert _site(world).pace.receiver.messages_per_connection == 2
    assert _site(world).pace.receiver.slow_down


async def test_a_receiver_that_asks_for_less_gets_it_for_as_long_as_its_row_says(
    world: MxWorld,
) -> None:
    """One session and one message a minute, for all domains there; who looks reads why."""
    sessions: list[int] = []
    await world.host(YAHOO, _counting(sessions, SLOW, SLOW), address=ADDRESS)
    loop = asyncio.get_running_loop()

    # The first session was new: such a reply is no sign that it was idle for too long.
    assert states(await attempt(world.courier("one.example"), message())) == {0: DEFERRED}

    site = _site(world)
    assert 7100 < site.pace.slow_until - loop.time() < 7200.1
    with pytest.raises(HopBusy) as busy:
        await world.send("two.example")
    assert 50 < busy.value.until - loop.time() < 60.1
    state = site.state(2, lambda moment: round(moment))
    assert state.connections.allowed == 1
    assert "TSS04" in state.connections.lowered_by
    site.let_go()
    assert site.state(2, lambda moment: round(moment)).connections.allowed > 1
