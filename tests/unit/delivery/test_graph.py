"""The way out by Graph, against the emulator of Microsoft 365, by HTTPS."""

import asyncio
import base64
import ssl
from dataclasses import replace

import pytest
from tests.support.graphing import FROM, graph, letter
from tests.support.outgoing import (
    DEFERRED,
    DELIVERED,
    FAILED,
    PREFIX,
    attempt,
    states,
    stored,
)

from pillarbox.delivery.graph_answer import retry_after
from pillarbox.delivery.sender_check import check_sender
from pillarbox.emulate.faults import Action, Stage
from pillarbox.mail.envelope import TlsWish
from pillarbox.route import Microsoft365Way


async def test_a_message_arrives_and_the_connection_is_kept() -> None:
    """Every octet as it was sent; two messages in one connection."""
    content = f"{FROM}To: r0@far.test\r\n\r\n.\r\nIt is \u00e4mpty.\r\n"
    async with graph() as far:
        first = await far.send(content)
        was_open = far.courier.is_open
        second = await far.send(content)

        assert (states(first), states(second)) == ({0: DELIVERED}, {0: DELIVERED}), first
        assert was_open
        assert far.taken == [(("r0@far.test",), PREFIX + content.encode())] * 2
        assert first.outcomes[0].reply.text.startswith("202 Accepted")


@pytest.mark.parametrize(
    ("way", "says"),
    [
        (Microsoft365Way.GRAPH, "can not pass on REQUIRETLS"),
        (Microsoft365Way.GRAPH_OR_SMTP, "does not pass on REQUIRETLS"),
    ],
)
async def test_a_message_with_requiretls_does_not_go_by_graph(
    way: Microsoft365Way, says: str
) -> None:
    """Nothing there passes it on. By SMTP it would go, where Microsoft offered that. A bounce
    goes as it can (RFC 8689 section 5)."""
    async with graph(way) as far:
        made = letter(f"{FROM}\r\n")
        made.envelope = replace(made.envelope, tls_wish=TlsWish.REQUIRED)
        refused = await attempt(far.courier, made)
        made.envelope = replace(made.envelope, reverse_path=None)
        bounce = await attempt(far.courier, made)

        assert states(refused) == {0: FAILED}
        assert str(refused.outcomes[0].reply).startswith("550 5.7.30")
        assert says in str(refused.outcomes[0].reply)
        assert states(bounce) == {0: DELIVERED}


async def test_a_request_that_hangs_has_a_connection() -> None:
    """Else the lane would open no other one beside it, and one request would hold up all mail."""
    async with graph() as far, asyncio.timeout(60):
        far.order(Stage.REQUEST, action=Action.HANG)
        sending = asyncio.create_task(far.send(f"{FROM}\r\n"))
        while not far.emulator.world.faults.hits:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        assert far.courier.is_open
        sending.cancel()


async def test_content_of_the_store_arrives_whole() -> None:
    """In pieces, the end of the header in the middle of one."""
    pieces = (f"{FROM}To: r0@far.te".encode(), b"st\r\n\r", b"\nHello\r\n")
    async with graph() as far:
        made, source = stored(*pieces)
        result = await far.courier.attempt(made, made.recipients, source)

        assert states(result) == {0: DELIVERED}
        assert far.taken == [(("r0@far.test",), PREFIX + b"".join(pieces))]


async def test_recipients_of_the_envelope_get_it_and_do_not_show() -> None:
    """Those in no field go in as Bcc; those in a field do not get it twice; all share 202."""
    content = f"{FROM}To: Zero <r0@FAR.test>\r\n\r\nHi\r\n"
    async with graph() as far:
        result = await far.send(content, 3)

        assert states(result) == dict.fromkeys(range(3), DELIVERED)
        [(recipients, seen)] = far.taken
        assert sorted(recipients) == ["r0@far.test", "r1@far.test", "r2@far.test"]
        assert seen == PREFIX + content.encode()


OTHERS = f"{FROM}To: r0@far.test, else@far.test\r\n\r\nHi\r\n"
LARGE = f"{FROM}To: r0@far.test\r\n\r\n" + f"{'x' * 76}\r\n" * 39_000


@pytest.mark.parametrize(
    ("content", "words"),
    [(OTHERS, ["names else@far.test", "graph-or-smtp"]), (LARGE, ["3000000", "graph-or-smtp"])],
)
async def test_what_graph_can_not_take_fails_with_the_way_out(
    content: str, words: list[str]
) -> None:
    """It would mail others; or it takes no such size. Nothing is asked of it."""
    async with graph() as far:
        result = await far.send(content)

        assert states(result) == {0: FAILED}
        assert all(word in result.outcomes[0].reply.text for word in words)
        assert result.is_aside
        assert far.taken == []


@pytest.mark.parametrize("content", [OTHERS, LARGE])
async def test_what_graph_can_not_take_goes_by_smtp_where_the_route_has_it(content: str) -> None:
    """To the envelope and nobody else; all other mail goes by Graph."""
    async with graph(Microsoft365Way.GRAPH_OR_SMTP) as far:
        result = await far.send(content)
        usual = await far.send(f"{FROM}To: r0@far.test\r\n\r\nHi\r\n")

        assert (states(result), states(usual)) == ({0: DELIVERED}, {0: DELIVERED}), result
        assert far.ways == ["smtp", "graph"]
        assert far.taken[0][0] == ("r0@far.test",)


async def test_mail_servers_are_not_told_that_http_will_be_spoken() -> None:
    """Sign-in and Graph are (ALPN); a mail server may refuse who says so."""
    async with graph() as far:
        await far.send(f"{FROM}To: r0@far.test\r\n\r\nHi\r\n")
        context = far.settings.contexts.get(verify=True, ca_file=far.hop.ca_file)
        said = ssl.MemoryBIO()
        client = context.wrap_bio(ssl.MemoryBIO(), said, server_hostname="mail.example")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()

        hello = said.read()
        assert b"mail.example" in hello
        assert b"http/1.1" not in hello


async def test_smtp_that_is_down_does_not_stop_graph() -> None:
    """That mail waits; the next hop is as well as before."""
    async with graph(Microsoft365Way.GRAPH_OR_SMTP, {"mailbox_smtp_auth": "off"}) as far:
        result = await far.send(OTHERS)

        assert states(result) == {0: DEFERRED}
        assert result.hop_failure is None
        assert result.is_aside


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_obeyed(form: str) -> None:
    """In both forms: the lane hears how long; the message waits."""
    async with graph(switches={"retry_after": form}) as far:
        far.order(status=429, headers={"Retry-After": "7"})
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert states(result) == {0: DEFERRED}
        assert result.throttled
        assert 6 <= result.retry_after <= 8
        assert result.hop_failure is None


async def test_a_limit_that_holds_all_mail_names_when_it_ends() -> None:
    """The probes that look whether it is over wait as long: each counts against the limit."""
    async with graph() as far:
        body = '{"error": {"code": "ErrorExceededMessageLimit", "message": "No."}}'
        far.order(status=429, headers={"Retry-After": "1800"}, body=body)
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert result.reason is not None
        assert result.reason.explanation.id == "graph-daily-limit"
        assert result.retry_after == 1800


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Thu, 26 Nov 2026 10:02:00 GMT", 90.0),
        ("Thu, 26 Nov 2026 09:00:00 GMT", 0.0),
        ("99999999999", 86_400.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("", 0.0),
    ],
)
def test_the_date_is_told_from_the_clock_of_the_server(text: str, seconds: float) -> None:
    """A clock of ours that is wrong changes nothing."""
    headers = {"retry-after": text, "date": "Thu, 26 Nov 2026 10:00:30 GMT"}

    assert retry_after(headers) == seconds


async def test_a_refused_token_is_replaced_once() -> None:
    """It was revoked: the message goes with another one."""
    async with graph() as far:
        await far.send(f"{FROM}\r\nHi\r\n")
        far.now += 120
        far.order(Stage.REQUEST, status=401)
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert states(result) == {0: DELIVERED}, result
        assert result.transactions == 2


async def test_a_token_that_is_always_refused_stops_the_hop() -> None:
    """The mail waits, with the reason."""
    async with graph() as far:
        far.order(Stage.REQUEST, status=401, times=None)
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert states(result) == {0: DEFERRED}
        assert result.reason is not None
        assert result.reason.explanation.id == "graph-token"


@pytest.mark.parametrize(
    ("status", "code", "row"),
    [
        (403, "ErrorAccessDenied", "graph-access-denied"),
        (404, "MailboxNotEnabledForRESTAPI", "graph-no-mailbox"),
        (404, "ErrorInvalidUser", "graph-no-user"),
    ],
)
async def test_what_would_hit_all_mail_holds_it(status: int, code: str, row: str) -> None:
    """403 and 404: nothing bounces."""
    async with graph() as far:
        far.order(status=status, body=f'{{"error": {{"code": "{code}", "message": "No."}}}}')
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert states(result) == {0: DEFERRED}
        assert result.reason is not None, result
        assert result.reason.explanation.id == row
        assert result.reason.session_stands


async def test_a_sender_that_is_denied_fails_alone() -> None:
    """403 ErrorSendAsDenied is about this message; the hop is well."""
    async with graph() as far:
        result = await far.send("From: someone@else.example\r\n\r\nHi\r\n")

        assert states(result) == {0: FAILED}
        assert "ErrorSendAsDenied" in result.outcomes[0].reply.text
        assert result.hop_failure is None


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 418])
async def test_what_passes_or_nobody_knows_is_tried_again(status: int) -> None:
    """Never a bounce."""
    async with graph() as far:
        far.order(status=status)
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert states(result) == {0: DEFERRED}
        assert result.hop_failure is None
        assert far.taken == []


async def test_only_202_is_a_success() -> None:
    """200 was seen with no mail behind it."""
    async with graph(switches={"graph_success": "200"}) as far:
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert states(result) == {0: DEFERRED}


async def test_mime_that_is_refused_fails_with_the_reason() -> None:
    """400 is about the message."""
    body = '{"error": {"code": "ErrorMimeContentInvalidBase64String", "message": "Bad."}}'
    async with graph() as far:
        far.order(status=400, body=body)
        result = await far.send(f"{FROM}\r\nHi\r\n")

        assert states(result) == {0: FAILED}
        assert "400 ErrorMimeContentInvalidBase64String: Bad." in result.outcomes[0].reply.text


async def test_a_cut_after_202_was_decided_may_copy_and_does_not_lose() -> None:
    """Nobody knows: it is tried again, in another connection."""
    async with graph() as far:
        far.order(Stage.TAKEN, action=Action.CUT)
        first = await far.send(f"{FROM}\r\nHi\r\n")
        second = await far.send(f"{FROM}\r\nHi\r\n")

        assert (states(first), states(second)) == ({0: DEFERRED}, {0: DELIVERED})
        assert "its confirmation never came" in first.outcomes[0].reply.text
        assert len(far.taken) == 2


async def test_a_server_that_is_not_there_is_a_failure_of_the_hop() -> None:
    """Nothing was sent; other mail waits as well."""
    async with graph() as far:
        await far.send(f"{FROM}\r\nHi\r\n")
        await far.emulator.stop()
        results = [await far.send(f"{FROM}\r\nHi\r\n") for _ in range(2)]

        assert [states(result) for result in results] == [{0: DEFERRED}] * 2
        assert results[-1].hop_failure is not None
        assert "refused the connection" in results[-1].hop_failure.text


async def test_a_courier_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without an answer ends in time, while the loop goes on."""
    monkeypatch.setattr("pillarbox.delivery.graph_requests.REQUEST_SECONDS", 1.0)
    async with graph() as far:
        far.order(action=Action.HANG)
        task = asyncio.create_task(far.send(f"{FROM}\r\nHi\r\n"))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.01)
            turns += 1

        assert states(task.result()) == {0: DEFERRED}
        assert "in time" in task.result().outcomes[0].reply.text
        assert turns > 10


async def test_check_looks_at_the_token_and_sends_nothing() -> None:
    """Token, audience, permission; no request of Graph."""
    async with graph() as far:
        steps = await check_sender(far.hop, far.settings)

        texts = [step.text for step in steps]
        assert [step.name for step in steps] == ["Token", "Token content", "Token content"]
        assert all(step.is_ok for step in steps)
        assert "The audience is graph.microsoft.com" in texts
        assert "Mail.Send" in texts[-1]
        assert far.requests == 0


def test_the_limit_of_a_message_fits_into_a_request() -> None:
    """4 MB, however they are counted."""
    assert len(base64.b64encode(bytes(3_000_000))) <= 4_000_000
