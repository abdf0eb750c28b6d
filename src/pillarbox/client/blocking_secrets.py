"""What the blocking client logs in with: a password, or a token that one thread gets for all."""

import inspect
import threading
import time

from pillarbox.client.auth import Auth, OAuth2
from pillarbox.client.errors import ArgumentError, ClientError
from pillarbox.client.login_secrets import (
    SHARED_SECONDS,
    Held,
    Shelf,
    fixed_secret,
    late_error,
    token_error,
)


class _Flight:
    """One call of the provider, which other threads wait for."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self.outcome: Held | ClientError | None = None
        """None: who called was interrupted."""


class BlockingSecrets:
    """The secret of one client."""

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        self._lock = threading.Lock()
        self._shelf: Shelf[_Flight] = Shelf()

    def get(self, refused: Held | None = None) -> Held:
        """A secret that is good now, other than the refused one. Raises ClientError."""
        if not isinstance(self._auth, OAuth2):
            return fixed_secret(self._auth)
        while True:
            with self._lock:
                held = self._shelf.at_hand(time.monotonic(), refused)
                if held is not None:
                    return held
                flight = self._shelf.flight
                is_first = flight is None
                if flight is None:
                    flight = self._shelf.flight = _Flight()
            if is_first:
                self._fly(flight, self._auth)
            elif not flight.is_over.wait(SHARED_SECONDS):
                raise late_error()
            if isinstance(flight.outcome, ClientError):
                raise flight.outcome
            if flight.outcome is not None:
                return flight.outcome

    def _fly(self, flight: _Flight, auth: OAuth2) -> None:
        try:
            given = _asked(auth)
            flight.outcome = self._shelf.put(given, time.monotonic())
        except Exception as exc:  # noqa: BLE001 - whatever a provider raises
            flight.outcome = token_error(exc)
        finally:
            with self._lock:
                self._shelf.flight = None
            flight.is_over.set()


def _asked(auth: OAuth2) -> object:
    """What the provider gives."""
    given = auth.token() if callable(auth.token) else auth.token
    if not inspect.isawaitable(given):
        return given
    if inspect.iscoroutine(given):
        given.close()
    raise ArgumentError(
        "the token provider is asynchronous",
        fix="Use connect_async(), or a provider that is a plain function",
    )
