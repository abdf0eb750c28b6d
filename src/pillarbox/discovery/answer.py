"""The answer to "how is mail of this address to be sent", as a value. Pure."""

from dataclasses import dataclass

from pillarbox.discovery.findings import Asked, CheckState, Login
from pillarbox.discovery.ranking import Asking, Suggestion
from pillarbox.publish.client_settings import ClientSettings


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found for `query`. `suggestions` stand best first; `rejected` were named by some
    source and can not be used; `trouble` is what kept the search from being made."""

    query: str
    asking: Asking
    suggestions: tuple[Suggestion, ...] = ()
    rejected: tuple[Suggestion, ...] = ()
    asked: tuple[Asked, ...] = ()
    trouble: str = ""

    @property
    def best(self) -> Suggestion | None:
        """The suggestion to take, None where nothing was found."""
        return self.suggestions[0] if self.suggestions else None


def takes_passwords(suggestion: Suggestion) -> bool:
    """Whether a client that can do nothing but a password can log in there."""
    return suggestion.logins != (Login.OAUTH2,)


def client_settings(suggestion: Suggestion, asking: Asking) -> ClientSettings:
    """What a client has to enter for a suggestion: the ways to it that were not found bad."""
    pairs = zip(suggestion.offers, suggestion.checks, strict=True)
    good = tuple(offer.door for offer, check in pairs if check.state is not CheckState.BAD)
    doors = good or tuple(offer.door for offer in suggestion.offers)
    return ClientSettings(
        server=suggestion.host,
        doors=doors,
        username=suggestion.offers[0].username or asking.address,
        sender_address=asking.address,
        mechanisms=suggestion.mechanisms or suggestion.known_mechanisms or ("PLAIN", "LOGIN"),
    )
