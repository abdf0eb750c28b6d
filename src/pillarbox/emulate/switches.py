"""The switches: what an admin of Microsoft 365 can have set, or forgotten, by name.

`smtp_auth=off` holds for everybody; `printer@contoso.example/mailbox=disabled` for one mailbox.
What stands before the slash is a mailbox, a tenant (id or domain) or an app (client id).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pillarbox.errors import PillarboxError


class SwitchError(PillarboxError):
    """There is no such switch, or it has no such position; the text names those that there are."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: its positions, the first of which is the default, and what it does."""

    positions: tuple[str, ...]
    text: str


def _switch(positions: str, text: str) -> Switch:
    return Switch(tuple(positions.split("|")), text)


SWITCHES: Mapping[str, Switch] = MappingProxyType(
    {
        # SMTP AUTH and passwords.
        "smtp_auth": _switch("on|off", "SMTP AUTH of the tenant (Set-TransportConfig)"),
        "mailbox_smtp_auth": _switch(
            "inherit|on|off", "SMTP AUTH of a mailbox (Set-CASMailbox); on outranks the tenant's"
        ),
        "security_defaults": _switch("off|on", "Security defaults of Entra: no passwords"),
        "conditional_access": _switch(
            "off|legacy|all", "Conditional Access refuses passwords, or sign-ins of users as well"
        ),
        "authentication_policy": _switch(
            "allow|block", "AllowBasicAuthSmtp of the authentication policy"
        ),
        "basic_auth": _switch(
            "on|off|retired", "Passwords: as until 2026, off by default, or gone (550 5.7.30)"
        ),
        "federation": _switch(
            "none|unreachable|insecure", "An own ADFS that does not answer, or not by HTTPS"
        ),
        "mfa": _switch("off|on", "The user needs a second factor, so a password is not enough"),
        # Mailboxes.
        "mailbox": _switch("enabled|disabled", "The mailbox itself"),
        "mailbox_storage": _switch("free|full", "Room for the copy in Sent Items"),
        "outbound": _switch("allowed|blocked|banned", "What became of a hacked account"),
        "send_as": _switch(
            "granted|missing", "Send As rights of the configuration, or none at all"
        ),
        "send_as_refusal": _switch(
            "content|mail",
            "Refuse a foreign sender after the content (5.2.252) or at MAIL (5.7.60)",
        ),
        "send_from_alias": _switch(
            "off|on", "SendFromAliasEnabled: else the alias is rewritten to the primary address"
        ),
        # Apps and tokens.
        "tenant": _switch("present|missing", "Whether the authority knows the tenant"),
        "app": _switch(
            "present|missing|disabled", "Whether the app is in the tenant, and may sign in"
        ),
        "consent": _switch("given|missing", "Consent of the admin to the app's permissions"),
        "secret": _switch("valid|expired|replaced", "The client secret of the app"),
        "certificate": _switch("valid|removed", "The certificate of the app"),
        "object_id": _switch(
            "right|wrong", "New-ServicePrincipal with the Object ID of the enterprise app, or not"
        ),
        "full_access": _switch(
            "granted|missing", "Add-MailboxPermission for the app: missing refuses its login"
        ),
        "mailbox_logon": _switch(
            "works|fails", "Add-MailboxPermission has not spread yet: 430 4.2.0 after the content"
        ),
        "refresh_tokens": _switch("valid|expired|revoked", "Refresh tokens that were given out"),
        "device_code": _switch(
            "approve|wait|decline|expire", "What the user does about a device code"
        ),
        # The servers.
        "tls_legacy": _switch(
            "refuse|allow|alert",
            "TLS 1.0 and 1.1: 421 4.7.66 after the handshake, as smtp-legacy does, or no handshake",
        ),
        "hve": _switch("off|on", "High Volume Email: tokens must be valid for 10 minutes more"),
        # Graph.
        "graph_mailbox": _switch(
            "enabled|disabled", "Whether Graph can reach the mailbox (MailboxNotEnabledForRESTAPI)"
        ),
        "graph_parallel": _switch(
            "mailbox|app", "Whether parallel requests count by app and mailbox, or by app"
        ),
        "retry_after": _switch("seconds|date", "The form of Retry-After"),
        "draft_ids": _switch(
            "kept|changed", "Whether what was sent is found by the id that it had as a draft"
        ),
        "graph_success": _switch("202|200", "What Graph answers when it takes a message"),
    }
)


def check_switch(name: str, position: str) -> None:
    """Raises SwitchError unless there is such a switch with such a position."""
    _, _, bare = name.rpartition("/")
    switch = SWITCHES.get(bare)
    if switch is None:
        raise SwitchError(f"there is no switch {bare!r}: there are {', '.join(SWITCHES)}")
    if position not in switch.positions:
        raise SwitchError(f"{bare} can be {', '.join(switch.positions)}, not {position!r}")


class Switches:
    """The positions at present; `initial` is what `reset` goes back to."""

    def __init__(self, initial: Mapping[str, str]) -> None:
        for name, position in initial.items():
            check_switch(name, position)
        self._initial = _folded(initial)
        self._set = dict(self._initial)

    def get(self, name: str, *targets: str) -> str:
        """The position of a switch for the first of these targets that has one of its own."""
        for target in targets:
            own = self._set.get(f"{target.lower()}/{name}")
            if own is not None:
                return own
        return self._set.get(name) or SWITCHES[name].positions[0]

    def is_at(self, name: str, position: str, targets: Iterable[str] = ()) -> bool:
        """Whether a switch stands so."""
        return self.get(name, *targets) == position

    def change(self, positions: Mapping[str, str]) -> None:
        """Set several, all or none. Raises SwitchError."""
        for name, position in positions.items():
            check_switch(name, position)
        self._set.update(_folded(positions))

    def reset(self) -> None:
        """As at the start."""
        self._set = dict(self._initial)

    def all(self) -> dict[str, str]:
        """Every switch, and those of single targets."""
        return {name: self.get(name) for name in SWITCHES} | self._set


def _folded(positions: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): position for name, position in positions.items()}
