"""Each reply of the table, given by a real server at its stage: what becomes of the mail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.outgoing import DEFERRED, DELIVERED, FAILED, attempt, message, states
from tests.support.smtp_peer import Peer, Script, serve

from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.explain.remedies import Stage
from pillarbox.explain.replies import explain_text
from pillarbox.explain.reply_table import TABLE, Row
from pillarbox.net.tls import ClientContexts
from pillarbox.route import SmartHost, TlsMode

IN_SESSION = {Stage.MAIL, Stage.RCPT, Stage.CONTENT}
CASES = [(row, text) for row in TABLE.rows.values() if row.stage for text in row.examples]
BY_STAGE = {"rfc-550-mail", "rfc-550-rcpt", "rfc-554"}
"""The words alone, without the stage, mean another row."""

cases = pytest.mark.parametrize(
    ("row", "text"), CASES, ids=[f"{row.id}: {text[:30]}" for row, text in CASES]
)


@asynccontextmanager
async def _courier(script: Script, username: str = "") -> AsyncIterator[SmtpCourier]:
    async with serve(script) as server:
        port, tls = server.port, TlsMode.NONE
        hop = SmartHost("localhost", port, tls, username=username, password="pw")
        settings = SessionSettings("me.test", ClientContexts(), Timeouts(quit=0.2))
        courier = SmtpCourier(hop, settings)
        yield courier
        await courier.close()


def _refusing(stage: Stage, text: str) -> Script:
    """A server that is in order up to this stage."""

    async def script(peer: Peer) -> None:
        if stage is Stage.GREETING:
            peer.send(text)
            return
        peer.send("220 peer.test ESMTP")
        if stage is Stage.EHLO:
            await peer.expect("EHLO ")
            peer.send(text)
            return
        await peer.hello("AUTH PLAIN")
        await peer.expect("AUTH PLAIN ")
        peer.send(text if stage is Stage.AUTH else "235 2.7.0 ok")
        while command := await peer.line():
            verb = command[:4]
            if verb == "DATA":
                peer.send("354 go")
                await peer.content()
                peer.send(text)
            elif verb == stage.value.upper():
                peer.send(text)
            else:
                peer.send("250 ok")

    return script


async def _meet(stage: Stage, text: str) -> AttemptResult:
    async with _courier(_refusing(stage, text), "app") as courier:
        return await attempt(courier, message())


@cases
async def test_every_reply_leads_to_what_its_row_says(row: Row, text: str) -> None:
    """What concerns all mail stops the hop and bounces nothing; what passes is tried again,
    whatever its code; the rest is told to the sender."""
    assert row.stage is not None
    result = await _meet(row.stage, text)

    (outcome,) = result.outcomes
    suspends = row.scope == "hop" and row.remedy != "retry"
    if suspends or row.stage not in IN_SESSION:
        assert outcome.state is DEFERRED
        assert result.hop_failure is not None
        assert result.reason is not None
        assert result.reason.explanation.id == row.id
        assert result.reason.explanation.suspends is suspends
        return
    assert result.hop_failure is None
    passes = text.startswith("4") or row.remedy in {"retry", "wait-until"}
    assert outcome.state is (DEFERRED if passes else FAILED)
    found = explain_text(str(outcome.reply))
    assert found is not None
    assert found.id == row.id or row.id in BY_STAGE


@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.64 TenantAttribution; Relay Access Denied",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
        "550 5.1.1 Nobody of this name lives here",
    ],
)
async def test_a_reply_about_one_recipient_concerns_that_one_alone(text: str) -> None:
    """However it sounds: the server took another recipient of the same message."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.expect("MAIL FROM")
        peer.send("250 ok")
        await peer.expect("RCPT TO:<r0@")
        peer.send(text)
        await peer.take_message()
        await peer.until_closed()

    async with _courier(script) as courier:
        result = await attempt(courier, message(recipients=2))
        assert courier.is_open

    assert states(result) == {0: FAILED, 1: DELIVERED}
    assert (result.hop_failure, result.reason) == (None, None)


async def test_a_refusal_of_all_mail_names_the_reply_and_keeps_the_session() -> None:
    """What stands in queue and trace is ours, with the words of the next hop in it."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.expect("MAIL FROM")
        peer.send("550 5.1.8 Access denied, bad outbound sender")
        await peer.until_closed()

    async with _courier(script) as courier:
        result = await attempt(courier, message(recipients=3))
        assert courier.is_open

    assert set(states(result).values()) == {DEFERRED}
    assert result.reason is not None
    assert result.reason.session_stands
    assert result.was_seen
    assert result.reason.said == "550 5.1.8 Access denied, bad outbound sender"
    assert result.reason.said in str(result.outcomes[0].reply)
    assert {outcome.remote_host for outcome in result.outcomes} == {""}
