"""Faults that a test orders: the short forms for emulate.faults, the same at each server."""

from pillarbox.emulate.faults import Action, Fault, Faults, Stage


class Orders:
    """What goes wrong, at which stage, how often.

    A stage is `connect`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `data`, `content` (all is
    there and nothing taken) or `taken` (only the answer is due). `times` None goes on for ever,
    `skip` lets so many pass first. `only` narrows it down to one user name at `auth`, one sender
    at `mail`, one recipient at `rcpt` (at Microsoft 365: to one mailbox, at every stage).
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def fail(
        self, stage: str, reply: str, *, times: int | None = 1, skip: int = 0, only: str = ""
    ) -> None:
        """Answer with this reply, say "451 4.3.0 Try later"; one with 421 ends the session."""
        self.faults.order(
            Fault(stage=Stage(stage), reply=reply, times=times, skip=skip, mailbox=only)
        )

    def cut(self, stage: str, *, times: int | None = 1, skip: int = 0, only: str = "") -> None:
        """End the connection without an answer."""
        self._order(stage, Action.CUT, times=times, skip=skip, only=only)

    def hang(self, stage: str, *, times: int | None = 1, skip: int = 0, only: str = "") -> None:
        """Never answer; the client has to give up."""
        self._order(stage, Action.HANG, times=times, skip=skip, only=only)

    def delay(
        self, stage: str, seconds: float, *, times: int | None = 1, skip: int = 0, only: str = ""
    ) -> None:
        """Answer so many seconds later."""
        self.faults.order(
            Fault(
                stage=Stage(stage),
                action=Action.DELAY,
                seconds=seconds,
                times=times,
                skip=skip,
                mailbox=only,
            )
        )

    def _order(
        self, stage: str, action: Action, *, times: int | None, skip: int, only: str
    ) -> None:
        self.faults.order(
            Fault(stage=Stage(stage), action=action, times=times, skip=skip, mailbox=only)
        )
