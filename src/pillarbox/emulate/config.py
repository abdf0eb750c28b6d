"""What the emulator plays: tenants with their mailboxes and apps, limits, ports and switches.

A TOML file or, in a program, these objects. Everything has a default: without a file there is one
tenant, `contoso.example`, with two mailboxes and one app (`sample_config`).
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pillarbox.emulate.switches import SwitchError, check_switch
from pillarbox.errors import AddressError, ConfigError, Problem
from pillarbox.mail.address import parse_mailbox

SAMPLE_TENANT = "11111111-2222-3333-4444-555555555555"
SAMPLE_APP = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SAMPLE_SECRET = "sample~secret.of.the.app"  # noqa: S105 -- known to everybody, of no use elsewhere
SAMPLE_PASSWORD = "sample-password"  # noqa: S105
SAMPLE_MAILBOX = "printer@contoso.example"
SAMPLE_SHARED = "alerts@contoso.example"

SMTP_ROLE = "SMTP.SendAsApp"
GRAPH_SEND = "Mail.Send"
GRAPH_WRITE = "Mail.ReadWrite"
SMTP_SCOPE = "SMTP.Send"

MIB = 1024 * 1024


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _address(text: str) -> str:
    try:
        return parse_mailbox(text).key
    except AddressError as error:
        raise ValueError(f"is no address: {error}") from error


class Mailbox(_Strict):
    """A mailbox that sends. `send_as` names further addresses that it may use, `delegates` the
    mailboxes whose users have full access to it (a shared mailbox has some and no password)."""

    address: str
    password: str = Field(default="", repr=False)
    aliases: tuple[str, ...] = ()
    send_as: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()

    @field_validator("address")
    @classmethod
    def _one(cls, value: str) -> str:
        return _address(value)

    @field_validator("aliases", "send_as", "delegates")
    @classmethod
    def _many(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_address, value))


class App(_Strict):
    """An app registration and its service principal.

    `roles` are application permissions with consent. `mailboxes`: those to which it has full
    access (Add-MailboxPermission); `rbac_mailboxes`: those that RBAC for Applications gives to it,
    which count where the token has no SMTP.SendAsApp. `certificate` is PEM, or the path of it
    (in a file: from the folder of that file).
    """

    client_id: str
    secret: str = Field(default="", repr=False)
    certificate: str = ""
    roles: tuple[str, ...] = (SMTP_ROLE, GRAPH_SEND, GRAPH_WRITE)
    scopes: tuple[str, ...] = (SMTP_SCOPE, GRAPH_SEND, GRAPH_WRITE)
    mailboxes: tuple[str, ...] = ()
    rbac_mailboxes: tuple[str, ...] = ()

    @field_validator("mailboxes", "rbac_mailboxes")
    @classmethod
    def _many(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_address, value))

    @field_validator("certificate")
    @classmethod
    def _pem(cls, value: str, info: ValidationInfo) -> str:
        if not value or value.startswith("-----BEGIN"):
            return value
        folder = Path(info.context) if isinstance(info.context, Path) else Path()
        try:
            return (folder / value).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the certificate can not be read: {error}") from error


class Tenant(_Strict):
    """An organisation. `licences` set its limit of external recipients a day."""

    id: str
    domains: tuple[str, ...]
    licences: int = Field(default=1000, ge=1)
    mailboxes: tuple[Mailbox, ...] = ()
    apps: tuple[App, ...] = ()

    @field_validator("domains")
    @classmethod
    def _lower(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.lower() for name in value)


class Limits(_Strict):
    """Microsoft's limits; smaller ones make quick tests."""

    smtp_connections: int = Field(default=3, ge=1)
    messages: int = Field(default=30, ge=1)
    """So many messages a mailbox in `messages_seconds`; what exceeds them is answered late."""
    messages_seconds: float = Field(default=60.0, gt=0)
    recipients_a_day: int = Field(default=10_000, ge=1)
    recipients_a_message: int = Field(default=500, ge=1, le=1000)
    message_octets: int = Field(default=35 * MIB, ge=1)
    """MaxSendSize of a mailbox; EHLO announces 150 MiB whatever this is."""
    onmicrosoft_recipients: int = Field(default=100, ge=0)
    graph_parallel: int = Field(default=4, ge=1)
    graph_requests: int = Field(default=10_000, ge=1)
    graph_requests_seconds: float = Field(default=600.0, gt=0)
    graph_upload_octets: int = Field(default=150 * MIB, ge=1)
    graph_upload_seconds: float = Field(default=300.0, gt=0)
    graph_request_octets: int = Field(default=4 * MIB, ge=1)
    graph_attachment_least_octets: int = Field(default=3 * MIB, ge=1)
    """Smaller attachments have no upload session."""
    graph_seconds: float = Field(default=0.02, ge=0)
    """How long Graph works on a request."""
    graph_retry_seconds: int = Field(default=2, ge=1)
    """Retry-After where too many requests run in parallel."""
    token_seconds: int = Field(default=3599, ge=1)
    device_code_seconds: int = Field(default=900, ge=1)
    device_code_interval_seconds: int = Field(default=5, ge=1)
    kept_messages: int = Field(default=50_000, ge=1)
    kept_octets: int = Field(default=512 * MIB, ge=1)
    """Older messages are forgotten."""


class Ports(_Strict):
    """Ports of 127.0.0.1; 0 takes a free one."""

    smtp: int = Field(default=0, ge=0, le=65535)
    login: int = Field(default=0, ge=0, le=65535)
    graph: int = Field(default=0, ge=0, le=65535)
    control: int = Field(default=0, ge=0, le=65535)


class EmulatorConfig(_Strict):
    """All of it. `folder` keeps the authority and certificate from one start to the next; without
    it they are made anew. `seed` decides which requests a fault of so many percent hits."""

    kind: Literal["m365"] = "m365"
    host_name: str = "emulate01.outlook.office365.example"
    folder: Path | None = None
    seed: int = 0
    tenants: tuple[Tenant, ...] = Field(default_factory=lambda: (sample_tenant(),))
    limits: Limits = Limits()
    ports: Ports = Ports()
    switches: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("switches")
    @classmethod
    def _known(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, setting in value.items():
            try:
                check_switch(name, setting)
            except SwitchError as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _unique(self) -> "EmulatorConfig":
        addresses = [
            address
            for tenant in self.tenants
            for mailbox in tenant.mailboxes
            for address in (mailbox.address, *mailbox.aliases)
        ]
        if len(set(addresses)) < len(addresses):
            raise ValueError("an address belongs to two mailboxes")
        return self


def sample_tenant() -> Tenant:
    """A tenant with which everything works that its admin has set up rightly."""
    return Tenant(
        id=SAMPLE_TENANT,
        domains=("contoso.example", "contoso.onmicrosoft.com"),
        mailboxes=(
            Mailbox(
                address=SAMPLE_MAILBOX,
                password=SAMPLE_PASSWORD,
                aliases=("scanner@contoso.example",),
                send_as=(SAMPLE_SHARED,),
            ),
            Mailbox(address=SAMPLE_SHARED, delegates=(SAMPLE_MAILBOX,)),
        ),
        apps=(
            App(
                client_id=SAMPLE_APP,
                secret=SAMPLE_SECRET,
                mailboxes=(SAMPLE_MAILBOX, SAMPLE_SHARED),
            ),
        ),
    )


def sample_config() -> EmulatorConfig:
    """The configuration without a file."""
    return EmulatorConfig()


def load_config(path: Path) -> EmulatorConfig:
    """Read a TOML file. Raises ConfigError with everything that is wrong in it, OSError."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), f"is no TOML: {error}")]) from error
    try:
        return EmulatorConfig.model_validate(values, context=path.parent)
    except ValidationError as error:
        problems = [
            Problem(f"{path}: {_place(entry['loc'])}", entry["msg"].removeprefix("Value error, "))
            for entry in error.errors()
        ]
        raise ConfigError(problems) from error


def _place(path: Sequence[int | str]) -> str:
    """`tenants[0].mailboxes[1].address`"""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"
