"""Defects of other bridges on the way to Microsoft 365, one test for each, by their numbers in the
list of docs/microsoft365.md."""

from typing import Any

import dkim
import pytest
from tests.e2e.letters import SENDER
from tests.e2e.microsoft365.bridge import (
    ALIAS,
    GRAPH,
    OUTAGE,
    SECOND,
    SECONDS,
    SMTP,
    Bridge,
    add_route,
    arrived,
    command,
    emulator_config,
    letter,
    named,
    send_by,
)
from tests.e2e.waiting import wait_until
from tests.support.emulated import emulator_in_background

from pillarbox.emulate.config import Limits
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Action, Fault, Service, Stage

BY_EACH_WAY = pytest.mark.parametrize("domain", [GRAPH, SMTP])


def _hang(emulator: Emulator, service: Service) -> None:
    """Never answer again."""
    fault = Fault(service=service, stage=Stage.REQUEST, action=Action.HANG, times=None)
    emulator.world.faults.order(fault)


def test_defect_1_hung_upstream_delays_no_banner(bridge: Bridge) -> None:
    """A sign-in and a Graph that never answer: others are greeted, log in and send."""
    with (
        emulator_in_background(emulator_config()) as sign_in,
        emulator_in_background(emulator_config()) as graph,
    ):
        _hang(sign_in, "login")
        _hang(graph, "graph")
        for number, emulator in enumerate((sign_in, graph)):
            add_route(bridge.service, emulator, f"hung{number}.example", "--way", "graph")
            bridge.send(letter("Hung"), f"bob@hung{number}.example")
        hung = (sign_in.world.faults, graph.world.faults)
        wait_until(lambda: all(faults.hits for faults in hung), SECONDS, "both to hang")

        for number in range(20):
            bridge.send(letter(f"Other {number}."), f"bob@{GRAPH}")
        bridge.wait_for(b"Subject: Other", 20)

        assert not arrived(sign_in, b"Hung")
        assert not arrived(graph, b"Hung")


def test_defect_2_trouble_after_the_250_is_not_the_clients(bridge: Bridge) -> None:
    """Throttled, out of order, no token: the client reads 250, no report comes, all arrives."""
    reports = len(bridge.reports)
    retry = {"Retry-After": "1"}
    for status, headers in ((429, retry), (503, retry), (504, {}), (500, {}), (408, {})):
        bridge.order(service="graph", stage="request", status=status, headers=headers)
    bridge.order(stage="content", reply="451 4.7.0 Temporary server error. Please try again later")

    for number in range(5):
        bridge.send(letter(f"Trouble {number}."), f"bob@{GRAPH}")
    bridge.send(letter("Trouble 5."), f"bob@{SMTP}")
    bridge.wait_for(b"Subject: Trouble", 6)
    bridge.order(service="login", stage="request", status=503, times=None)
    bridge.send(letter("Trouble 6."), f"bob@{OUTAGE}")
    [entry] = wait_until(lambda: bridge.tried(OUTAGE), SECONDS, "a sign-in that fails")
    hits = bridge.hits
    bridge.emulator.world.faults.clear()
    # A changed sign-in is tried at once.
    command(bridge.service, "route", "change", bridge.outage, "--client-secret-ends", "2098-01-01")

    bridge.wait_for(b"Subject: Trouble", 7)
    assert hits >= 7
    assert entry["state"] == "deferred"
    assert len(bridge.reports) == reports


def test_defect_3_bcc_is_found_by_addresses(bridge: Bridge) -> None:
    """Names, comments and cases of the header do not make a recipient missing: each is named once,
    the envelope decides, and nobody sees the hidden ones."""
    far = GRAPH.upper()
    to = f'"Ann, <x@y.example>" <Ann@{far}>, =?utf-8?q?J=C3=B6rg?= <joerg@{GRAPH}>'
    more = f"Cc: Carol\r\n <carol@{GRAPH}>\r\nBcc: Eve <eve@{GRAPH}>\r\n"
    names = ("ann", "joerg", "carol", "eve", "hidden")

    bridge.send(letter("By address", to, more=more), *(f"{name}@{GRAPH}" for name in names))

    [message] = bridge.wait_for(b"By address")
    assert named(message.arrival.raw) == {f"{name}@{GRAPH}": 1 for name in names}
    assert named(message.seen) == {f"{name}@{GRAPH}": 1 for name in names[:3]}
    assert b"eve@" not in message.seen
    assert b"hidden@" not in message.seen


@BY_EACH_WAY
def test_defect_4_alias_is_refused_with_the_fix(bridge: Bridge, domain: str) -> None:
    """A From that the mailbox may not use is no riddle of the next hop: the client reads at once
    what to set."""
    content = letter("Alias").replace(SENDER.encode(), ALIAS.encode())
    with bridge.client() as client:
        client.mail(SENDER)
        client.rcpt(f"bob@{domain}")
        code, said = client.data(content)

    assert code == 550
    assert f"set From and sender to {SENDER}".encode() in said
    assert not bridge.arrived(b"Alias")


def test_defect_4_quoted_printable_stays_and_its_signature_holds(bridge: Bridge) -> None:
    """Nothing is coded anew, so what was signed at intake verifies behind Graph."""
    more = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    body = "Gr=C3=BC=C3=9Fe =\r\nund mehr =3D \r\n=2E\r\n. ein Punkt"

    bridge.send(letter("Coded", f"bob@{GRAPH}", body, more), f"bob@{GRAPH}", f"hidden@{GRAPH}")

    [message] = bridge.wait_for(b"Coded")
    assert message.seen.endswith(f"\r\n\r\n{body}\r\n".encode())
    assert dkim.verify(message.seen, dnsfunc=bridge.dns_txt)
    assert dkim.verify(message.arrival.raw, dnsfunc=bridge.dns_txt)


@BY_EACH_WAY
@pytest.mark.parametrize("to", ["", "undisclosed-recipients:;"])
def test_defect_6_bcc_only_message_goes_by_each_way(bridge: Bridge, domain: str, to: str) -> None:
    """Nobody stands in the header; all of the envelope get it, and do not see each other."""
    recipients = tuple(f"{name}@{domain}" for name in ("ann", "bob"))

    bridge.send(letter("Hidden", to), *recipients)

    [message] = bridge.wait_for(b"Hidden")
    assert message.arrival.recipients == recipients
    assert domain.encode() not in message.seen.partition(b"\r\n\r\n")[0].partition(b"From:")[2]


@BY_EACH_WAY
def test_defect_10_text_and_html_are_not_put_together_anew(bridge: Bridge, domain: str) -> None:
    """Both bodies arrive as they were sent, in order, boundary and preamble included."""
    more = 'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b 1"\r\n'
    body = (
        "A preamble that nobody shows\r\n"
        "--b 1\r\nContent-Type: text/plain\r\n\r\nThe text\r\n"
        '--b 1\r\nContent-Type: text/html; charset="utf-8"\r\n\r\n<p>The  HTML</p>\r\n--b 1--'
    )
    content = letter("Both", f"bob@{domain}", body, more)

    bridge.send(content, f"bob@{domain}")

    [message] = bridge.wait_for(b"The text")
    assert message.seen.endswith(content)


def test_defect_12_one_bad_recipient_fails_alone(bridge: Bridge) -> None:
    """The others get the message, and the next one too: nobody is suppressed beside him."""
    refusal = (
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"
    )
    bridge.order(stage="rcpt", reply=refusal, skip=1)
    people = tuple(f"{name}@{SMTP}" for name in ("ann", "bad", "carol"))
    reports = len(bridge.reports)

    queue_id = bridge.send(letter("Three"), *people)
    [first] = bridge.wait_for(b"Three")
    bridge.send(letter("Again"), *people)
    [second] = bridge.wait_for(b"Again")
    wait_until(lambda: len(bridge.reports) > reports, SECONDS, "the report")

    [trace] = command(bridge.service, "trace", queue_id)
    states = {entry["recipient"]: entry["state"] for entry in trace["recipients"]}
    assert first.arrival.recipients == (people[0], people[2])
    assert second.arrival.recipients == people
    assert states == {people[0]: "delivered", people[1]: "failed", people[2]: "delivered"}
    assert len(bridge.reports) == reports + 1


def test_defect_13_graph_is_given_what_it_takes_and_only_202_counts(bridge: Bridge) -> None:
    """Four requests at once and so many in a time, for each mailbox by itself; a 200 is no
    success."""
    limits = Limits(messages=1000, graph_requests=4, graph_requests_seconds=1, graph_seconds=0.1)
    pool = ("--microsoft365", f"{SENDER},{SECOND}", "--may-send-as", ALIAS)
    window = ("--window", "4 messages in 1 s", "--per-minute", "none")
    content = letter("Limited").replace(SENDER.encode(), ALIAS.encode())
    with emulator_in_background(emulator_config(limits)) as emulator:
        add_route(bridge.service, emulator, "limited.example", "--way", "graph", *pool, *window)
        emulator.world.switches.change({"graph_success": "200"})
        with bridge.client() as client:
            first = send_by(client, content, "bob@limited.example", sender=ALIAS)
            [tried] = wait_until(lambda: bridge.attempts(first), SECONDS, "an attempt")
            emulator.world.switches.reset()
            for _ in range(11):
                send_by(client, content, "bob@limited.example", sender=ALIAS)
        wait_until(lambda: len(arrived(emulator, b"Limited")) >= 12, SECONDS, "all messages")
        statistics = emulator.world.statistics

    assert len(arrived(emulator, b"Limited")) == 12
    assert tried["states"] == "deferred:1"
    assert {*statistics} == {SENDER, SECOND}
    assert [each.throttled for each in statistics.values()] == [0, 0]
    assert all(each.most_parallel_requests <= 4 for each in statistics.values())


def _full(bridge: Bridge, route: str) -> list[dict[str, Any]]:
    """The windows of a route once the first is full."""
    windows: list[dict[str, Any]] = command(bridge.service, "route", "show", route)["windows"]
    return windows if windows[0]["used"] == windows[0]["amount"] else []


def test_defect_14_limits_of_smtp_are_kept_by_default(bridge: Bridge) -> None:
    """Two connections and 30 messages a minute for a mailbox; the rest waits, and no client hears
    of it, nor of a 432."""
    with emulator_in_background(emulator_config(Limits())) as emulator:
        statistics = emulator.world.statistics[SENDER]
        route = add_route(bridge.service, emulator, "minute.example")
        with bridge.client() as client:
            for number in range(33):
                send_by(client, letter(f"Minute {number}."), "bob@minute.example")
        wait_until(lambda: len(arrived(emulator, b"Minute")) >= 30, SECONDS, "30 messages")
        # The owner of a lane notes every few seconds how full its windows are.
        minute, day = wait_until(lambda: _full(bridge, route), SECONDS, "a full window")
        before = (statistics.accepted, statistics.delayed)

        emulator.forget()
        reply = "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"
        emulator.world.faults.order(Fault(stage=Stage.CONTENT, reply=reply))
        command(bridge.service, "route", "change", route, "--per-minute", "none")
        wait_until(lambda: len(arrived(emulator, b"Minute")) >= 3, SECONDS, "the others")

    assert before == (30, 0)
    assert statistics.most_connections <= 2
    assert (minute["amount"], bool(minute["next_at"])) == (30, True)
    assert (day["counted"], day["amount"]) == ("recipients", 10_000)
    assert emulator.world.faults.hits == 1
