"""The exception tree of Pillarbox.

    PillarboxError
    ├── ConfigError           the configuration is wrong; carries every problem at once
    ├── AddressError          text is no mailbox or domain (RFC 5321 4.1.2, RFC 6531 3.3)
    ├── LocalProtocolError    our own code drove a protocol core wrongly
    ├── RemoteProtocolError   the other side broke the protocol
    ├── SpoolUnavailable      the spool can not take or record anything now
    ├── DirectoryError        a tenant, account, route … can not be shown or changed as asked
    │   └── NoSuchEntry
    ├── FetchError            a document can not be had over HTTPS
    └── SecretError           a sealed secret can not be opened (wrong or missing master key)

Refusals inside an SMTP session are `Reply` values (pillarbox.mail.reply), not exceptions.
"""

from enum import StrEnum
from typing import NamedTuple


class PillarboxError(Exception):
    """Base of all errors that Pillarbox raises on purpose."""


class Problem(NamedTuple):
    """One thing that is wrong in a configuration: where, what, and what to write instead.

    No dataclass: importing those takes longer than all else that the sendmail program imports.
    """

    path: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" + (f" (hint: {self.hint})" if self.hint else "")


class ConfigError(PillarboxError):
    """The configuration can not be used; `problems` lists all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class AddressError(PillarboxError):
    """Text is not a mailbox, path or domain."""


class LocalProtocolError(PillarboxError):
    """A protocol core was called in a state in which that call makes no sense: a bug of ours."""


class RemoteProtocolError(PillarboxError):
    """The other side sent what the protocol does not allow."""


class SpoolTrouble(StrEnum):
    """Why the spool refuses; each has its own reply (RFC 3463)."""

    FULL = "full"
    """The disk is below the reserve: 452 4.3.1."""
    AWAY = "away"
    """The database does not answer: 451 4.3.0."""
    BAD = "bad"
    """A sync or write failed, so nothing is taken until a restart from durable state: 451 4.3.0."""


class SpoolUnavailable(PillarboxError):
    """The spool can not take a message or record a result now; nothing was stored.

    `is_lost`: its file is damaged or no database, so no other try helps.
    """

    def __init__(self, trouble: SpoolTrouble, cause: str, *, is_lost: bool = False) -> None:
        super().__init__(f"{trouble.value}: {cause}")
        self.trouble = trouble
        self.cause = cause
        self.is_lost = is_lost


class DirectoryError(PillarboxError):
    """A change or look-up in the directory is not possible; the text names the fix."""


class NoSuchEntry(DirectoryError):
    """There is no tenant, account, route … that is named so."""


class DnsFailure(PillarboxError):
    """The DNS gave no answer: neither records nor that there are none."""


class FetchError(PillarboxError):
    """A document could not be fetched, or is not what it should be; told to administrators."""


class SecretError(PillarboxError):
    """A sealed secret can not be opened."""
