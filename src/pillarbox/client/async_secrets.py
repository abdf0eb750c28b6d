"""What the asynchronous client logs in with: a password, or a token that one task gets for all."""

import asyncio
import inspect

from pillarbox.client.auth import Auth, OAuth2
from pillarbox.client.errors import ClientError
from pillarbox.client.login_secrets import (
    SHARED_SECONDS,
    Held,
    Shelf,
    fixed_secret,
    late_error,
    token_error,
)


class AsyncSecrets:
    """The secret of one client."""

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        self._shelf: Shelf[asyncio.Task[Held | ClientError]] = Shelf()

    async def get(self, refused: Held | None = None) -> Held:
        """A secret that is good now, other than the refused one. Raises ClientError."""
        auth = self._auth
        if not isinstance(auth, OAuth2):
            return await asyncio.to_thread(fixed_secret, auth)
        loop = asyncio.get_running_loop()
        held = self._shelf.at_hand(loop.time(), refused)
        if held is not None:
            return held
        flight = self._shelf.flight
        if flight is None:
            flight = self._shelf.flight = loop.create_task(self._fly(auth))
        # Who gives up waiting does not stop it for the others.
        outcome = await asyncio.shield(flight)
        if isinstance(outcome, ClientError):
            raise outcome
        return outcome

    async def _fly(self, auth: OAuth2) -> Held | ClientError:
        try:
            async with asyncio.timeout(SHARED_SECONDS):
                return self._shelf.put(await _asked(auth), asyncio.get_running_loop().time())
        except TimeoutError:
            return late_error()
        except Exception as exc:  # noqa: BLE001 - whatever a provider raises
            return token_error(exc)
        finally:
            self._shelf.flight = None


async def _asked(auth: OAuth2) -> object:
    """What the provider gives; a plain function runs in a thread, since it may take its time."""
    provider = auth.token
    if not callable(provider):
        return provider
    given = (
        provider() if inspect.iscoroutinefunction(provider) else await asyncio.to_thread(provider)
    )
    return await given if inspect.isawaitable(given) else given
