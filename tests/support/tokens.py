"""Asking a source of tokens in tests."""

from collections.abc import Callable

from pillarbox.explain.failures import Failure
from pillarbox.net.oauth import AccessToken, TokenSource
from pillarbox.oauth.sign_in import Access

SECRET = "cLiEnT~SeCrEt.4711"
SCOPE = "https://outlook.office365.com/.default"

SourceMaker = Callable[..., TokenSource]


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


async def value(source: TokenSource, access: Access) -> str:
    """The token, which must come."""
    token = await source.get(access)
    assert isinstance(token, AccessToken), token
    return token.value


async def failure(source: TokenSource, access: Access) -> Failure:
    """Why there is no token."""
    outcome = await source.get(access)
    assert isinstance(outcome, Failure), outcome
    return outcome
