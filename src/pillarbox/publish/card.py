"""The settings card: everything a client needs, as plain text for a terminal. Pure."""

from collections.abc import Iterable

from pillarbox.publish.client_settings import ClientSettings, Door, Encryption
from pillarbox.publish.literals import shell_literal
from pillarbox.publish.snippets import Snippet, make_snippets

CARD_COLUMNS = 100
"""Lines of the card are no longer, unless a name, a password or a path is."""

_NAMES = {
    Encryption.STARTTLS: 'STARTTLS (also called "TLS", "Explicit TLS")',
    Encryption.TLS: 'TLS from the first byte (also called "SSL/TLS", "Implicit TLS")',
}


def render_card(settings: ClientSettings, *, only: str = "") -> str:
    """The card with all snippets, or with the one named `only`."""
    snippets = [s for s in make_snippets(settings) if only in ("", s.name)]
    parts = [render_settings(settings), *(_render_snippet(snippet) for snippet in snippets)]
    return "\n\n".join(parts) + "\n"


def render_settings(settings: ClientSettings) -> str:
    """The part of the card above the snippets."""
    fields = [("Server", settings.server)]
    fields += [("Port", door_text(door)) for door in settings.doors]
    fields.append(("User name", settings.username))
    fields.append(("Password", settings.password or "(shown once, when it was made)"))
    if settings.ca_file:
        fields.append(("CA file", f"{settings.ca_file} (clients have to trust it)"))
    card = render_fields(f"Settings for {settings.username}", fields)
    if settings.password:
        return card
    account = shell_literal(settings.username)
    return f"{card}\n\nFor a new password: pillarbox credential add {account} --label NAME"


def door_text(door: Door) -> str:
    """A port and its encryption, under all the names that clients have for it."""
    return f"{door.port:<6} {_NAMES[door.encryption]}"


def render_fields(title: str, fields: Iterable[tuple[str, str]]) -> str:
    """A title and what stands under it, one name and value a line."""
    lines = [title, "=" * len(title)]
    lines += [f"{name:<12}{value}" for name, value in fields]
    return "\n".join(lines)


def _render_snippet(snippet: Snippet) -> str:
    rule = f"--- {snippet.title} "
    return rule + "-" * (CARD_COLUMNS - len(rule)) + "\n" + snippet.text
