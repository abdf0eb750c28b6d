"""What the service decides in a session of a listener that takes only what comes back: reports
about mail that was sent from here, to the return addresses of that mail.

Nobody logs in and everything is refused that is for anybody else, so there is nothing to relay.
Nothing goes to the store before the end of the content, and no more of it is kept in memory than a
report needs. The 250 comes once all that follows is durable.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from pillarbox.errors import LocalProtocolError, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Envelope
from pillarbox.mail.message import SessionTrace, with_protocol
from pillarbox.mail.returned import READ_OCTETS, read_returned
from pillarbox.outcome.returns import CameBack, ReturnDesk
from pillarbox.policy.authenticate import Grant
from pillarbox.policy.denial import Denial
from pillarbox.reception.dialogue import Dialogue, Shell
from pillarbox.reception.intake import in_trouble, unavailable
from pillarbox.reception.services import Door
from pillarbox.reception.sessions import Story
from pillarbox.smtp.events import (
    Content,
    ContentAbort,
    ContentEnd,
    ContentStart,
    MailFrom,
    RcptTo,
    ServerEvent,
    StartTls,
)
from pillarbox.smtp.server import ServerProtocol

CONTENTS = 64
"""So many messages at once are read by one process: 16 MiB."""


def dialogue_for(
    door: Door, core: ServerProtocol, story: Story, shell: Shell
) -> "Dialogue | ReturnsDialogue":
    """The decisions of a session at this door."""
    desk = door.services.returns
    if desk is None or not door.listener.takes_returns:
        return Dialogue(door, core, story, shell)
    return ReturnsDialogue(door, desk, core, story, shell)


class ReturnsDialogue:
    """The decisions of one session; as Dialogue."""

    __slots__ = (
        "_core",
        "_desk",
        "_door",
        "_handshake_counts",
        "_is_over",
        "_room",
        "_shell",
        "_size",
        "_story",
        "content",
        "wants_tls",
    )

    is_blocked = False
    """It never waits for the store while octets come in."""

    def __init__(
        self, door: Door, desk: ReturnDesk, core: ServerProtocol, story: Story, shell: Shell
    ) -> None:
        self._door = door
        self._desk = desk
        self._core = core
        self._story = story
        self._shell = shell
        self._room = door.services.returns_room
        self.content: bytearray | None = None
        self._size = 0
        self._is_over = False
        self._handshake_counts = False
        self.wants_tls = False

    def handle(self, event: ServerEvent) -> None:
        """Answer one event, now or later."""
        match event:
            case Content(octets):
                self._take(octets)
            case RcptTo(recipient):
                self._later(partial(self._look_up, recipient.forward_path))
            case MailFrom():
                self._open()
            case ContentStart():
                self._begin_content()
            case ContentEnd():
                self._later(self._finish)
            case StartTls():
                self._begin_tls()
            case ContentAbort():
                self._drop_content()
            case _:
                raise LocalProtocolError("a login where nobody logs in")

    def _begin_tls(self) -> None:
        if not self._door.services.handshakes.may_begin(self._story.address):
            self._refuse(Denial(Refusal.TOO_MANY_HANDSHAKES))
            return
        self._core.accept()
        self.wants_tls = not self._core.closing

    def tls_started(self, tls: str) -> None:
        """RFC 3207 4.2: nothing that was known of the client is known any more."""
        self.wants_tls = False
        self._handshake_counts = True
        self._core.tls_started(tls)

    def trust(self, _: Grant) -> None:
        """No network is trusted here."""

    def over(self) -> None:
        """The connection is gone."""
        self._is_over = True
        self._drop_content()

    def _open(self) -> None:
        trouble = self._door.services.health.trouble
        if trouble is not None:
            self._refuse(in_trouble(trouble))
        else:
            self._core.accept()

    # The content

    def _begin_content(self) -> None:
        if self._room.taken >= CONTENTS:
            self._refuse(Denial(Refusal.SPOOL_FULL, "too many reports come in at once"))
            return
        self._room.taken += 1
        self.content, self._size = bytearray(), 0
        self._core.accept()

    def _take(self, octets: bytes) -> None:
        content = self.content
        if content is not None:
            self._size += len(octets)
            if len(content) < READ_OCTETS:
                content += octets[: READ_OCTETS - len(content)]

    def _drop_content(self) -> None:
        if self.content is not None:
            self.content = None
            self._room.taken -= 1

    # Answers that take a look into the store

    def _later(self, work: Callable[[], Awaitable[Denial | None]]) -> None:
        self._shell.spawn(self._answer(work))

    async def _answer(self, work: Callable[[], Awaitable[Denial | None]]) -> None:
        try:
            denial = await work()
        except SpoolUnavailable as error:
            denial = unavailable(error)
        if self._is_over or self._core.closing:
            return
        if denial is None:
            self._core.accept()
        else:
            self._refuse(denial)
        self._shell.proceed()

    async def _look_up(self, address: Mailbox) -> Denial | None:
        """RCPT: is that the address of a message?"""
        if await self._desk.knows(address):
            return None
        return Denial(Refusal.NO_RETURN_ADDRESS, f"{address.address} is no return address")

    async def _finish(self) -> Denial | None:
        """The content is here: see to all that follows from it. It has its place until then."""
        content, self.content = self.content, None
        if content is None:
            # The connection was gone before this began.
            return None
        try:
            # A session whose time is up has no transaction any more, and reads no answer.
            return None if self._core.closing else await self._take_back(bytes(content))
        finally:
            self._room.taken -= 1

    async def _take_back(self, octets: bytes) -> Denial | None:
        envelope, addresses = self._envelope(), [one.forward_path for one in self._core.recipients]
        has_sender = envelope.reverse_path is not None
        came = CameBack(
            octets,
            read_returned(octets, has_sender=has_sender),
            is_whole=self._size == len(octets),
            has_sender=has_sender,
            smtputf8=envelope.smtputf8,
            received=self._received(envelope),
            session_id=self._story.session_id,
        )
        for address in addresses:
            refusal = await self._desk.take(address, came)
            if refusal is not None:
                return Denial(refusal, f"to {address.address}")
        self._story.messages += 1
        if self._handshake_counts:
            # Nobody logs in here: who brings something is the server that it seems to be.
            self._handshake_counts = False
            self._door.services.handshakes.logged_in(self._story.address)
        return None

    def _received(self, envelope: Envelope) -> str:
        core = self._core
        protocol = with_protocol(
            ehlo=core.said_ehlo, tls=bool(core.tls), login=False, smtputf8=envelope.smtputf8
        )
        host_name = self._door.settings.host_name
        return SessionTrace(core.helo, self._story.address, host_name, protocol).received_start()

    def _refuse(self, denial: Denial) -> None:
        self._core.note(denial.refusal)
        self._story.blame(denial.cause)
        self._core.refuse(denial.reply(self._story.text_id))

    def _envelope(self) -> Envelope:
        envelope = self._core.envelope
        if envelope is None:
            raise LocalProtocolError("no transaction is open")
        return envelope
