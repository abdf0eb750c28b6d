"""From complete content to a durable message, against the real store."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.reception import MESSAGE, USER, Site

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Envelope, Recipient, TlsWish
from pillarbox.mail.identifier import format_id, parse_id
from pillarbox.mail.spooled import INLINE_OCTETS
from pillarbox.policy.denial import Denial
from pillarbox.reception.content import IncomingContent
from pillarbox.reception.intake import Accepted, Answer, Submitted, in_trouble, unavailable
from pillarbox.route import CAPTURE_ROUTE, Capture, Route, SmartHost, TlsMode, hop_key, lane_id

HOP = SmartHost("smtp.far.test", 25, TlsMode.NONE)


async def _submitted(site: Site, content: bytes = MESSAGE) -> Submitted:
    record = await site.directory.login(USER)
    assert record is not None
    services = site.services
    incoming = IncomingContent(
        services.ids.next_id(services.clock.timestamp()),
        site.spool,
        budget=services.budget,
        head_limit=services.limits.header_octets,
        spawn=asyncio.ensure_future,
    )
    incoming.take(content)
    incoming.finish()
    recipients = [Recipient(0, parse_mailbox("a@b.test")), Recipient(1, parse_mailbox("c@d.test"))]
    return Submitted(
        account=replace(record.account, credential_id=5),
        session_id=99,
        envelope=Envelope(parse_mailbox(USER)),
        recipients=recipients,
        routes=[Route(1, "", "", HOP), CAPTURE_ROUTE],
        received_start="Received: from here\r\n\tby mx.test with ESMTP id ",
        content=incoming,
    )


async def _submit(site: Site, submitted: Submitted) -> Answer:
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    site.services.intake.submit(submitted, answered.set_result)
    return await answered


async def test_message_is_complete(site: Site) -> None:
    """Everything that is known of it, and who has to know is told."""
    submitted = await _submitted(site)

    answer = await _submit(site, submitted)

    assert isinstance(answer, Accepted)
    message = answer.message
    assert site.accepted == [message]
    assert message.account_id == submitted.account.account_id
    assert (message.credential_id, message.session_id) == (5, 99)
    assert message.size_octets == len(message.prefix) + len(MESSAGE)
    assert [one.lane_id for one in message.recipients] == [
        lane_id(hop_key(HOP)),
        lane_id(hop_key(Capture())),
    ]
    assert all(one.next_attempt_at == message.received_at for one in message.recipients)
    assert message.header_id == f"<{format_id(message.queue_id)}@mx.test>"


async def test_reply_names_the_queue_id(site: Site) -> None:
    """The id in the 250 is the one in the store and in the Received field."""
    answer = await _submit(site, await _submitted(site))

    assert isinstance(answer, Accepted)
    text = answer.reply().text.removeprefix("Queued as ")
    assert parse_id(text) == answer.message.queue_id
    assert f" id {text};".encode() in answer.message.prefix


async def test_250_comes_after_the_commit(site: Site, monkeypatch: Any) -> None:
    """As long as the store has not answered, nobody is told anything."""
    pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(site.spool, "put", lambda _: pending)
    answers: list[Answer] = []

    site.services.intake.submit(await _submitted(site), answers.append)
    await asyncio.sleep(0)
    assert answers == []
    assert site.accepted == []
    pending.set_result(None)
    await asyncio.sleep(0)

    assert isinstance(answers[0], Accepted)


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (SpoolUnavailable(SpoolTrouble.FULL, "x"), Refusal.SPOOL_FULL),
        (SpoolUnavailable(SpoolTrouble.AWAY, "x"), Refusal.SPOOL_AWAY),
        (RuntimeError("x"), Refusal.SPOOL_AWAY),
    ],
)
async def test_failed_commit_is_a_refusal(
    site: Site, monkeypatch: Any, error: Exception, refusal: Refusal
) -> None:
    """No 250, no offer to the scheduler, no memory."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(error)
    monkeypatch.setattr(site.spool, "put", lambda _: failed)

    answer = await _submit(site, await _submitted(site))

    assert isinstance(answer, Denial)
    assert answer.refusal is refusal
    assert site.accepted == []
    assert site.services.budget.in_use == 0


async def test_commit_that_nobody_waits_for_any_more_keeps_its_content(
    site: Site, monkeypatch: Any
) -> None:
    """At the end of the process nobody knows whether the message is durable: then nothing of it
    may be removed."""
    cut_off: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(site.spool, "put", lambda _: cut_off)
    submitted = await _submitted(site, MESSAGE + b"x" * INLINE_OCTETS)
    stored = asyncio.Event()
    submitted.content.on_change = stored.set
    while not submitted.content.is_ready:
        await stored.wait()
        stored.clear()
    answers: list[Answer] = []
    site.services.intake.submit(submitted, answers.append)

    cut_off.cancel()
    await asyncio.sleep(0)
    await site.database.write(lambda _: None)

    assert answers == []
    assert site.services.budget.in_use == 0
    assert (await site.spool.read_chunk(submitted.content.queue_id, 0)).startswith(MESSAGE)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"From: boss@t1.test\r\n\r\n", Refusal.FROM_NOT_ALLOWED),
        (
            b"From x Mon Jan  1 00:00:00 2024\r\nFrom: boss@t1.test\r\n\r\n",
            Refusal.FROM_NOT_ALLOWED,
        ),
        (b"\xef\xbb\xbfFrom: u1@t1.test\r\n\r\n", Refusal.BYTE_ORDER_MARK),
        (b"Received: x\r\n" * 101 + b"\r\n", Refusal.LOOP),
    ],
)
async def test_message_that_may_not_go_out_is_refused(
    site: Site, content: bytes, refusal: Refusal
) -> None:
    """The answer comes at once; nothing is kept."""
    answers: list[Answer] = []

    site.services.intake.submit(await _submitted(site, content), answers.append)

    assert isinstance(answers[0], Denial)
    assert answers[0].refusal is refusal
    assert site.services.budget.in_use == 0


def test_troubles_have_their_codes() -> None:
    """452 4.3.1 for a full disk, 451 4.3.0 for all else; the cause stays private."""
    full = unavailable(SpoolUnavailable(SpoolTrouble.FULL, "0 octets left")).reply("ID")
    bad = in_trouble(SpoolTrouble.BAD).reply("ID")

    assert str(full).startswith("452 4.3.1 ")
    assert "octets" not in str(full)
    assert str(bad).startswith("451 4.3.0 ")


@pytest.mark.parametrize(
    ("said", "tagged"),
    [(TlsWish.NONE, TlsWish.OPTIONAL), (TlsWish.REQUIRED, TlsWish.REQUIRED)],
)
async def test_tls_required_no_tags_the_message(site: Site, said: TlsWish, tagged: TlsWish) -> None:
    """RFC 8689 section 4.1: the field "MUST be ignored" beside REQUIRETLS."""
    submitted = await _submitted(site, b"TLS-Required: No\r\n" + MESSAGE)
    envelope = replace(submitted.envelope, tls_wish=said)

    answer = await _submit(site, replace(submitted, envelope=envelope))

    assert isinstance(answer, Accepted)
    assert answer.message.envelope.tls_wish is tagged
