"""A message that is too large for one request of Graph: a draft, its attachments, then send.

A draft can be sent once. Each is written down (store.drafts) before anything is added to it, so an
attempt that follows a lost answer or a crash looks what became of it: it was sent, or it is sent
now, or it is deleted. Only where Microsoft shows neither draft nor sent message it is made anew,
and may arrive twice.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Any
from urllib.parse import quote

from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.graph_answer import PAUSES, GraphResults
from pillarbox.delivery.graph_content import LargeContent
from pillarbox.delivery.graph_files import FileSender
from pillarbox.delivery.graph_mime import MAX_OCTETS, split, to_mime
from pillarbox.delivery.graph_requests import GraphRequests
from pillarbox.errors import SpoolUnavailable
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.parts import MimeError
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.mail.taken_apart import Plan, draft_header, take_apart
from pillarbox.net.https import Answer
from pillarbox.store.drafts import Draft, Drafts

REST_OCTETS = MAX_OCTETS - 64 * 1024
"""What the draft may have without its attachments: a field Bcc with all recipients may come in."""

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
"""Ids that stay when an item is moved, as to Sent Items; where they do, an item is found by its
Message-ID."""

_OK, _CREATED, _NOT_FOUND = 200, 201, 404
_MAX_ID = 1024
_REFUSED_FIRST, _REFUSED_LAST = 400, 499
_UNCLEAR = frozenset({401, 404, 408, 429})


class _Found(Enum):
    """What became of a draft."""

    SENT = auto()
    DRAFT = auto()
    GONE = auto()


class DraftAttempt:
    """One attempt for one message."""

    def __init__(
        self,
        mailbox: str,
        requests: GraphRequests,
        drafts: Drafts,
        *,
        results: GraphResults,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: LargeContent,
    ) -> None:
        self._mailbox = mailbox
        self._requests = requests
        self._drafts = drafts
        self._results = results
        self._message = message
        self._recipients = recipients
        self._content = content
        self._numbers = frozenset(each.recipient.number for each in recipients)
        self._others = 0
        """Drafts that may have been sent to other recipients of the message."""

    async def run(self) -> AttemptResult:
        """Make it. Raises SpoolUnavailable."""
        draft = None
        for known in await self._known():
            found = await self._look(known)
            if not isinstance(found, _Found):
                return self._results.of_step(found, doing="a draft was looked for", is_first=True)
            if found is _Found.SENT:
                return self._results.sent_before(known.recipients)
            if found is _Found.DRAFT and draft is None and self._can_be_sent(known):
                draft = known
            elif found is _Found.GONE or await self._delete(known):
                await self._drafts.forget(known)
        made = draft or await self._make()
        return made if isinstance(made, AttemptResult) else await self._send(made)

    # What an earlier attempt left.

    async def _known(self) -> list[Draft]:
        """The drafts of these recipients. A message to many goes in parts, each with a draft of its
        own, and those of other parts are left to them."""
        every = await self._drafts.of(self._message.queue_id, self._mailbox)
        ours = [one for one in every if one.recipients & self._numbers]
        self._others = sum(one.is_complete for one in every) - sum(one.is_complete for one in ours)
        return ours

    def _can_be_sent(self, known: Draft) -> bool:
        return known.is_complete and known.recipients == self._numbers

    async def _look(self, known: Draft) -> _Found | Answer | Failure:
        """What became of a draft; an answer that does not say it."""
        path = f"{_path(known)}?$select=isDraft"
        answer = await self._requests.ask("GET", path, headers=IMMUTABLE)
        if isinstance(answer, Failure):
            return answer
        if answer.status == _OK:
            # What does not say it is no answer: taken for "sent" it would lose the message.
            is_draft = _read(answer).get("isDraft")
            found = _Found.DRAFT if is_draft else _Found.SENT
            return found if isinstance(is_draft, bool) else answer
        if answer.status != _NOT_FOUND:
            return answer
        return await self._look_for_copy() if known.is_complete else _Found.GONE

    async def _look_for_copy(self) -> _Found | Answer | Failure:
        """Whether the message is in Sent Items under another id, beside those of its other
        parts."""
        message_id = self._message.header_id.strip()
        if not message_id:
            return _Found.GONE
        query = f"internetMessageId eq '{message_id.replace(chr(39), chr(39) * 2)}'"
        path = f"messages?$filter={quote(query, safe='')}&$select=isDraft"
        answer = await self._requests.ask("GET", path, headers=IMMUTABLE)
        if isinstance(answer, Failure) or answer.status != _OK:
            return answer
        items = _read(answer).get("value")
        if not isinstance(items, list):
            return answer
        found = [one for one in items if isinstance(one, dict)]
        sent = sum(one.get("isDraft") is False for one in found)
        return _Found.SENT if sent > self._others else _Found.GONE

    async def _delete(self, known: Draft) -> bool:
        """Delete a draft; whether it is there no more."""
        answer = await self._requests.ask("DELETE", _path(known), headers=IMMUTABLE)
        return isinstance(answer, Answer) and (answer.status // 100 == 2 or answer.status == 404)

    # The draft.

    async def _make(self) -> Draft | AttemptResult:
        """The draft with all its attachments."""
        try:
            parts = await self._content.scan()
            plan = take_apart(parts, self._message.size_octets, REST_OCTETS)
            mime = await self._mime(plan)
        except MimeError as error:
            failure = Failure(FailureKind.PARTS_NOT_TAKEN, str(error))
            return self._results.refused(failure)
        if isinstance(mime, Failure):
            return self._results.refused(mime)
        answer = await self._requests.ask(
            "POST", "messages", content=mime, content_type="text/plain", headers=IMMUTABLE
        )
        draft_id = read_id(answer)
        if not draft_id:
            return self._results.of_step(answer, doing="a draft was made", is_first=True)
        made = Draft(self._message.queue_id, draft_id, self._mailbox, self._numbers)
        try:
            await self._drafts.add(made)
        except SpoolUnavailable:
            with suppress(SpoolUnavailable):
                await self._delete(made)
            raise
        return await self._fill(made, plan)

    async def _mime(self, plan: Plan) -> bytes | Failure:
        """The draft in base64. Raises MimeError."""
        head, body = split(await self._content.rest(plan))
        head = draft_header(head, len(self._message.prefix), is_bare=plan.is_bare)
        return to_mime(head, body, self._recipients)

    async def _fill(self, made: Draft, plan: Plan) -> Draft | AttemptResult:
        """Add the attachments."""
        files = FileSender(self._requests, _path(made), self._content)
        for part in plan.files:
            failed = await files.send(part)
            if failed is not None:
                result = self._results.of_step(
                    failed, doing="attachments were sent", is_first=False
                )
                await self._clean_up(made, failed)
                return result
        await self._drafts.complete(made)
        return made

    async def _send(self, made: Draft) -> AttemptResult:
        answer = await self._requests.ask("POST", f"{_path(made)}/send", headers=IMMUTABLE)
        await self._clean_up(made, answer)
        return self._results.of_sending(answer)

    async def _clean_up(self, made: Draft, answer: Answer | Failure) -> None:
        """Delete a draft after a failure, where that is known to be one and no pause was asked for:
        else the next attempt looks what became of it."""
        if isinstance(answer, Failure) or answer.status in _UNCLEAR | PAUSES:
            return
        if not _REFUSED_FIRST <= answer.status <= _REFUSED_LAST:
            return
        if await self._delete(made):
            await self._drafts.forget(made)


def draft_path(draft_id: str) -> str:
    """Where a draft is in its mailbox."""
    return f"messages/{quote(draft_id, safe='')}"


def _path(made: Draft) -> str:
    return draft_path(made.draft_id)


def read_id(answer: Answer | Failure) -> str:
    """The id of the draft that was made; "" if none was."""
    if isinstance(answer, Failure) or answer.status != _CREATED:
        return ""
    draft_id = _read(answer).get("id")
    is_one = isinstance(draft_id, str) and len(draft_id) <= _MAX_ID and draft_id.isascii()
    return str(draft_id) if is_one else ""


def _read(answer: Answer) -> dict[str, Any]:
    """The object of an answer; {} where there is none."""
    try:
        value = json.loads(answer.text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
