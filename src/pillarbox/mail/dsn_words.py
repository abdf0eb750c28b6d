"""The words of a delivery report: who is reported, what happened, what the sender can do. Pure.

The fields for programs are made in mail.dsn.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.mail.envelope import Recipient, Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.mail.reply import Reply

MAX_FOREIGN_CHARACTERS = 600
"""What a far side said is cut here; a reply line has at most 512 octets."""

_NOT_ASCII_PRINTABLE = re.compile(r"[^\x21-\x7e]+")
_WIDTH = 72


class Action(StrEnum):
    """What became of a recipient, as the sender is told (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient of a report.

    `remote_host` is the host that gave `reply`, "" where the reply stands for something on our
    side. `is_expired`: it failed because the time was over. `retry_until` is for a delay. `cause`
    and `fix` explain the reply where more is known of it than it says, the fix to administrators.
    `speaks_smtp`: that host said the reply just so; else it is ours, made of an answer by HTTP.
    `was_taken`: the next server had taken the message before this was reported.
    """

    recipient: Recipient
    action: Action
    reply: Reply
    remote_host: str = ""
    attempted_at: Timestamp | None = None
    retry_until: Timestamp | None = None
    is_expired: bool = False
    cause: str = ""
    fix: str = ""
    was_taken: bool = False
    speaks_smtp: bool = True


_CHECK_ADDRESS = (
    "Check the address for a mistake. If it is right, tell the recipient in another way: the "
    "receiving side does not know this mailbox."
)
_CHECK_DOMAIN = (
    "Check the part behind the @ for a mistake. If it is right, that domain does not take mail."
)
_POLICY = (
    "The receiving side does not want this message. Give its answer above to your administrator "
    "or to the recipient, whose administrator can allow it."
)
_OUR_POLICY = "Ask your administrator, who knows why it was not sent on."
_TOO_LARGE = "Send less at once: put large files where the recipient can fetch them."
_LOGIN = "Give this report to your administrator: the login at the next server has to be mended."
_ENCRYPTION = "Give this report to your administrator: encryption to the next server failed."

_ADVICE = {
    "1.1": _CHECK_ADDRESS,
    "1.2": _CHECK_DOMAIN,
    "1.3": "Check the address: the receiving side can not read it.",
    "1.6": "The recipient has moved. Ask for the new address.",
    "1.10": _CHECK_DOMAIN,
    "2.1": "The mailbox is switched off. Tell the recipient in another way.",
    "2.2": "The mailbox is full. Tell the recipient in another way and send again later.",
    "2.3": _TOO_LARGE,
    "3.4": _TOO_LARGE,
    "6.7": "Use an address of plain letters: a server on the way can not carry this one.",
    "7.0": _POLICY,
    "7.1": _POLICY,
    "7.3": "Give this report to your administrator.",
    "7.8": _LOGIN,
    "7.9": _LOGIN,
    "7.10": _ENCRYPTION,
    "7.11": _ENCRYPTION,
}
"""What to do, by the last two numbers of the enhanced status code (RFC 3463)."""

_ADVICE_FAILED = (
    "Read the answer above; if it does not help, give this report to your administrator."
)
_ADVICE_EXPIRED = (
    "Send it again later or tell the recipient in another way. If it happens again, give this "
    "report to your administrator."
)


def plain_text(text: str, *, utf8: bool = False) -> str:
    """Foreign text as one line: white space and control characters become single blanks, what
    else is not printable (or, without `utf8`, not ASCII) becomes "?"; long text is cut."""
    if utf8:
        kept = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
        return " ".join(kept.split())[:MAX_FOREIGN_CHARACTERS]
    kept = _NOT_ASCII_PRINTABLE.sub(_replacement, text)
    return " ".join(kept.split())[:MAX_FOREIGN_CHARACTERS].rstrip()


def _replacement(match: re.Match[str]) -> str:
    return "".join("?" if c > "\x7f" else " " for c in match.group())


def subject_line(recipients: Sequence[ReportedRecipient]) -> str:
    """The subject: the worst that happened."""
    actions = {entry.action for entry in recipients}
    if Action.FAILED in actions:
        return "Your message could not be delivered"
    if Action.DELAYED in actions:
        return "Your message is late, it is still being tried"
    if Action.RELAYED in actions:
        return "Your message was passed on"
    return "Your message was delivered"


def explain_report(host_name: str, queue_id: int, recipients: Sequence[ReportedRecipient]) -> str:
    """The part of a report that people read, lines ending in CRLF."""
    lines = [f"This is the mail server {host_name}.", ""]
    for action, opening in _OPENINGS.items():
        entries = [entry for entry in recipients if entry.action is action]
        if not entries:
            continue
        lines += [*textwrap.wrap(opening, _WIDTH), ""]
        for entry in entries:
            lines += [*_recipient_lines(entry), ""]
    lines += [
        f"The id of your message here is {format_id(queue_id)}.",
        "Your administrator finds its whole story under this id.",
        "",
    ]
    return "\r\n".join(lines)


_OPENINGS = {
    Action.FAILED: "Your message could not be delivered to the following recipients. It will not "
    "be tried again.",
    Action.DELAYED: "Your message could not be delivered yet to the following recipients. It is "
    "still being tried; you need not send it again.",
    Action.RELAYED: "Your message was handed to the next mail server for the following "
    "recipients. That server does not report on deliveries, so this is the last report.",
    Action.DELIVERED: "Your message was delivered to the following recipients.",
}


def _recipient_lines(entry: ReportedRecipient) -> list[str]:
    address = plain_text(entry.recipient.forward_path.address, utf8=True)
    answer = plain_text(str(entry.reply))
    said = f"{plain_text(entry.remote_host)} answered:" if entry.remote_host else "What happened:"
    if entry.was_taken:
        said = f"{plain_text(entry.remote_host) or 'The next server'} took it and reported later:"
    lines = [f"<{address}>", f"    {said}", *_indented(answer)]
    if entry.cause:
        lines += ["    What is behind it:", *_indented(plain_text(entry.cause))]
    advice = _advice(entry)
    if advice:
        lines += ["    What to do:", *_indented(advice)]
    if entry.fix:
        lines += ["    For your administrator:", *_indented(plain_text(entry.fix))]
    return lines


def _advice(entry: ReportedRecipient) -> str:
    if entry.action is not Action.FAILED:
        return ""
    if entry.is_expired:
        return _ADVICE_EXPIRED
    advice = _ADVICE.get(entry.reply.enhanced[2:], _ADVICE_FAILED)
    return _OUR_POLICY if advice is _POLICY and not entry.remote_host else advice


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")
