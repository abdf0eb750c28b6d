"""The queue, traces and captured mail by command (pillarbox.cli.queue, .trace, .capture)."""

import json
import re
from pathlib import Path

import pytest
from tests.support.storing import (
    HOP,
    LATER,
    LEASE_MS,
    OK,
    OWNER,
    Queue,
    make_message,
    now_ms,
    record,
    settlement,
)
from tests.support.usage import full
from tests.unit.cli.conftest import Service

from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.identifier import format_id
from pillarbox.mail.reply import reply
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.route import Counted, Window, lane_id
from pillarbox.store.instances import Instances
from pillarbox.store.lanes import Lanes, UsageRecord
from pillarbox.store.suspensions import Suspension, Suspensions

EX_USAGE = 64
EX_DATA = 65
EX_NO_SUCH = 67
EX_CANNOT_CREATE = 73

HOUR = 3_600_000
SUSPENSION = Suspension(
    1_795_161_600_000,
    "535 5.7.139 off",
    "m365-12",
    "admin",
    "It is off.",
    "Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false",
)


@pytest.fixture
async def queue(service: Service) -> Queue:
    """A spool with a lane that somebody owns."""
    assert await Lanes(service.database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    return Queue(service.database)


async def _deferred(queue: Queue, *addresses: str) -> SpooledMessage:
    """A message whose recipients were refused for now; they are tried again in an hour."""
    message = await queue.put(*addresses)
    records = [
        record(
            spooled.recipient.number,
            RecipientState.DEFERRED,
            next_attempt_at=now_ms() + HOUR,
            answer=LATER,
        )
        for spooled in message.recipients
    ]
    assert await queue.spool.settle(settlement(message, *records))
    return message


async def _captured(queue: Queue, content: bytes) -> SpooledMessage:
    """A message that was captured and is kept for an hour."""
    message = make_message("bob@far.example", lanes=(queue.lane,), content=content)
    await queue.spool.put(message)
    taken = record(0, RecipientState.CAPTURED, answer=OK)
    until = now_ms() + HOUR
    assert await queue.spool.settle(settlement(message, taken, keep_content_until=until))
    return message


async def test_list_says_why_each_recipient_waits(service: Service, queue: Queue) -> None:
    """The last reply, the next attempt and a sentence, for people and for programs."""
    message = await _deferred(queue, "bob@far.example")

    [entry] = service.json("queue", "list")
    shown = service.do("queue", "list")

    assert entry["queue_id"] == format_id(message.queue_id)
    assert entry["recipient"] == "bob@far.example"
    assert entry["state"] == "deferred"
    assert entry["last_reply"] == str(LATER)
    assert entry["next_attempt_at"].endswith("Z")
    assert entry["why"].startswith("put off once; next attempt in ")
    assert str(LATER) in shown
    assert "put off once; next attempt in " in shown


async def test_a_full_window_of_the_next_hop_is_why_mail_waits(
    service: Service, queue: Queue
) -> None:
    """With the limit, and when the next message goes; what is not due yet waits for its time."""
    window = Window(Counted.MESSAGES, 30, 60)
    record = UsageRecord(queue.lane, full(window, seconds_ago=20))
    await Lanes(service.database).save_usage([record], owner=OWNER)
    await queue.put()
    await _deferred(queue, "bob@far.example")

    [due, deferred] = service.json("queue", "list")
    counts = service.json("queue", "count")
    shown = service.do("queue", "list") + service.do("queue", "count")

    assert due["why"].startswith("the next hop takes 30 messages a minute; the next goes in ")
    assert deferred["why"].startswith("put off once")
    assert {count["full_window"]["used"] for count in counts} == {30}
    assert shown.count("the next hop takes 30 messages a minute") == 3


async def test_list_says_when_nobody_delivers(service: Service, queue: Queue) -> None:
    """Mail that waits because the service is down is the commonest question of all."""
    await queue.put()

    assert "pillarbox serve" in service.do("queue", "list")

    await Instances(service.database).claim(token=OWNER, lease_ms=LEASE_MS)
    assert "pillarbox serve" not in service.do("queue", "list")


async def test_empty_queue_says_so(service: Service, queue: Queue) -> None:
    """A sentence for people, an empty list for programs."""
    del queue

    assert service.do("queue", "list") == "Nothing waits.\n"
    assert service.json("queue", "list") == []


async def test_count_adds_up_by_next_hop(service: Service, queue: Queue) -> None:
    """How much waits, and since when."""
    await queue.put("a@far.example", "b@far.example")

    [line] = service.json("queue", "count")

    assert (line["hop"], line["state"], line["recipients"]) == (HOP, "queued", 2)


async def test_mail_of_a_paused_hop_waits_for_the_end_of_the_pause(
    service: Service, queue: Queue
) -> None:
    """And not for a connection; what is held waits for its release."""
    message = await queue.put("bob@far.example")
    service.do("queue", "pause", HOP, "--reason", "they move")

    [entry] = service.json("queue", "list")
    traced = service.do("trace", format_id(message.queue_id))
    service.do("queue", "hold", format_id(message.queue_id))
    [held] = service.json("queue", "list")
    service.do("queue", "release", format_id(message.queue_id))
    service.do("queue", "resume", HOP)
    [resumed] = service.json("queue", "list")

    assert entry["why"] == "its next hop is paused by order: they move"
    assert "To bob@far.example: queued: its next hop is paused by order: they move" in traced
    assert held["why"].startswith("held by an administrator")
    assert "paused" not in resumed["why"]


async def test_suspended_hop_is_shown_with_its_reply_and_what_helps(
    service: Service, queue: Queue
) -> None:
    """Why nothing goes, since when, by which reply, and the fix, wherever people look."""
    message = await queue.put("bob@far.example")
    await Suspensions(service.database).suspend(lane_id(HOP), HOP, SUSPENSION)

    listed = service.do("queue", "list")
    counted = service.do("queue", "count")

    for shown in (listed, counted):
        assert "535 5.7.139 off" in shown
        assert "Set-CASMailbox" in shown
        assert "m365-12 (admin)" in shown
    assert "its next hop is suspended since " in listed
    traced = service.do("trace", format_id(message.queue_id))
    assert "its next hop is suspended since " in traced
    assert "Set-CASMailbox" in traced
    [entry] = service.json("queue", "list")
    assert entry["suspended"] is True
    [line] = service.json("queue", "count")
    assert line["suspended"]["since_at"] == "2026-11-20T08:00:00.000Z"
    assert line["suspended"]["fix"] == SUSPENSION.fix
    service.do("queue", "hold", format_id(message.queue_id))
    assert "release" in service.json("queue", "list")[0]["why"]


async def test_known_reply_is_explained_below_the_list_and_in_the_trace(
    service: Service, queue: Queue
) -> None:
    """Once, however many recipients got it."""
    message = await queue.put("a@far.example", "b@far.example")
    answer = reply(450, "4.7.1", "Greylisted, come again")
    deferred = [
        record(n, RecipientState.DEFERRED, next_attempt_at=now_ms() + HOUR, answer=answer)
        for n in (0, 1)
    ]
    assert await queue.spool.settle(settlement(message, *deferred))

    listed = service.do("queue", "list")
    traced = service.do("trace", format_id(message.queue_id))

    assert listed.count("greylisting (soft): The server puts off mail") == 1
    assert traced.count("cause: The server puts off mail") == 2
    assert service.json("queue", "list")[0]["explanation"]["id"] == "greylisting"
    [told] = service.json("trace", format_id(message.queue_id))
    attempt = told["recipients"][0]["attempts"][0]
    assert (attempt["explanation"]["id"], attempt["explanation"]["class"]) == (
        "greylisting",
        "retry",
    )


async def test_hold_and_release(service: Service, queue: Queue) -> None:
    """Held mail says how it goes on; released mail is due at once."""
    message = await _deferred(queue, "bob@far.example")
    queue_id = format_id(message.queue_id)

    assert service.json("queue", "hold", queue_id) == {"changed": 1}
    [held] = service.json("queue", "list", "--state", "held")
    assert held["next_attempt_at"] is None
    assert "release" in held["why"]

    assert service.json("queue", "release", queue_id.lower()) == {"changed": 1}
    [released] = service.json("queue", "list")
    assert released["state"] == "deferred"
    assert await queue.due() == [message.queue_id]


async def test_retry_makes_mail_due(service: Service, queue: Queue) -> None:
    """Chosen by the recipient's domain."""
    message = await _deferred(queue, "bob@far.example")
    await _deferred(queue, "eve@other.example")

    shown = service.do("queue", "retry", "--domain", "far.example")

    assert shown == "1 recipient will be tried now.\n"
    assert await queue.due() == [message.queue_id]
    again = service.do("queue", "retry", "--domain", "far.example")
    assert again.startswith("0 recipients will be tried now.\nWhat waits is due already: ")
    assert service.do("queue", "retry", "--domain", "x.example").count("\n") == 1


async def test_bounce_is_left_to_the_service(service: Service, queue: Queue) -> None:
    """The owner of the lane makes the report; until then the queue says what is coming."""
    await _deferred(queue, "bob@far.example")

    service.do("queue", "bounce", "--all")

    [entry] = service.json("queue", "list")
    assert entry["bounces"] is True
    assert "bounce" in entry["why"]


async def test_changes_of_the_whole_queue_must_be_meant(service: Service, queue: Queue) -> None:
    """Without id, filter or --all nothing is touched."""
    await _deferred(queue, "bob@far.example")

    result = service.run("queue", "bounce")

    assert result.exit_code == EX_USAGE
    assert "--all" in result.stderr
    assert service.json("queue", "list")[0]["bounces"] is False


@pytest.mark.parametrize(
    ("queue_id", "code"), [("0000000000001", EX_NO_SUCH), ("nonsense", EX_DATA)]
)
async def test_message_that_does_not_wait(
    service: Service, queue: Queue, queue_id: str, code: int
) -> None:
    """EX_NOUSER for an id that nothing has, EX_DATAERR for what is no id."""
    del queue

    assert service.run("queue", "hold", queue_id).exit_code == code


async def test_trace_by_queue_id_shows_every_attempt(service: Service, queue: Queue) -> None:
    """What was tried, when, and what was answered by whom."""
    message = await _deferred(queue, "bob@far.example")

    [trace] = service.json("trace", format_id(message.queue_id))
    shown = service.do("trace", f"[{format_id(message.queue_id)}]")

    [recipient] = trace["recipients"]
    [attempt] = recipient["attempts"]
    assert (attempt["state"], attempt["reply"]) == ("deferred", str(LATER))
    assert attempt["remote_host"] == "mx.far.example"
    assert "attempt 1" in shown
    assert str(LATER) in shown
    again = service.do("queue", "show", format_id(message.queue_id))
    assert _without_countdown(again) == _without_countdown(shown)


def _without_countdown(shown: str) -> str:
    """How long it is to the next attempt changes while a test looks."""
    return re.sub(r"next attempt in [^\n]*", "next attempt soon", shown)


@pytest.mark.parametrize(
    "what", ["<1@here.example>", "1@here.example", "BOB@far.example", "@far.example"]
)
async def test_trace_by_message_id_or_address(service: Service, queue: Queue, what: str) -> None:
    """Whatever somebody has at hand when mail is missing."""
    message = await queue.put("bob@far.example")

    assert [m["queue_id"] for m in service.json("trace", what)] == [format_id(message.queue_id)]


async def test_trace_of_several_messages_is_a_list(service: Service, queue: Queue) -> None:
    """Newest first, one line a recipient."""
    messages = [await queue.put("bob@far.example"), await queue.put("bob@far.example")]

    lines = service.do("trace", "bob@far.example").splitlines()

    assert [line.split()[0] for line in lines[1:]] == [
        format_id(message.queue_id) for message in reversed(messages)
    ]


async def test_trace_of_nothing_is_67(service: Service, queue: Queue) -> None:
    """With the span that was looked at; JSON is still a list."""
    await queue.put("bob@far.example")

    result = service.run("trace", "nobody@far.example", "--json")

    assert result.exit_code == EX_NO_SUCH
    assert json.loads(result.stdout) == []
    assert "30 days" in result.stderr


async def test_replies_of_strangers_can_not_drive_the_terminal(
    service: Service, queue: Queue
) -> None:
    """Escape sequences in what a remote host says are not printed."""
    message = await queue.put("bob@far.example")
    evil = reply(451, "4.0.0", "\x1b]0;owned\x07\u202egnp")
    later = record(0, RecipientState.DEFERRED, next_attempt_at=now_ms() + HOUR, answer=evil)
    assert await queue.spool.settle(settlement(message, later))

    for shown in (
        service.do("queue", "list"),
        service.do("trace", format_id(message.queue_id)),
    ):
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "\u202e" not in shown


async def test_captured_mail_is_listed_and_shown(service: Service, queue: Queue) -> None:
    """Until a route is set, this is where mail is found."""
    message = await _captured(queue, b"Subject: Hello\r\n\r\nGr\xc3\xbc\xc3\x9fe \x1b[2J\r\n")
    queue_id = format_id(message.queue_id)

    [entry] = service.json("capture", "list")
    shown = service.do("capture", "show", queue_id)

    assert (entry["queue_id"], entry["recipients"]) == (queue_id, ["bob@far.example"])
    assert "Grüße" in shown
    assert "\x1b" not in shown


async def test_export_gives_every_octet(service: Service, queue: Queue, tmp_path: Path) -> None:
    """Prefix and content as they would have been delivered, readable for the owner only."""
    content = b"Subject: x\r\n\r\n\x00\xff\x80\n\r" * 100_000
    message = await _captured(queue, content)
    queue_id = format_id(message.queue_id)
    file = tmp_path / "mail.eml"

    service.do("capture", "export", queue_id, "--output", str(file))
    again = service.run("capture", "export", queue_id, "--output", str(file))
    piped = service.run("capture", "export", queue_id)

    assert file.read_bytes() == message.prefix + content
    assert piped.stdout_bytes == message.prefix + content
    assert file.stat().st_mode & 0o777 == 0o600
    assert again.exit_code == EX_CANNOT_CREATE
    assert "--force" in again.stderr


async def test_mail_that_was_not_captured_is_67(service: Service, queue: Queue) -> None:
    """A message in the queue is no captured one."""
    message = await queue.put()

    assert service.run("capture", "show", format_id(message.queue_id)).exit_code == EX_NO_SUCH
