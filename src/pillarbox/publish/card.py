"""The settings card: everything a client needs, as plain text for a terminal. Pure."""

from pillarbox.publish.client_settings import ClientSettings, Encryption
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
    fields += [("Port", f"{door.port:<6} {_NAMES[door.encryption]}") for door in settings.doors]
    fields.append(("User name", settings.username))
    fields.append(("Password", settings.password or "(shown once, when it was made)"))
    if settings.ca_file:
        fields.append(("CA file", f"{settings.ca_file} (clients have to trust it)"))
    title = f"Settings for {settings.username}"
    lines = [title, "=" * len(title)]
    lines += [f"{name:<12}{value}" for name, value in fields]
    if not settings.password:
        lines.append(
            f"\nFor a new password: pillarbox credential add {settings.username} --label NAME"
        )
    return "\n".join(lines)


def _render_snippet(snippet: Snippet) -> str:
    rule = f"--- {snippet.title} "
    return rule + "-" * (CARD_COLUMNS - len(rule)) + "\n" + snippet.text
