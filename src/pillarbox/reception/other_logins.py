"""Logins of one session in which no password is sent: a token, or a proof by SCRAM."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from pillarbox.errors import LocalProtocolError
from pillarbox.policy.authenticate import Grant, Verdict
from pillarbox.policy.denial import Denial
from pillarbox.policy.scram_logins import Proving, ScramLogins
from pillarbox.reception.services import Services
from pillarbox.reception.sessions import Story
from pillarbox.smtp.events import BearerToken, ScramEnd, ScramFinal, ScramFirst, TokenLogin
from pillarbox.smtp.server import ServerProtocol

Step: TypeAlias = TokenLogin | ScramFirst | ScramFinal | ScramEnd


class Session(Protocol):
    """What is asked of the dialogue."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run what can not be done at once."""
        ...

    def proceed(self) -> None:
        """An answer was given."""
        ...

    def is_asked(self) -> bool:
        """Whether the core still waits for it."""
        ...


class OtherLogins:
    """Takes the steps of such logins; `end` answers the last one."""

    __slots__ = ("_core", "_end", "_proof", "_services", "_session", "_story")

    def __init__(
        self,
        services: Services,
        core: ServerProtocol,
        story: Story,
        session: Session,
        end: Callable[[Verdict], None],
    ) -> None:
        self._services = services
        self._core = core
        self._story = story
        self._session = session
        self._end = end
        self._proof: Proving | Grant | None = None

    def take(self, step: Step) -> None:
        """Answer one step, now or later."""
        match step:
            case TokenLogin(presented):
                self._session.spawn(self._check(presented))
            case ScramFirst():
                self._session.spawn(self._begin(step))
            case ScramFinal(message):
                self._prove(message)
            case ScramEnd():
                if not isinstance(self._proof, Grant):
                    raise LocalProtocolError("an end without a proof")
                self._end(self._proof)

    async def _check(self, presented: BearerToken) -> None:
        self._story.tried = presented.username
        verdict = await self._services.tokens.check(presented, self._story.address)
        if self._session.is_asked():
            self._end(verdict)
            self._session.proceed()

    async def _begin(self, first: ScramFirst) -> None:
        self._story.tried = first.username
        begun = await self._scram().begin(first)
        if not self._session.is_asked():
            return
        if isinstance(begun, Denial):
            self._end(begun)
        else:
            self._proof = begun
            self._core.challenge(begun.challenge)
        self._session.proceed()

    def _prove(self, message: str) -> None:
        if not isinstance(self._proof, Proving):
            raise LocalProtocolError("a proof without its beginning")
        answer = self._scram().prove(self._proof, message, self._story.address)
        if isinstance(answer, Denial):
            self._end(answer)
        else:
            self._proof = answer.grant
            self._core.challenge(answer.signature)

    def _scram(self) -> ScramLogins:
        if self._services.scram is None:
            raise LocalProtocolError("SCRAM is off and was offered")
        return self._services.scram
