"""Large messages by Graph: as a draft with attachments, once, and never half."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from tests.support.graphing import Graph, drafting, graph
from tests.support.outgoing import DEFERRED, DELIVERED, FAILED, states, stored

from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.graph_answer import GraphResults
from pillarbox.delivery.graph_content import LargeContent
from pillarbox.delivery.graph_draft import DraftAttempt
from pillarbox.delivery.graph_requests import GraphRequests
from pillarbox.emulate.config import MIB, SAMPLE_MAILBOX
from pillarbox.emulate.faults import Action, Stage
from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.spooled import CHUNK_OCTETS
from pillarbox.net.https import Answer
from pillarbox.route import Microsoft365Way
from pillarbox.store.drafts import Draft, Drafts

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
"""Of the loop they use no more than those of delivery.graph, which run on both."""

SCAN = random.Random(1).randbytes(3_300_000)
"""More than one range."""

MESSAGES = f"/v1.0/users/{SAMPLE_MAILBOX}/messages"


def letter(*files: bytes, to: str = "r0@far.test") -> EmailMessage:
    """With files a0.pdf, a1.pdf, …"""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = SAMPLE_MAILBOX, to, "Scan"
    made["Message-ID"] = "<it's@here.test>"
    made.set_content("Your scan")
    for number, octets in enumerate(files):
        name = f"a{number}.pdf"
        made.add_attachment(octets, maintype="application", subtype="pdf", filename=name)
    return made


SCANNED = letter(SCAN).as_bytes()


async def send(far: Graph, raw: bytes = SCANNED, numbers: Sequence[int] = (0,)) -> AttemptResult:
    """One attempt for the message of the queue id 1, out of the store."""
    chunks = [raw[at : at + CHUNK_OCTETS] for at in range(0, len(raw), CHUNK_OCTETS)]
    made, source = stored(*chunks)
    made.queue_id, made.header_id = 1, "<it's@here.test>"
    first = made.recipients[0]
    made.recipients = [
        replace(first, recipient=replace(first.recipient, number=number)) for number in numbers
    ]
    return await far.courier.attempt(made, made.recipients, source)


def only(far: Graph) -> EmailMessage:
    """The message that arrived; there is one."""
    [(_, seen)] = far.taken
    read = message_from_bytes(seen, policy=SMTP)
    assert isinstance(read, EmailMessage)
    return read


def files(message: EmailMessage) -> dict[str | None, object]:
    """Its attachments by their names."""
    parts = message.iter_attachments()
    return {part.get_filename(): part.get_payload(decode=True) for part in parts}


async def test_a_scan_of_several_megabytes_arrives() -> None:
    """Every octet, in five requests, and no draft is left."""
    async with drafting() as far:
        result = await send(far)

        assert states(result) == {0: DELIVERED}, result
        assert files(only(far)) == {"a0.pdf": SCAN}
        body = only(far).get_body()
        assert body is not None
        assert body.get_content() == "Your scan\r\n"
        assert only(far)["Received"] == "from here"
        assert (result.requests, result.transactions, far.emulator.drafts) == (5, 1, 0)


async def test_recipients_of_the_envelope_do_not_show() -> None:
    """As in one request."""
    async with drafting() as far:
        result = await send(far, letter(SCAN, to="undisclosed-recipients:;").as_bytes())

        assert states(result) == {0: DELIVERED}, result
        assert far.taken[0][0] == ("r0@far.test",)
        assert b"r0@far.test" not in far.taken[0][1]


async def test_small_files_go_in_one_request_each_and_what_fits_stays() -> None:
    """Three of 1 MB and one of 2: two of them go out; in the order of Graph, all are there."""
    sizes = [1 * MIB, 2 * MIB, 1 * MIB, 1 * MIB]
    contents = {f"a{number}.pdf": SCAN[number : number + size] for number, size in enumerate(sizes)}
    async with drafting() as far:
        result = await send(far, letter(*contents.values()).as_bytes())

        assert states(result) == {0: DELIVERED}, result
        assert files(only(far)) == contents
        assert result.requests == 4


async def test_a_picture_in_the_text_stays_in_the_text() -> None:
    """Its Content-ID, which the HTML names."""
    made = letter()
    made.add_alternative("<img src='cid:p@here'>", subtype="html")
    html = made.get_body(("html",))
    assert isinstance(html, EmailMessage)
    html.add_related(SCAN, maintype="image", subtype="png", cid="<p@here>", filename="p.png")
    async with drafting() as far:
        result = await send(far, made.as_bytes())

        assert states(result) == {0: DELIVERED}, result
        [picture] = [part for part in only(far).walk() if part.get_content_type() == "image/png"]
        assert (picture["Content-ID"], picture.get_content_disposition()) == ("<p@here>", "inline")
        assert picture.get_payload(decode=True) == SCAN


SIGNED = letter(SCAN)
SIGNED.set_type("multipart/signed")
TEXT = letter()
TEXT.set_content("text " * MIB)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (SIGNED.as_bytes(), "it is signed or encrypted"),
        (b"DKIM-Signature: v=1\r\n" + SCANNED, "it is signed (DKIM)"),
        (TEXT.as_bytes(), "octets that are no attachments"),
        (letter(SCAN, to="else@far.test").as_bytes(), "names else@far.test"),
    ],
)
async def test_what_can_not_be_taken_apart_fails_with_the_way_out(raw: bytes, words: str) -> None:
    """Nothing is asked of Graph."""
    async with drafting() as far:
        result = await send(far, raw)

        assert states(result) == {0: FAILED}
        assert words in result.outcomes[0].reply.text
        assert "--way graph-or-smtp" in result.outcomes[0].reply.text
        assert (result.is_aside, far.requests) == (True, 0)


async def test_without_the_permission_large_mail_waits_and_other_mail_flows() -> None:
    """403 for the draft is no news of the hop."""
    body = '{"error": {"code": "ErrorAccessDenied", "message": "Access is denied."}}'
    async with drafting() as far:
        far.order(Stage.REQUEST, status=403, body=body, path=MESSAGES)
        result = await send(far)
        small = await send(far, letter(b"small").as_bytes())

        assert (states(result), states(small)) == ({0: DEFERRED}, {0: DELIVERED}), result
        assert (result.is_aside, result.hop_failure) == (True, None)
        assert "Mail.ReadWrite" in result.outcomes[0].reply.text


@pytest.mark.parametrize("ids", ["kept", "changed"])
async def test_a_lost_answer_makes_no_copy(ids: str) -> None:
    """It was sent: found by its id, or by its Message-ID."""
    async with drafting({"draft_ids": ids}) as far:
        far.order(Stage.TAKEN, action=Action.CUT)
        first, second = await send(far), await send(far)

        assert (states(first), states(second)) == ({0: DEFERRED}, {0: DELIVERED}), first
        assert "Sent Items" in second.outcomes[0].reply.text
        assert len(far.taken) == 1


@pytest.mark.parametrize("fault", [{"action": Action.CUT}, {"status": 503}, {"status": 429}])
async def test_a_draft_that_was_not_sent_is_sent_without_another_upload(
    fault: dict[str, object],
) -> None:
    """The next attempt finds it: two requests."""
    async with drafting() as far:
        far.order(Stage.CONTENT, **fault)
        first, second = await send(far), await send(far)

        assert (states(first), states(second)) == ({0: DEFERRED}, {0: DELIVERED}), first
        assert (len(far.taken), second.requests, far.emulator.drafts) == (1, 2, 0)
        assert files(only(far)) == {"a0.pdf": SCAN}


async def test_a_crash_in_the_upload_leaves_no_draft_and_no_half_message() -> None:
    """Another process tries again: what is left of the first draft goes."""
    async with drafting() as far:
        far.order(Stage.REQUEST, action=Action.HANG, path="/upload", skip=1)
        crashed = asyncio.create_task(send(far))
        while not far.emulator.world.faults.hits:  # noqa: ASYNC110 - it has no event to wait on
            await asyncio.sleep(0.01)
        crashed.cancel()
        await asyncio.wait([crashed])
        await far.courier.close()
        far.courier = Couriers(far.settings).courier_for(far.hop)
        assert far.emulator.drafts == 1

        result = await send(far)

        assert states(result) == {0: DELIVERED}, result
        assert files(only(far)) == {"a0.pdf": SCAN}
        assert far.emulator.drafts == 0


@pytest.mark.parametrize(("step", "status"), [(0, 429), (1, 503), (2, 429), (3, 504), (4, 429)])
async def test_retry_after_is_obeyed_at_each_step(step: int, status: int) -> None:
    """Nothing more is asked, not even to delete; the next attempt delivers it once."""
    async with drafting() as far:
        far.order(Stage.REQUEST, status=status, skip=step, headers={"Retry-After": "7"})
        first = await send(far)
        too_early = far.emulator.world.statistics[SAMPLE_MAILBOX].too_early
        second = await send(far)

        assert (states(first), states(second)) == ({0: DEFERRED}, {0: DELIVERED}), second
        assert (first.throttled, first.retry_after, first.requests) == (True, 7.0, step + 1)
        assert (too_early, len(far.taken), far.emulator.drafts) == (0, 1, 0)


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (0, {"action": Action.CUT}),
        (1, {"status": 500}),
        (2, {"action": Action.CUT}),
        (3, {"status": 500}),
    ],
)
async def test_what_is_lost_on_the_way_is_made_anew(step: int, fault: dict[str, object]) -> None:
    """At each step before the message is sent. A draft of which no answer told stays: nobody
    knows its id."""
    async with drafting() as far:
        far.order(Stage.REQUEST, skip=step, **fault)
        first, second = await send(far), await send(far)

        assert (states(first), states(second)) == ({0: DEFERRED}, {0: DELIVERED}), second
        assert first.hop_failure is None
        assert files(only(far)) == {"a0.pdf": SCAN}
        assert far.emulator.drafts == 0


@pytest.mark.parametrize("step", [1, 2])
async def test_what_is_refused_leaves_no_draft(step: int) -> None:
    """400 is about the message: it fails, and the draft is deleted."""
    body = '{"error": {"code": "ErrorAttachmentSize", "message": "No."}}'
    async with drafting() as far:
        far.order(Stage.REQUEST, status=400, skip=step, body=body)
        result = await send(far)

        assert states(result) == {0: FAILED}
        assert "400 ErrorAttachmentSize: No." in result.outcomes[0].reply.text
        assert (far.emulator.drafts, far.taken) == (0, [])


async def test_a_message_that_the_mailbox_may_not_send_leaves_no_draft() -> None:
    """Refused when it is to be sent; too large for the mailbox."""
    async with drafting(message_octets=3 * MIB) as far:
        result = await send(far)

        assert states(result) == {0: FAILED}
        assert "ErrorMessageSizeExceeded" in result.outcomes[0].reply.text
        assert far.emulator.drafts == 0


@pytest.mark.parametrize("status", [404, 410])
async def test_an_upload_session_that_has_ended_begins_again(status: int) -> None:
    """What was sent of the file is gone; it comes once."""
    async with drafting() as far:
        far.order(Stage.REQUEST, status=status, path="/upload", skip=1)
        result = await send(far)

        assert states(result) == {0: DELIVERED}, result
        assert files(only(far)) == {"a0.pdf": SCAN}
        assert result.requests == 8


async def test_upload_sessions_that_always_end_put_the_message_off() -> None:
    """It is not refused, and the hop is well."""
    async with drafting() as far:
        far.order(Stage.REQUEST, status=410, path="/upload", times=None)
        result = await send(far)

        assert states(result) == {0: DEFERRED}
        assert (result.hop_failure, far.emulator.drafts) == (None, 0)


async def test_a_draft_counts_for_those_whom_it_named() -> None:
    """Somebody who was held then has not got it: he waits for the next attempt."""
    async with drafting() as far:
        far.order(Stage.TAKEN, action=Action.CUT)
        await send(far)
        both = await send(far, numbers=(0, 1))

        assert states(both) == {0: DELIVERED, 1: DEFERRED}
        assert states(await send(far, numbers=(1,))) == {1: DELIVERED}
        assert len(far.taken) == 2


async def test_drafts_of_others_who_get_the_message_are_left_alone() -> None:
    """A message to more than a hundred goes in parts: what one part has sent, or is about to send,
    says nothing of the others."""
    async with drafting() as far:
        sent = await send(far)
        others = await send(far, numbers=(1,))

        assert (states(sent), states(others)) == ({0: DELIVERED}, {1: DELIVERED}), others
        assert others.requests == sent.requests


async def test_a_draft_for_other_recipients_is_not_sent() -> None:
    """It would leave somebody out: it is made anew."""
    async with drafting() as far:
        far.order(Stage.CONTENT, action=Action.CUT)
        await send(far)
        both = await send(far, numbers=(0, 1))

        assert states(both) == {0: DELIVERED, 1: DELIVERED}
        assert (len(far.taken), far.emulator.drafts) == (1, 0)


class FullDrafts(Drafts):
    """The disk is full."""

    async def add(self, made: Draft) -> None:
        """Nothing is written down."""
        raise SpoolUnavailable(SpoolTrouble.AWAY, made.draft_id)


async def test_a_draft_that_can_not_be_written_down_is_deleted() -> None:
    """Nothing is sent of which nobody could say whether it was."""
    async with drafting() as far:
        drafts = far.settings.drafts
        assert drafts is not None
        full = replace(far.settings, drafts=FullDrafts(drafts._database))
        far.courier = Couriers(full).courier_for(far.hop)
        with pytest.raises(SpoolUnavailable):
            await send(far)
        await far.courier.close()

        assert (far.emulator.drafts, far.taken) == (0, [])


async def test_without_drafts_it_fails_with_both_ways_out() -> None:
    """A route by Graph alone."""
    async with graph(Microsoft365Way.GRAPH) as far:
        result = await send(far)

        assert states(result) == {0: FAILED}
        assert "--way graph-or-draft" in result.outcomes[0].reply.text


class OddRequests(GraphRequests):
    """A server that says 200 and something else than it should."""

    text = ""

    async def ask(self, *_: object, **__: object) -> Answer:
        """As said."""
        return Answer(200, {}, self.text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"isDraft": null}', '{"isDraft": 0}'])
async def test_an_answer_that_says_nothing_is_no_success(text: str) -> None:
    """Of a draft that may have been sent: the message waits, and is not lost."""
    async with drafting() as far:
        drafts = far.settings.drafts
        assert drafts is not None
        await drafts.add(Draft(1, "AAMk", SAMPLE_MAILBOX, frozenset({0}), is_complete=True))
        made, source = stored(b"x")
        made.queue_id = 1
        requests = OddRequests(far.hop, far.settings)
        requests.text = text
        attempt = DraftAttempt(
            SAMPLE_MAILBOX,
            requests,
            drafts,
            results=GraphResults("graph.test:443", [made.recipients[0].recipient]),
            message=made,
            recipients=made.recipients,
            content=LargeContent(made, source),
        )

        assert states(await attempt.run()) == {0: DEFERRED}
