"""The emulator's HTTP, seen by clients that are odd, and the emulator in the background."""

import asyncio
import json

import pytest
from tests.e2e.programs import program, run
from tests.support.emulated import MESSAGE, RECIPIENT, emulating, emulator_in_background

from pillarbox.client import connect
from pillarbox.emulate.config import SAMPLE_MAILBOX, SAMPLE_PASSWORD, EmulatorConfig, Limits
from pillarbox.emulate.messages import Arrival, Messages


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x00\x01\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"PUT /switches HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n[", b"400"),
        (b"GET /messages?after=x HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
)
async def test_odd_requests_get_an_answer(octets: bytes, status: bytes) -> None:
    """And the next client is served."""
    async with emulating() as emulator:
        port = int(emulator.control_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(octets)
        line = await reader.readline()
        writer.close()
        _, other = await asyncio.open_connection("127.0.0.1", port)
        other.close()

    assert line.split()[1] == status


async def test_requests_may_be_pipelined() -> None:
    """Answers come in order, over one connection."""
    request = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"

    async with emulating() as emulator:
        port = int(emulator.control_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request % b"faults" + request % b"messages" + request % b"nothing")
        statuses = []
        for _ in range(3):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(size)
            statuses.append(head.split()[1])
        writer.close()

    assert statuses == [b"200", b"200", b"404"]


async def test_a_client_that_waits_is_told_to_go_on() -> None:
    """100 before the body."""
    head = b"PUT /switches HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"

    async with emulating() as emulator:
        port = int(emulator.control_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{}")
        second = await reader.readline()
        writer.close()

    assert first.split()[1] == b"100"
    assert second.split()[1] == b"200"


def test_curl_gets_its_answer_for_a_large_body() -> None:
    """Which it begins to send when it is told to."""
    with emulator_in_background() as emulator:
        argv = [program("curl", "curl"), "-s", "--cacert", str(emulator.ca_file)]
        argv += ["-w", "%{http_code}", "-H", "Authorization: Bearer x", "--data-binary", "@-"]
        argv += ["-H", "Expect: 100-continue", f"{emulator.graph_url}/v1.0/me/sendMail"]
        done = run(argv, stdin=b"x" * 5_000_000)

    assert done.stdout.endswith(b"401")
    assert json.loads(done.stdout[:-3])["error"]["code"] == "InvalidAuthenticationToken"


def test_the_library_sends_to_it() -> None:
    """Pillarbox's own client logs in with LOGIN, since PLAIN is not offered."""
    with (
        emulator_in_background() as emulator,
        connect(
            f"submission://localhost:{emulator.smtp_port}",
            auth=(SAMPLE_MAILBOX, SAMPLE_PASSWORD),
            ca_file=str(emulator.ca_file),
        ) as client,
    ):
        client.send(MESSAGE, sender=SAMPLE_MAILBOX, recipients=[RECIPIENT])

    (message,) = emulator.world.messages.all()
    assert message.arrival.mechanism == "LOGIN"


def test_a_port_that_is_taken_is_told() -> None:
    """And what had started before is stopped."""
    with emulator_in_background() as emulator:
        ports = {"control": int(emulator.control_url.rpartition(":")[2])}
        config = EmulatorConfig.model_validate({"ports": ports})
        with pytest.raises(OSError, match="in use"), emulator_in_background(config):
            pass


def test_old_messages_make_room() -> None:
    """By number and by octets; ids go on."""
    limits = Limits(kept_messages=3, kept_octets=100)
    messages = Messages(limits.kept_messages, limits.kept_octets)

    for size in (10, 10, 10, 10, 80):
        arrival = Arrival("smtp", "a@b.example", "a", "LOGIN", "", (), b"x" * size)
        messages.take(arrival, shown_from="", accepted_at=0)

    assert [message.id for message in messages.all()] == [3, 4, 5]
    messages.take(arrival, shown_from="", accepted_at=0)
    assert [message.id for message in messages.all()] == [6]
