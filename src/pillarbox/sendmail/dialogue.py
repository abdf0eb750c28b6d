"""`sendmail -bs`: SMTP on standard input and output, for programs that want to speak it.

The caller is trusted as with all of sendmail: no login, no TLS, nothing but a pipe between.
"""

import os
import sys

from pillarbox.errors import ConfigError
from pillarbox.mail.envelope import Notify, Ret
from pillarbox.mail.reply import Reply, reply
from pillarbox.profiles import Profile
from pillarbox.sendmail import codes
from pillarbox.sendmail.notice import tell_sender
from pillarbox.sendmail.options import Options
from pillarbox.sendmail.spool import SpoolError
from pillarbox.sendmail.taking import Refusal, Taken, hand_over
from pillarbox.smtp.data import DataReader
from pillarbox.smtp.events import (
    Content,
    ContentAbort,
    ContentEnd,
    ContentStart,
    MailFrom,
    RcptTo,
    ServerEvent,
)
from pillarbox.smtp.grammar import decode_xtext
from pillarbox.smtp.server import ServerProtocol, ServerSettings

SIZE_OCTETS = 150 * 1024 * 1024
RECIPIENTS = 1000

_READ_OCTETS = 65_536
_ENHANCED = {
    codes.DATA: "5.6.0",
    codes.NO_USER: "5.1.1",
    codes.NO_PERMISSION: "5.7.1",
    codes.TRY_LATER: "4.4.1",
}

_LAST_LINE = b"\n.\r\n"


def converse(options: Options, profile: Profile) -> int:
    """Serve one session on standard input and output; gives the exit code."""
    dialogue = _Dialogue(options, profile)
    dialogue.core.greet()
    while True:
        _write(dialogue.core.data_to_send())
        if dialogue.core.closing:
            return codes.OK
        octets = os.read(0, _READ_OCTETS)
        if not octets:
            return codes.OK
        dialogue.take(octets)


def _write(octets: bytes) -> None:
    while octets:
        octets = octets[os.write(1, octets) :]


class _Dialogue:
    def __init__(self, options: Options, profile: Profile) -> None:
        self._options = options
        self._profile = profile
        self._content: list[bytes] = []
        settings = ServerSettings(
            host_name="localhost",
            size_limit_octets=SIZE_OCTETS,
            recipient_limit=RECIPIENTS,
            starttls=False,
            require_tls=False,
            login_mechanisms=(),
        )
        self.core = ServerProtocol(settings, session_id="stdin")
        self.core.trust()

    def take(self, octets: bytes) -> None:
        """Take what the caller said, line by line: one that writes all of it at once has said
        nothing too early, as on a network."""
        begin = 0
        while begin < len(octets):
            # Many lines of content go at once, but the first may end what was read before.
            is_content = begin > 0 and isinstance(self.core.reader, DataReader)
            found = octets.find(_LAST_LINE, begin - 1) if is_content else octets.find(b"\n", begin)
            length = len(_LAST_LINE) if is_content else 1
            end = len(octets) if found < 0 else found + length
            self.core.receive(octets[begin:end])
            while (event := self.core.next_event()) is not None:
                self._act(event)
            begin = end

    def _act(self, event: ServerEvent) -> None:
        match event:
            case MailFrom() | RcptTo():
                self.core.accept()
            case ContentStart():
                self._content.clear()
                self.core.accept()
            case Content(octets):
                self._content.append(octets)
            case ContentAbort():
                self._content.clear()
            case ContentEnd():
                answer = self._hand_over()
                if answer.code < 400:
                    self.core.accept(answer)
                else:
                    self.core.refuse(answer)
            case _:
                pass

    def _hand_over(self) -> Reply:
        octets = b"".join(self._content)
        self._content.clear()
        options = self._options_of()
        try:
            taken = hand_over(options, self._profile, octets)
        except (Refusal, ConfigError, SpoolError, OSError) as error:
            code = error.code if isinstance(error, Refusal) else codes.TRY_LATER
            return _reply_of(code, str(error))
        if not taken.is_served:
            return _reply_of(taken.code, taken.text)
        said = "Kept, and sent later" if taken.is_kept else "Sent"
        if taken.lost:
            said = f"{said}, but not to all: {_told(options, self._profile, taken)}"
        return reply(250, "2.0.0", said)

    def _options_of(self) -> Options:
        envelope = self.core.envelope
        path = envelope.reverse_path if envelope else None
        return self._options._replace(
            sender=path.address if path else "",
            recipients=tuple(one.forward_path.address for one in self.core.recipients),
            from_header=False,
            dot_is_text=True,
            notify=_notify(self.core.recipients[0].notify),
            ret=_RET[envelope.ret] if envelope and envelope.ret else "",
            # The client writes it as xtext again.
            envelope_id=decode_xtext(envelope.envid) or "" if envelope else "",
        )


def _told(options: Options, profile: Profile, taken: Taken) -> str:
    """Tell the sender; gives what the caller is told."""
    try:
        tell_sender(options, profile, taken)
    except (Refusal, ConfigError, SpoolError, OSError) as error:
        # Somebody has it: that stays true.
        sys.stderr.write(f"sendmail: {error}\n")
    return ", ".join(taken.lost)


def _notify(wanted: Notify) -> str:
    """The words of -N. They hold for the message: those of its first recipient."""
    return ",".join(flag.name.lower() for flag in wanted if flag.name)


_RET = {Ret.FULL: "full", Ret.HEADERS: "hdrs"}


def _reply_of(code: int, text: str) -> Reply:
    enhanced = _ENHANCED.get(code, "5.3.0")
    if code in (codes.TRY_LATER, codes.CONFIG, codes.UNAVAILABLE) and not enhanced.startswith("4"):
        # A wrong setting of ours can be mended; the caller's message is good.
        enhanced = "5.3.0" if code == codes.UNAVAILABLE else "4.3.5"
    number = 451 if enhanced.startswith("4") else 554
    return reply(number, enhanced, " ".join(text.split()))
