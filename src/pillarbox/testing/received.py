"""A message that a server for tests has taken, as the test looks at it."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from pillarbox.mail.envelope import Envelope, Recipient


@dataclass(frozen=True, slots=True)
class Received:
    """One message. `raw` are its octets, without dot-stuffing.

    `sender` and `recipients` are the addresses of the envelope, "" for the null reverse-path;
    `envelope` and `envelope_recipients` have the parameters of MAIL and RCPT as well, where it came
    by SMTP. `login` is the user name, `mechanism` how it logged in, `tls` the version of TLS, each
    "" where there was none.
    """

    raw: bytes = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    login: str = ""
    mechanism: str = ""
    tls: str = ""
    helo: str = ""
    envelope: Envelope | None = field(default=None, repr=False)
    envelope_recipients: tuple[Recipient, ...] = field(default=(), repr=False)

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.raw, policy=policy.SMTPUTF8)

    @property
    def subject(self) -> str:
        """The Subject field, "" without one."""
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        """The plain text with LF as line end, "" without any."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """The HTML, "" without any."""
        return self._body("html")

    @property
    def attachments(self) -> dict[str, bytes]:
        """The octets of each attachment by its file name."""
        return {
            part.get_filename() or "": cast("bytes", part.get_payload(decode=True))
            for part in self.message.iter_attachments()
        }

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content()).replace("\r\n", "\n")
