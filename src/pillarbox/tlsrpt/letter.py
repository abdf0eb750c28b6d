"""The mail that carries a report (RFC 8460 section 5.3), signed where there are keys. Pure."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.mail.address import Mailbox
from pillarbox.mail.dkim import SigningKey, signature_fields
from pillarbox.mail.dkim_body import BodyHash
from pillarbox.mail.message import format_date
from pillarbox.tlsrpt.report import MEDIA_TYPE, Report

_LINE_OCTETS = 57
"""Of content in a line of base64."""


@dataclass(frozen=True, slots=True)
class Letter:
    """The mail of one report. `name` is unique and makes its Message-ID."""

    report: Report
    sender: Mailbox
    recipients: Sequence[Mailbox]
    header_id: str
    boundary: str

    def content(self, keys: Sequence[SigningKey], seconds: int) -> bytes:
        """All octets of it, sent at `seconds` since 1970."""
        header, body = self._header(seconds), self._body()
        if keys:
            hashed = BodyHash()
            hashed.take(body)
            header = signature_fields(keys, header, hashed.digest(), seconds) + header
        return header + b"\r\n" + body

    def _header(self, seconds: int) -> bytes:
        report = self.report
        submitter = report.reporter.submitter
        recipients = ",\r\n ".join(f"<{one.address}>" for one in self.recipients)
        return "\r\n".join(
            [
                f"From: <{self.sender.address}>",
                f"To: {recipients}",
                f"Subject: Report Domain: {report.domain}\r\n Submitter: {submitter}"
                f"\r\n Report-ID: <{report.report_id}>",
                f"Date: {format_date(seconds)}",
                f"Message-ID: {self.header_id}",
                "Auto-Submitted: auto-generated",
                # RFC 8460 section 3: such mail goes "despite any TLS-related failures", at the
                # hops behind this one, too (RFC 8689 section 3).
                "TLS-Required: No",
                f"TLS-Report-Domain: {report.domain}",
                f"TLS-Report-Submitter: {submitter}",
                "MIME-Version: 1.0",
                'Content-Type: multipart/report; report-type="tlsrpt";'
                f'\r\n boundary="{self.boundary}"',
                "",
            ]
        ).encode()

    def _body(self) -> bytes:
        report = self.report
        octets = report.compressed()
        starts = range(0, len(octets), _LINE_OCTETS)
        lines = [b64encode(octets[at : at + _LINE_OCTETS]).decode() for at in starts]
        return "\r\n".join(
            [
                "This is a report in MIME format.",
                f"--{self.boundary}",
                "Content-Type: text/plain; charset=us-ascii",
                "",
                f"This is a report on TLS with the mail hosts of {report.domain}, as it was seen",
                f"on one day (UTC) by {report.reporter.submitter}. RFC 8460 tells what it says.",
                f"Questions are answered by {report.reporter.contact}.",
                f"--{self.boundary}",
                f"Content-Type: {MEDIA_TYPE}",
                "Content-Transfer-Encoding: base64",
                f'Content-Disposition: attachment;\r\n filename="{report.file_name}"',
                "",
                *lines,
                f"--{self.boundary}--",
                "",
            ]
        ).encode()
