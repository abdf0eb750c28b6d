"""How Pillarbox signs in somewhere to get access tokens (RFC 6749), and what it asks for. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from pillarbox.mail.envelope import Timestamp


class Flow(StrEnum):
    """How a token is got."""

    CLIENT_SECRET = "client-secret"  # noqa: S105 - the name of a flow
    """The application signs in as itself (RFC 6749 section 4.4)."""
    CERTIFICATE = "certificate"
    """The same, with a key in place of the secret (RFC 7523)."""
    DEVICE_CODE = "device-code"
    """A person signed in with a code on another device (RFC 8628)."""
    BROWSER = "browser"
    """A person signed in with the browser of the administrator (RFC 7636, RFC 8252)."""
    REFRESH_TOKEN = "refresh-token"  # noqa: S105
    """A refresh token was brought from elsewhere."""

    @property
    def is_for_a_person(self) -> bool:
        """Whether there is a refresh token, which has to be kept."""
        return self not in (Flow.CLIENT_SECRET, Flow.CERTIFICATE)


@dataclass(frozen=True, slots=True)
class SignIn:
    """The means of one route to sign in. Two routes never share them.

    Either `authority` ("https://login.microsoftonline.com") and `tenant_id` are Microsoft's, or
    `token_url` is the token endpoint of any other issuer. `grant_id` says where the refresh token
    is kept. `private_key` and `certificate` are PEM. `secret_ends_at` is what the administrator
    said about the secret. `ca_file` names further trusted roots.
    """

    flow: Flow
    client_id: str
    authority: str = ""
    tenant_id: str = ""
    token_url: str = ""
    secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    certificate: str = ""
    secret_ends_at: Timestamp | None = None
    ca_file: str = ""
    grant_id: int = 0

    @property
    def is_microsoft(self) -> bool:
        """Whether Microsoft's own library signs in."""
        return not self.token_url

    @property
    def issuer(self) -> str:
        """The address that is asked for tokens, as people know it."""
        return self.token_url or f"{self.authority}/{self.tenant_id}"


@dataclass(frozen=True, slots=True)
class Access:
    """What a token is wanted for: the means to sign in, and the scopes, separated by blanks."""

    sign_in: SignIn
    scope: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A refresh token that is leased to us. `version` says which one it is."""

    grant_id: int
    refresh_token: str = field(repr=False)
    version: int
