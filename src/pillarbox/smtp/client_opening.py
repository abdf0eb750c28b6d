"""How a session of the client side is to be opened, and what its steps fail with. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.explain.failures import FailureKind
from pillarbox.smtp.client_login import Login, Token
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_replies import RawReply
from pillarbox.smtp.client_scram import Scrambling

OPENING_FAILURES = {
    Phase.GREETING: FailureKind.GREETING_REFUSED,
    Phase.HELLO: FailureKind.HELLO_REFUSED,
    Phase.STARTTLS: FailureKind.TLS_REFUSED,
}


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How a session is to be opened.

    `starttls` is a demand: without TLS nothing is sent. With `opportunistic` it is used where it is
    offered; `clear_login` says whether a login may then go without it. `username` "" means no
    login; with a `token` of OAuth2 the password does not count. `watch` is told every reply.
    """

    helo_name: str
    starttls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    token: Token | None = None
    mechanisms: tuple[str, ...] = ()
    scrambling: Scrambling | None = None
    opportunistic: bool = False
    clear_login: bool = True
    watch: Callable[[RawReply], None] | None = None

    @property
    def login(self) -> Login:
        """Who logs in."""
        return Login(self.username, self.password, self.token, self.mechanisms, self.scrambling)

    @property
    def may_go_clear(self) -> bool:
        """Whether a server without STARTTLS is used."""
        return self.opportunistic and (self.clear_login or not self.username)
