"""What became of a message: one result for each recipient."""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from pillarbox.values import quick

if TYPE_CHECKING:
    from pillarbox.client.errors import ClientError


class SendState(StrEnum):
    """Whether the server has the message for a recipient."""

    ACCEPTED = "accepted"
    """The server said that it has it."""
    REFUSED = "refused"
    """The server does not have it: it refused, or the connection ended before the message did."""
    UNKNOWN = "unknown"
    """The server got all of it, and its answer never came."""


@quick(frozen=True, slots=True)
class RecipientResult:
    """What became of one recipient.

    `code`, `enhanced_code` ("5.1.1", "" without one) and `text` are what the server said, or stand
    for it where it said nothing (`said_by_server`). `is_transient`: the same may work later, best
    after `retry_after` seconds. `cause` and `fix` are set where it was not accepted.
    """

    address: str
    state: SendState
    code: int
    enhanced_code: str
    text: str
    is_transient: bool = False
    retry_after: float | None = None
    cause: str = ""
    fix: str = ""
    said_by_server: bool = True

    @property
    def is_accepted(self) -> bool:
        """Whether the server has the message for this recipient."""
        return self.state is SendState.ACCEPTED

    def __str__(self) -> str:
        reply = " ".join(filter(None, (str(self.code), self.enhanced_code, self.text)))
        return f"{self.address}: {self.state.value}, {reply}"


@quick(frozen=True, slots=True)
class SendResult:
    """What became of a message. `server` is "host:port"; `tls` is version and cipher, "" in the
    clear. `dsn`: the server took over what was asked about delivery reports. `error`: what send()
    raises, where nobody was accepted."""

    recipients: tuple[RecipientResult, ...]
    server: str
    tls: str = ""
    dsn: bool = False
    error: "ClientError | None" = None

    @property
    def is_complete(self) -> bool:
        """Whether all recipients were accepted."""
        return self.error is None and all(one.is_accepted for one in self.recipients)

    @property
    def accepted(self) -> tuple[RecipientResult, ...]:
        """Those for whom the server has the message."""
        return self._with(SendState.ACCEPTED)

    @property
    def refused(self) -> tuple[RecipientResult, ...]:
        """Those for whom the server does not have it."""
        return self._with(SendState.REFUSED)

    @property
    def unknown(self) -> tuple[RecipientResult, ...]:
        """Those of whom nobody knows."""
        return self._with(SendState.UNKNOWN)

    def __getitem__(self, address: str) -> RecipientResult:
        for one in self.recipients:
            if one.address == address:
                return one
        raise KeyError(address)

    def __iter__(self) -> Iterator[RecipientResult]:
        return iter(self.recipients)

    def _with(self, state: SendState) -> tuple[RecipientResult, ...]:
        return tuple(one for one in self.recipients if one.state is state)
