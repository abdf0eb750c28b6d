"""The story of a session: what is logged of it, and what is kept when something failed.

A session without a refusal leaves one line in the log. One with refusals is also kept in the
store, so that the id at the end of each refusal leads an administrator to the cause.
"""

from dataclasses import dataclass, field

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.reception.own_look import OWN_LOOK_ADDRESS
from pillarbox.store.records import SessionRecord
from pillarbox.store.sessions import Sessions

RECORDS_PER_SECOND = 50
"""More failed sessions are only logged: a flood must not fill the store."""

_MAX_CAUSE = 500


@dataclass(slots=True)
class Story:
    """What is known of one session beside what its protocol knows.

    `cause` is why the first refusal happened, for administrators only. `tried` is the user name of
    the last login; it stands only in the record, since people type passwords there by mistake.
    """

    session_id: int
    listener: str
    address: str
    started_at: Timestamp
    began: float
    text_id: str = field(init=False)
    login: str = ""
    tried: str = ""
    helo: str = ""
    tls: str = ""
    messages: int = 0
    cause: str = ""
    refusals: list[Refusal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text_id = format_id(self.session_id)

    def blame(self, cause: str) -> None:
        """Remember a private cause; the first one counts."""
        if cause and not self.cause:
            self.cause = cause[:_MAX_CAUSE]


class SessionLog:
    """Writes the stories of one process."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._second = 0
        self._records = 0

    def closed(self, story: Story) -> None:
        """A session has ended."""
        # Each once, in the order of its first time.
        names = " ".join(dict.fromkeys([refusal.name for refusal in story.refusals]))
        log.info(
            "session.closed",
            session_id=story.text_id,
            listener=story.listener,
            address=story.address,
            helo=story.helo,
            login=story.login,
            tls=story.tls,
            messages=story.messages,
            refusals=names,
            cause=story.cause,
            seconds=round(self._clock.seconds() - story.began, 3),
        )
        if not story.refusals:
            return
        for refusal in story.refusals:
            metrics.REFUSALS.labels(refusal.name).inc()
        if not _is_own_look(story) and self._has_room():
            self._sessions.record(
                SessionRecord(
                    session_id=story.session_id,
                    started_at=story.started_at,
                    listener=story.listener,
                    remote_address=story.address,
                    helo=story.helo,
                    login=story.login or story.tried,
                    tls=story.tls,
                    refusals=names,
                    cause=story.cause,
                )
            )

    def _has_room(self) -> bool:
        second = int(self._clock.seconds())
        if second != self._second:
            self._second = second
            self._records = 0
        self._records += 1
        return self._records <= RECORDS_PER_SECOND


def _is_own_look(story: Story) -> bool:
    """The look never logs in: whoever does is somebody else on this machine."""
    return story.address == OWN_LOOK_ADDRESS and not (story.login or story.tried)
