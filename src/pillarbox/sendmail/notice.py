"""Who sent a message by `sendmail -bs` is told by mail whom it did not reach.

The content has one answer for all recipients (RFC 5321 section 4.2.5): where one of them was served
it is 250, or the caller would send copies. So the sender learns of the others by a message (6.1).
"""

import sys

from pillarbox.profiles import Profile
from pillarbox.sendmail import codes
from pillarbox.sendmail.letter import read_letter
from pillarbox.sendmail.options import Options
from pillarbox.sendmail.spool import Mail, Spool, new_id
from pillarbox.sendmail.taking import Taken, hand_over

_TEXT = """\
From: Mail delivery <{sender}>
To: <{sender}>
Subject: Not delivered to all recipients
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Your message did not reach these recipients:

{lost}

This is what became of it:

{text}

All other recipients have it, or get it later. Its header:

{header}
"""


def tell_sender(options: Options, profile: Profile, taken: Taken) -> None:
    """Set the message aside where there is a spool, and write to its sender. Standard error tells
    it in any case. Raises SpoolError, OSError."""
    sys.stderr.write("".join(f"sendmail: {line}\n" for line in taken.text.splitlines()))
    mail = taken.mail
    if profile.spool:
        spool = Spool(profile.spool)
        aside = mail._replace(id=new_id(), recipients=taken.lost, attempts=1, last=taken.text)
        spool.put_aside(aside, taken.content)
    if not mail.sender:
        return
    notice = _notice(mail, taken)
    # RFC 5321 section 4.5.5 wants the null reverse-path. A server for submission may not take it:
    # then the sender writes to himself.
    for path in ("", mail.sender):
        wanted = options._replace(sender=path, recipients=(mail.sender,), notify="", ret="")
        if hand_over(wanted._replace(envelope_id=""), profile, notice).code == codes.OK:
            return


def _notice(mail: Mail, taken: Taken) -> bytes:
    header = b"".join(read_letter(taken.content, dot_is_text=True).fields)
    return _TEXT.format(
        sender=mail.sender,
        lost=_indented(taken.lost, "    "),
        text=_indented(taken.text.splitlines(), "    "),
        header=_indented(header.decode("utf-8", "replace").splitlines(), "> "),
    ).encode("utf-8", "replace")


def _indented(lines: "tuple[str, ...] | list[str]", by: str) -> str:
    return "\n".join(f"{by}{line}" for line in lines)
