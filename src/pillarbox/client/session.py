"""One session with one server: its transactions, as steps that a wire carries out.

`core.content_ended` says whether the server may have a message although it said nothing.
"""

from collections.abc import Iterator, Sequence

from pillarbox.client.content import Content
from pillarbox.client.conversation import Conversation
from pillarbox.client.steps import Ended, Progress, Pull, Read, Script, Steps
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.reply import Reply
from pillarbox.smtp.client_ahead import MAX_RECIPIENTS, Parcel
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_script import data_script, whole_script

WHOLE_OCTETS = 256 * 1024
"""Content up to this leaves in one piece."""

AHEAD_OCTETS = 64 * 1024
"""Content up to this leaves together with its envelope, where a server that refuses the envelope
can be told so much for nothing."""

CHUNKING_OCTETS = 256 * 1024
"""Content from this size on goes by BDAT where that is offered."""

CHUNK_OCTETS = 1024 * 1024


class Session(Conversation):
    """One session, opened by open(), for one message after the other."""

    def transact(
        self,
        envelope: Envelope,
        recipients: Sequence[Recipient],
        content: Content,
        *,
        is_careful: bool = False,
    ) -> Steps[Sequence[Reply | None]]:
        """One transaction; `envelope` was made to fit. Gives the reply that decided about each
        recipient. `is_careful`: no content leaves before the server has answered."""
        core, size = self.core, content.size
        chunked = core.capabilities.chunking and size >= CHUNKING_OCTETS
        if chunked or size > WHOLE_OCTETS or not content.is_at_hand:
            self._size = size
            core.begin(envelope, recipients, size=size, chunked=chunked)
            yield from self._converse()
            if core.phase is Phase.CONTENT:
                yield from self._send_content(content)
                yield from self._converse()
            return core.verdicts()
        is_whole = not is_careful and self.takes_whole(recipients, content)
        parcel = Parcel(envelope, recipients, content.ended if is_whole else content.head)
        if core.takes_script and len(recipients) <= MAX_RECIPIENTS:
            reply = yield from self._follow(parcel, is_whole=is_whole)
            if reply is not None:
                return [reply] * len(recipients)
        elif is_whole:
            return (yield from self.transact_ahead([parcel]))[0]
        else:
            self._begin(parcel, is_whole=False)
        yield from self._converse()
        return core.outcomes()[0] if is_whole else core.verdicts()

    def _begin(self, parcel: Parcel, *, is_whole: bool) -> None:
        envelope, recipients, content = parcel
        self._size = len(content)
        if is_whole:
            self.core.begin_whole([parcel])
        else:
            self.core.begin(envelope, recipients, size=len(content), whole=(content,))

    def _follow(self, parcel: Parcel, *, is_whole: bool) -> Steps[Reply | None]:
        """Make a transaction by a script; gives its last reply. None: the server did not keep to
        it, and the core stands where that has led."""
        core, limits = self.core, self._limits
        write_script = whole_script if is_whole else data_script
        limit = limits.reply_of if is_whole else limits.confirmation_of
        script = Script(
            write_script(core.capabilities, *parcel),
            self._tls,
            limits.block,
            limits.reply,
            limit(len(parcel.content)),
        )
        progress = yield script
        if script.is_done:
            # Those to MAIL, to each RCPT, to DATA where it was used, and to the content.
            replies = len(parcel.recipients) + (2 if is_whole else 3)
            return core.end_script(replies, script.heard[-1])
        self._begin(parcel, is_whole=is_whole)
        yield from self._depart(script, progress)
        return None

    def _depart(self, script: Script, last: Progress) -> Steps[None]:
        """Tell the core what was heard; the octets that it would write for that were written."""
        core = self.core
        *wished, answer = script.heard
        for each in wished:
            core.data_to_send()
            core.receive(each)
        core.data_to_send()
        replies = core.replies
        self._heed(answer, last.ended)
        is_content = script.turns[len(wished)][3]
        seconds = script.content_seconds if is_content else script.answer_seconds
        yield from self._hear_out(replies, last.unsent, seconds)

    def takes_whole(self, recipients: Sequence[Recipient], content: Content) -> bool:
        """Whether such a message can leave together with its envelope."""
        return (
            self.core.takes_whole
            and content.is_at_hand
            and 0 < content.size <= AHEAD_OCTETS
            and len(recipients) <= MAX_RECIPIENTS
        )

    def transact_ahead(self, parcels: Sequence[Parcel]) -> Steps[list[list[Reply | None]]]:
        """Messages that leave at once, with all that belongs to them. Gives for each what
        transact() gives."""
        core = self.core
        pieces = core.begin_whole(parcels)
        self._size = sum(len(parcel.content) for parcel in parcels)
        if self._note is not None:
            for commands, content in zip(pieces[::2], pieces[1::2], strict=True):
                self._show(commands)
                self._show_content(len(content))
        yield from self._ask(b"".join(pieces))
        if core.is_waiting:
            yield from self._converse()
        if len(parcels) > 1 and core.is_ready:
            yield from self._look_for_more()
        return core.outcomes()

    def _look_for_more(self) -> Steps[None]:
        """A reply too many in front shifts all behind it, and the one that belongs to the last
        message is here, or on its way: then nobody knows whose the others were."""
        progress = yield Read(0.0)
        if progress.ended is not Ended.TIMED_OUT:
            self._take(progress)

    # -- content ------------------------------------------------------------------------------

    def _send_content(self, content: Content) -> Steps[None]:
        core = self.core
        if core.takes_chunks:
            yield from self._send_chunks(content)
            return
        source = content.blocks()
        while block := (yield from self._next(content, source)):
            yield from self._write(core.content(block))
            if core.phase is not Phase.CONTENT:
                return
        self._show_content()
        yield from self._write(core.end_content())

    def _send_chunks(self, content: Content) -> Steps[None]:
        """Chunks of some blocks each; a refusal is heard before the next one leaves."""
        core = self.core
        source = content.blocks()
        following = yield from self._next(content, source)
        while True:
            blocks: list[bytes] = []
            size = 0
            while following and size < CHUNK_OCTETS:
                blocks.append(following)
                size += len(following)
                following = yield from self._next(content, source)
            head, chunk = core.chunk(b"".join(blocks), last=not following)
            self._show_content()
            yield from self._write(head)
            view = memoryview(chunk)
            for start in range(0, size, WHOLE_OCTETS):
                yield from self._write(bytes(view[start : start + WHOLE_OCTETS]))
            yield from self._converse()
            if core.phase is not Phase.CONTENT:
                return

    def _next(self, content: Content, source: Iterator[bytes]) -> Steps[bytes]:
        if content.is_at_hand:
            return next(source, b"")
        return (yield Pull(source)).came
