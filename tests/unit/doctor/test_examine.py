"""What the doctor does and tells beside the id of a finding, which the gallery shows
(pillarbox.doctor, pillarbox.diagnosis)."""

import asyncio
import errno
import json
from base64 import b64encode

from tests.gallery.certificates import HOST, trust
from tests.gallery.exhibits import LOGIN, SENDING, Ask, Exhibit
from tests.gallery.rooms import M365, M365_SERVER
from tests.gallery.server import PASSWORD, USER, Server, serving
from tests.gallery.visit import visit

from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.findings import findings, working_doors
from pillarbox.diagnosis.report import as_json, render, verdict
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Tools, examine


def ids(facts: Facts) -> list[str]:
    """The findings by their ids, in their order."""
    return [finding.id for finding in findings(facts)]


def ports(facts: Facts) -> list[int]:
    """The ports that work."""
    return [door.port for door in working_doors(facts)]


async def test_healthy_server_has_no_findings() -> None:
    """No false alarm; the settings that work stand at the end, TLS from the first octet first."""
    relay = Server(offers_tls="SIZE 50000000")
    doors = {25: relay, 465: Server(implicit=True), 587: Server()}

    facts = await visit(Exhibit("", "", doors))

    assert ids(facts) == []
    assert ports(facts) == [465, 25, 587]
    assert verdict(facts).startswith("OK ")
    assert "Settings that work" in render(facts)
    assert "FAIL" not in render(facts)


async def test_wrong_way_for_a_port_names_the_right_one() -> None:
    """The most frequent mistake of all: both ways are tried, so the right one is known."""
    tls = await visit(Exhibit("", "", {587: Server()}, f"smtps://{HOST}:587"))
    clear = await visit(Exhibit("", "", {465: Server(implicit=True)}, f"submission://{HOST}:465"))

    assert "STARTTLS" in findings(tls)[0].fix
    assert "SSL/TLS" in findings(clear)[0].fix
    assert (ports(tls), ports(clear)) == ([587], [465])


async def test_microsoft_on_port_465_is_explained() -> None:
    """Not "time-out", but that the port was never served."""
    facts = await visit(Exhibit("", "", {587: M365_SERVER}, f"{M365}:465"))

    assert ids(facts) == ["PORT-NOT-SERVED", "AUTH-NO-PLAIN"]
    assert findings(facts)[0].fix == "use port 587 with STARTTLS"


async def test_reply_that_is_known_is_explained() -> None:
    """The words of the server octet by octet, and what is behind them."""
    said = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using Spamhaus"

    first = findings(await visit(Exhibit("", "", {587: Server(banner=said)})))[0]

    assert (first.id, first.evidence) == ("BANNER-REFUSED", f"{said}\\r\\n")
    assert "block list" in first.cause


async def test_address_that_fails_is_named() -> None:
    """Clients meet it by chance; each address is looked at."""
    facts = await visit(Exhibit("", "", {587: Server()}, dead=("11.0.0.99",)))

    assert findings(facts)[0].where == "port 587 at 11.0.0.99"
    assert verdict(facts).startswith("WARN ")


async def test_address_that_this_machine_can_not_reach_is_no_alarm() -> None:
    """A machine without IPv6 says nothing about the server's IPv6."""
    async with serving(Server()) as at:

        async def lookup(_: str) -> list[str]:
            return ["11.0.0.1", "2001:db8::25"]

        async def connect(
            address: str, port: int
        ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if ":" in address:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            if port != 587:
                raise ConnectionRefusedError
            return await asyncio.open_connection("127.0.0.1", at)

        facts = await examine(read_target(HOST), Tools(trust(), connect, lookup))

    assert verdict(facts).startswith("OK ")
    assert ids(facts) == ["TCP-UNREACHABLE"]


async def test_json_says_what_the_text_says() -> None:
    """With its version, the stages and their times."""
    told = as_json(await visit(Exhibit("", "", {587: M365_SERVER}, f"{M365}:587")))

    assert isinstance(told, dict)
    assert told["version"] == 1
    assert told["ok"] is True
    assert told["working"] == [{"port": 587, "encryption": "starttls"}]
    [attempt] = [a for a in told["attempts"] if a["works"]]
    assert [step["stage"] for step in attempt["steps"]] == [
        *("tcp", "banner", "ehlo", "starttls", "tls", "auth"),
    ]
    assert attempt["mechanisms"] == ["LOGIN", "XOAUTH2"]


async def test_one_login_is_tried_and_nothing_sent() -> None:
    """An account is not to be locked: one AUTH over all ports, addresses and ways. Senders are
    offered and taken back."""
    server, implicit = Server(), Server(implicit=True)

    await visit(Exhibit("", "", {587: server, 465: implicit}, ask=SENDING))

    heard = server.heard + implicit.heard
    assert [line.partition(" ")[0] for line in heard].count("AUTH") == 1
    assert "DATA" not in heard
    assert f"MAIL FROM:<{USER}>" in heard
    mails = [line for line in heard if line.startswith("MAIL")]
    assert heard.count("RSET") >= len(mails) - 2


async def test_message_is_sent_when_it_is_asked_for() -> None:
    """With --send, once."""
    server = Server()
    ask = Ask(USER, PASSWORD, sender=USER, recipient="x@corp.com", send=True)

    facts = await visit(Exhibit("", "", {587: server}, ask=ask))

    assert server.heard.count("DATA") == 1
    assert "MESSAGE-SENT" in ids(facts)


async def test_secrets_that_a_server_repeats_are_masked() -> None:
    """In the evidence of a refused login, in text and JSON."""
    blob = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    server = Server(says={"AUTH": f"535 5.7.8 wrong: {PASSWORD} in {blob}"})

    facts = await visit(Exhibit("", "", {587: server}, f"{HOST}:587", LOGIN))

    told = render(facts) + json.dumps(as_json(facts))
    assert "LOGIN-REFUSED" in told
    assert "535 5.7.8 wrong: ********" in told
    assert PASSWORD not in told
    assert blob[-12:] not in told


async def test_relay_on_this_machine_is_no_alarm() -> None:
    """Who trusts its own network takes its mail without a login, and is meant to."""
    async with serving(Server(relays=True)) as port:
        facts = await examine(read_target(f"localhost:{port}"), Tools(trust()))

    assert "RELAY-NEAR" in ids(facts)
    assert verdict(facts).startswith("OK ")
