"""Code and forms that send a first mail when pasted, one for each kind of client. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pillarbox.publish import snippet_programs, snippet_tools
from pillarbox.publish.client_settings import ClientSettings
from pillarbox.publish.printer_form import printer_form


@dataclass(frozen=True, slots=True)
class Snippet:
    """A ready example: `name` for programs and options, `title` for people."""

    name: str
    title: str
    text: str


_MAKERS: Mapping[str, tuple[str, Callable[[ClientSettings], str]]] = {
    "python": ("Python (smtplib)", snippet_programs.python),
    "django": ("Django", snippet_programs.django),
    "node": ("Node.js (nodemailer)", snippet_programs.node),
    "php": ("PHP (PHPMailer)", snippet_programs.php),
    "dotnet": (".NET (MailKit)", snippet_programs.dotnet),
    "java": ("Java (Jakarta Mail)", snippet_programs.java),
    "powershell": ("PowerShell", snippet_tools.powershell),
    "curl": ("curl", snippet_tools.curl),
    "swaks": ("swaks", snippet_tools.swaks),
    "msmtp": ("msmtp", snippet_tools.msmtp),
    "postfix": ("Postfix", snippet_tools.postfix),
    "printer": ("Printer, scanner or other device", printer_form),
}
"""By name, in the order of the card."""

SNIPPET_NAMES = tuple(_MAKERS)


def make_snippets(settings: ClientSettings) -> tuple[Snippet, ...]:
    """All snippets for these settings, in the order of the card."""
    return tuple(Snippet(name, title, make(settings)) for name, (title, make) in _MAKERS.items())
