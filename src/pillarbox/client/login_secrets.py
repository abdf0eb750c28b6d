"""What a client logs in with, and how long it is good. Pure, but for the keyring."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pillarbox.client.auth import AccessToken, Auth, Keyring, Password
from pillarbox.client.errors import ClientError, TokenError

RENEW_SECONDS = 300.0
"""A token is renewed so long before it ends, or at half its life where that is shorter."""

NEW_SECONDS = 60.0
"""A token that is refused when it is younger than this would be refused again."""

SHARED_SECONDS = 960.0
"""So long others wait for a token that one of them asks for: a person may have to enter a code."""

_UNUSABLE = frozenset(map(chr, (*range(0x21), 0x7F)))


@dataclass(frozen=True, slots=True)
class Held:
    """A secret, with the monotonic times at which it came and from which it is renewed."""

    value: str = field(repr=False)
    got_at: float = 0.0
    renew_at: float = float("inf")

    def may_be_renewed(self, now: float) -> bool:
        """Whether another one would fare better, now that a server refused it."""
        return now - self.got_at >= NEW_SECONDS


F = TypeVar("F")


class Shelf(Generic[F]):
    """The token at hand, and the flight in which the next one is asked for; `F` is what others
    wait on."""

    def __init__(self) -> None:
        self._held: Held | None = None
        self.flight: F | None = None

    def at_hand(self, now: float, refused: Held | None = None) -> Held | None:
        """A token that is good, and not the one that a server refused."""
        held = self._held
        if held is None or held == refused or now >= held.renew_at:
            return None
        return held

    def put(self, given: object, now: float) -> Held:
        """Keep what a provider gave. Raises TokenError where it is no token."""
        made = AccessToken(given) if isinstance(given, str) else given
        if not isinstance(made, AccessToken) or not _is_usable(made.value):
            raise TokenError(
                "the token provider gave no token",
                fix="Return a str of printable ASCII, or AccessToken(value, expires_in)",
            )
        life = made.expires_in
        renew_at = now if life is None else now + life - min(RENEW_SECONDS, life / 2)
        self._held = Held(made.value, now, renew_at)
        return self._held


def fixed_secret(auth: Auth | None) -> Held:
    """The secret that needs no provider. Raises ClientError."""
    if isinstance(auth, Password):
        return Held(auth.password)
    if isinstance(auth, Keyring):
        from pillarbox.client.keyrings import password_from_keyring

        return Held(password_from_keyring(auth.service, auth.username))
    return Held("")


def token_error(exc: Exception) -> ClientError:
    """What a provider raised, as an error of ours."""
    if isinstance(exc, ClientError):
        return exc
    error = TokenError(
        f"there is no access token: the provider raised {type(exc).__name__}",
        cause="What gives the tokens failed; its own error is chained to this one.",
        fix="Call the provider by itself, and mend what it raises",
        is_transient=isinstance(exc, OSError),
    )
    error.__cause__ = exc
    return error


def late_error() -> TokenError:
    """The provider takes too long."""
    return TokenError(
        "there is no access token: the provider did not answer in time",
        cause="What gives the tokens hangs.",
        fix="Give the provider a time limit of its own",
        is_transient=True,
    )


def _is_usable(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and bool(value) and not _UNUSABLE & set(value)
