"""Values that go into the store and come out of it, beside the messages themselves
(mail.spooled): what an attempt changes, and who may send. Frozen; no SQL, no I/O."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from pillarbox.mail.address import Mailbox
from pillarbox.mail.dkim import SigningKey
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.mail.reply import Reply
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.retry import RetryPolicy
from pillarbox.route import RouteTable
from pillarbox.values import quick

_USUAL_RETRY = RetryPolicy()


@quick(frozen=True, slots=True)
class RecipientRecord:
    """What becomes of one recipient after an attempt (or without one: expiry, delay notice).

    `attempts` counts the tries including this one. `next_attempt_at` is None when `state` is final
    and while it is HELD. `reply`, `remote_host` and `tls` go into the trace.
    """

    number: int
    state: RecipientState
    next_attempt_at: Timestamp | None
    attempts: int
    reply: Reply
    remote_host: str = ""
    tls: str = ""
    delay_notified: bool = False


class OvertakenError(Exception):
    """Some recipients of a settlement do not stand any more where the attempt found them, so
    nothing of it was recorded: its DSN names them, too. `standing` are the numbers of the others,
    for whom a settlement of their own counts."""

    def __init__(self, standing: frozenset[int]) -> None:
        super().__init__(f"only recipients {sorted(standing)} stand where the attempt found them")
        self.standing = standing


@quick(frozen=True, slots=True)
class Settlement:
    """The result of one attempt at one message, recorded in one transaction with its DSNs.

    It counts only while `lane_id` is leased to `owner` and each recipient stands where the attempt
    found it; where only some do, it is OvertakenError. `attempt` False: nothing was tried, so no
    trace row is written and `attempts` of the records is what it was. `keep_content_until` keeps
    the content after the last recipient is final. `may_have_file`: the content is, or may be, more
    than a row beside the message.
    """

    queue_id: int
    lane_id: int
    owner: str
    started_at: Timestamp
    duration_ms: int
    finished_at: Timestamp
    records: tuple[RecipientRecord, ...]
    keep_content_until: Timestamp | None = None
    dsns: tuple[SpooledMessage, ...] = ()
    attempt: bool = True
    may_have_file: bool = False


@quick(frozen=True, slots=True)
class Tenant:
    """One tenant with all that the service asks of it. None: the limit of the service holds.

    `domains` are lower-case A-labels; `dkim_keys` has the keys that sign by their domain, and
    `return_paths` the domain to which mail comes back that was sent from one.
    """

    tenant_id: int
    name: str
    domains: frozenset[str]
    routes: RouteTable
    retry: RetryPolicy = _USUAL_RETRY
    keep_content_days: int = 0
    size_limit_octets: int | None = None
    recipient_limit: int | None = None
    account_recipients_per_day: int | None = None
    suppress_days: int = 0
    dkim_keys: Mapping[str, tuple[SigningKey, ...]] = field(default_factory=dict, hash=False)
    return_paths: Mapping[str, str] = field(default_factory=dict, hash=False)

    def return_path_for(self, domain: str) -> str:
        """The domain to which mail with a sender in this one comes back: its own return path, else
        that of the nearest domain above it; "" where there is none."""
        paths = self.return_paths
        while domain and paths:
            if domain in paths:
                return paths[domain]
            domain = domain.partition(".")[2]
        return ""

    def keys_for(self, domain: str) -> tuple[SigningKey, ...]:
        """The keys that sign mail from this domain: its own, else those of the nearest domain
        above it, which DMARC takes as aligned, too (RFC 9989: relaxed alignment)."""
        while domain:
            keys = self.dkim_keys.get(domain)
            if keys is not None:
                return keys
            domain = domain.partition(".")[2]
        return ()


@quick(frozen=True, slots=True)
class Account:
    """Who may send. `send_as` holds the keys of the addresses that the account may use, its own
    included, and "@domain" for every address of a domain. `credential_id` is the credential by
    which it was found, None if by none. `recipients_per_day` is its own limit, else that of its
    tenant; None: neither has any. `is_held`: what it sends is taken, and held for a person to
    decide."""

    account_id: int
    tenant: Tenant
    address: Mailbox
    credential_id: int | None
    send_as: frozenset[str]
    recipients_per_day: int | None = None
    is_held: bool = False


class CredentialKind(StrEnum):
    """How an account proves itself."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    NETWORK = "network"
    OAUTH2 = "oauth2"


@quick(frozen=True, slots=True)
class PasswordCredential:
    """One password of an account; the password itself is not known, only its Argon2id hash and,
    where SCRAM is in use, its verifier ("" if there is none)."""

    credential_id: int
    label: str
    password_hash: str = field(repr=False)
    expires_at: Timestamp | None = None
    scram_verifier: str = field(default="", repr=False)


@quick(frozen=True, slots=True)
class SubjectCredential:
    """Whose tokens log an account in: of this issuer, where this claim says `subject`."""

    credential_id: int
    label: str
    issuer: str
    claim: str
    subject: str
    expires_at: Timestamp | None = None


@quick(frozen=True, slots=True)
class Issuer:
    """Who issues the tokens of a tenant (`url`, with `ca_file` where it has a CA of its own), for
    which audiences, and which claim names the subject. `scope`: "" or one that tokens must have."""

    url: str
    audiences: frozenset[str]
    claim: str = "sub"
    scope: str = ""
    ca_file: str = ""


@quick(frozen=True, slots=True)
class LoginRecord:
    """An account with the passwords of which one has to match, and the subjects of its tenant's
    issuer whose tokens are good for it. Expired ones are left in: whether one is expired
    depends on the moment of the login."""

    account: Account
    credentials: tuple[PasswordCredential, ...]
    subjects: tuple[SubjectCredential, ...] = ()


@quick(frozen=True, slots=True)
class SessionRecord:
    """What a session did that ended with a refusal.

    `refusals` are names of explain.refusals, blank separated, each once; `cause` is the private
    reason for the first, for administrators only.
    """

    session_id: int
    started_at: Timestamp
    listener: str
    remote_address: str
    helo: str
    login: str
    tls: str
    refusals: str
    cause: str
