"""What the service decides in a session: an answer to each event of the protocol core.

Most answers come at once, from memory. Those that need a thread, the store or a commit come later
and call `proceed`; the protocol core waits for them meanwhile. It knows no transport.
"""

from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol

from pillarbox.errors import SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.message import received_start
from pillarbox.policy.authenticate import Grant, Verdict
from pillarbox.policy.denial import Denial
from pillarbox.policy.sending_limits import Charge
from pillarbox.reception.content import IncomingContent
from pillarbox.reception.intake import Accepted, Answer, Submitted, in_trouble, unavailable
from pillarbox.reception.other_logins import OtherLogins, Step
from pillarbox.reception.services import Door
from pillarbox.reception.sessions import Story
from pillarbox.route import Route
from pillarbox.smtp.events import (
    Content,
    ContentAbort,
    ContentEnd,
    ContentStart,
    Credentials,
    Login,
    MailFrom,
    RcptTo,
    ScramEnd,
    ScramFinal,
    ScramFirst,
    ServerEvent,
    StartTls,
    TokenLogin,
)
from pillarbox.smtp.server import ServerProtocol
from pillarbox.store.records import Account


class Shell(Protocol):
    """What is asked of the connection."""

    def proceed(self) -> None:
        """An answer was given, or there is room for content again."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run what can not be done at once. Its failure ends the session."""
        ...


class Dialogue:
    """The decisions of one session. `wants_tls` is set when the 220 of STARTTLS is queued,
    `content` while some is on its way.

    There is a `_grant` from the login on, and an `_envelope` and `_routes` from MAIL on: the core
    asks for nothing that needs them before.
    """

    __slots__ = (
        "_by_network",
        "_core",
        "_door",
        "_envelope",
        "_grant",
        "_is_ending",
        "_is_over",
        "_other_logins",
        "_routes",
        "_services",
        "_shell",
        "_story",
        "content",
        "wants_tls",
    )

    _grant: Grant
    _envelope: Envelope
    _routes: list[Route]

    def __init__(self, door: Door, core: ServerProtocol, story: Story, shell: Shell) -> None:
        self._door = door
        self._services = door.services
        self._core = core
        self._story = story
        self._shell = shell
        self._other_logins: OtherLogins | None = None
        self._by_network = False
        self._is_ending = False
        self._is_over = False
        self.content: IncomingContent | None = None
        self.wants_tls = False

    @property
    def is_blocked(self) -> bool:
        """Whether reading must wait for the store."""
        return self.content is not None and self.content.is_blocked

    def handle(self, event: ServerEvent) -> None:
        """Answer one event, now or later."""
        # In order of how often they come: a match takes each for several operations.
        if type(event) is RcptTo:
            self._choose_route(event.recipient)
        elif type(event) is Content:
            (self.content or self._new_content()).take(event.octets)
        elif type(event) is MailFrom:
            self._open(event.envelope)
        elif type(event) is ContentStart:
            self._core.accept()
        elif type(event) is ContentEnd:
            self._finish_content()
        else:
            self._handle_rare(event)

    def _handle_rare(self, event: ServerEvent) -> None:
        match event:
            case Login(credentials):
                self._log_in(credentials)
            case TokenLogin() | ScramFirst() | ScramFinal() | ScramEnd():
                self._log_in_otherwise(event)
            case StartTls():
                self._begin_tls()
            case ContentAbort():
                self._discard_content()
            case _:
                pass

    def _begin_tls(self) -> None:
        if not self._services.handshakes.may_begin(self._story.address):
            self._refuse(Denial(Refusal.TOO_MANY_HANDSHAKES))
            return
        self._core.accept()
        # Refused by the core itself where something was pipelined behind it.
        self.wants_tls = not self._core.closing

    def tls_started(self, tls: str) -> None:
        """RFC 3207 4.2: nothing that was known of the client is known any more."""
        self.wants_tls = False
        self._core.tls_started(tls)
        if self._by_network:
            self._services.handshakes.logged_in(self._story.address)

    def trust(self, grant: Grant) -> None:
        """The client's network address is its login."""
        self._core.trust()
        self._by_network = True
        self._set_grant(grant)
        if self._core.tls:
            self._services.handshakes.logged_in(self._story.address)

    def over(self) -> None:
        """The connection is gone: what is under way comes to nobody."""
        self._is_over = True
        if self.content is not None:
            self._discard_content()

    # Login

    def _log_in(self, credentials: Credentials) -> None:
        self._story.tried = credentials.username
        known = self._services.authenticator.recall(credentials, self._story.address)
        if known is None:
            self._shell.spawn(self._check_login(credentials))
        else:
            self._end_login(known)

    async def _check_login(self, credentials: Credentials) -> None:
        verdict = await self._services.authenticator.check(credentials, self._story.address)
        if self.is_asked():
            self._end_login(verdict)
            self._shell.proceed()

    def _log_in_otherwise(self, step: Step) -> None:
        if self._other_logins is None:
            self._other_logins = OtherLogins(
                self._services, self._core, self._story, self, self._end_login
            )
        self._other_logins.take(step)

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run what can not be done at once, for a part of the dialogue."""
        return self._shell.spawn(work)

    def proceed(self) -> None:
        """A part of the dialogue has given an answer."""
        self._shell.proceed()

    def _end_login(self, verdict: Verdict) -> None:
        if isinstance(verdict, Denial):
            self._refuse(verdict)
            return
        self._by_network = False
        self._set_grant(verdict)
        self._services.handshakes.logged_in(self._story.address)
        self._core.accept()

    def _set_grant(self, grant: Grant) -> None:
        self._grant = grant
        account = grant.account
        rules = self._services.rules
        self._core.set_account(
            account.address.address,
            size_limit_octets=rules.size_limit_octets(account),
            recipient_limit=rules.recipient_limit(account),
        )

    # The envelope

    def _open(self, envelope: Envelope) -> None:
        services, grant = self._services, self._grant
        trouble = services.health.trouble
        if trouble is not None:
            self._refuse(in_trouble(trouble))
        elif not services.authenticator.is_current(grant):
            self._shell.spawn(self._renew(envelope))
        else:
            self._judge_sender(grant.account, envelope)

    async def _renew(self, envelope: Envelope) -> None:
        """Something in the directory has changed since this session logged in."""
        services = self._services
        if self._by_network:
            verdict = await services.networks.renew(self._grant, self._story.address)
        else:
            verdict = await services.authenticator.renew(self._grant)
        if not self.is_asked():
            return
        if isinstance(verdict, Denial):
            self._refuse(verdict)
        else:
            self._set_grant(verdict)
            self._judge_sender(verdict.account, envelope)
        self._shell.proceed()

    def _judge_sender(self, account: Account, envelope: Envelope) -> None:
        denial = self._services.rules.on_mail(account, envelope)
        if denial is not None:
            self._refuse(denial)
            return
        self._envelope, self._routes = envelope, []
        self._core.accept()

    def _choose_route(self, recipient: Recipient) -> None:
        services, account = self._services, self._grant.account
        route = services.rules.on_rcpt(account, self._envelope, recipient.forward_path)
        if isinstance(route, Denial):
            self._refuse(route)
            return
        denial = services.sending.on_rcpt(account, len(self._routes) + 1)
        if denial is not None:
            self._refuse(denial)
            return
        self._routes.append(route)
        self._core.accept()

    # The content

    def _new_content(self) -> IncomingContent:
        services = self._services
        content = IncomingContent(
            services.ids.next_id(services.clock.timestamp()),
            services.chunks,
            budget=services.budget,
            head_limit=services.limits.header_octets,
            spawn=self._shell.spawn,
            is_hashed=bool(self._grant.account.tenant.dkim_keys),
        )
        content.on_change = self._content_changed
        self.content = content
        return content

    def _finish_content(self) -> None:
        content = self.content or self._new_content()
        if content.finish():
            self._charge(content)
        else:
            self._is_ending = True

    def _content_changed(self) -> None:
        content = self.content
        if self._is_ending and content is not None and content.is_ready and self.is_asked():
            self._is_ending = False
            self._charge(content)
        self._shell.proceed()

    def _charge(self, content: IncomingContent) -> None:
        """Charge the message against the limit of its account, and submit it."""
        # From here on it is not to be thrown away when the client goes.
        self.content = None
        charge = self._services.sending.charge(self._grant.account, len(self._routes))
        if charge is None:
            self._shell.spawn(self._charge_later(content))
        else:
            self._submit(content, charge)

    async def _charge_later(self, content: IncomingContent) -> None:
        sending = self._services.sending
        answer: Charge | Denial
        try:
            answer = await sending.lease_and_charge(self._grant.account, len(self._routes))
        except SpoolUnavailable as error:
            answer = unavailable(error)
        except BaseException:
            content.discard()
            raise
        if isinstance(answer, Charge) and self.is_asked():
            self._submit(content, answer)
            return
        content.discard()
        if isinstance(answer, Charge):
            sending.give_back(answer)
        else:
            self._answer_content(None, answer)

    def _submit(self, content: IncomingContent, charge: Charge) -> None:
        story, core, envelope = self._story, self._core, self._envelope
        start = received_start(
            *(core.helo, story.address, self._door.settings.host_name),
            *(core.said_ehlo, bool(core.tls), core.authenticated, envelope.smtputf8),
        )
        self._services.intake.submit(
            Submitted(
                account=self._grant.account,
                session_id=story.session_id,
                envelope=envelope,
                recipients=core.recipients,
                routes=self._routes,
                received_start=start,
                content=content,
            ),
            partial(self._answer_content, charge),
        )

    def _answer_content(self, charge: Charge | None, answer: Answer) -> None:
        if isinstance(answer, Accepted):
            self._story.messages += 1
        elif charge is not None:
            self._services.sending.give_back(charge)
        if self._is_over or self._core.closing:
            return
        if isinstance(answer, Accepted):
            self._core.accept(answer.reply())
        else:
            self._refuse(answer)
        self._shell.proceed()

    def _discard_content(self) -> None:
        content, self.content = self.content, None
        if content is not None:
            content.discard()

    # Answers

    def is_asked(self) -> bool:
        """Whether the core still waits for the answer that was being sought."""
        return not self._is_over and not self._core.closing

    def _refuse(self, denial: Denial) -> None:
        self._core.note(denial.refusal)
        self._story.blame(denial.cause)
        self._core.refuse(denial.reply(self._story.text_id))
