"""The mail of a report: RFC 8460 section 5.3, read and verified by others."""

import gzip
import json
from email import message_from_bytes, policy
from email.message import EmailMessage

import dkim
from tests.support.dkim_keys import dns_txt, signing_key
from tests.unit.tlsrpt.test_report import DAY, REPORTER

from pillarbox.mail.address import Mailbox
from pillarbox.mail.dkim import Algorithm
from pillarbox.tlsrpt.letter import Letter
from pillarbox.tlsrpt.report import Report
from pillarbox.tlsrpt.results import NO_POLICY, Counted, TlsResult

LONG = ".".join(["x" * 60] * 4)
SECONDS = 1_790_000_000
"""A verifier takes no signature from the future."""


def _content(domain: str = "far.example", *algorithms: Algorithm, kinds: int = 1) -> bytes:
    counted = [
        Counted(TlsResult(DAY, domain, NO_POLICY, f"mx{number}.{domain}"), 1)
        for number in range(kinds)
    ]
    letter = Letter(
        Report(REPORTER, domain, DAY, "0G2V@here.example", counted),
        Mailbox("reports", "here.example"),
        (Mailbox("tls", "far.example"),),
        "<0G2V@here.example>",
        "tlsrpt-0G2V",
    )
    return letter.content([signing_key(one, "here.example") for one in algorithms], SECONDS)


def _parts(content: bytes) -> tuple[EmailMessage, EmailMessage, EmailMessage]:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    text, attached = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(attached, EmailMessage)
    return message, text, attached


def test_the_letter_as_the_rfc_wants_it() -> None:
    """A program finds domain and submitter in the header, and the report as the second part."""
    message, text, attached = _parts(_content())

    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    assert message["TLS-Report-Domain"] == "far.example"
    assert message["TLS-Report-Submitter"] == "here.example"
    assert message["TLS-Required"] == "No"
    assert message["Subject"] == (
        "Report Domain: far.example Submitter: here.example Report-ID: <0G2V@here.example>"
    )
    assert (message["From"], message["To"]) == ("reports@here.example", "tls@far.example")
    assert text.get_content_type() == "text/plain"
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    assert attached.get_filename() == "here.example!far.example!1795651200!1795737599.json.gz"
    document = json.loads(gzip.decompress(attached.get_content()))
    assert document["report-id"] == "0G2V@here.example"


def test_others_verify_the_signatures() -> None:
    """RFC 8460 section 3: reports by mail "MUST contain a valid DomainKeys Identified Mail (DKIM)
    signature by the reporting domain"."""
    content = _content("far.example", Algorithm.RSA, Algorithm.ED25519, kinds=50)

    verifier = dkim.DKIM(content)
    assert [verifier.verify(index, dnsfunc=dns_txt) for index in range(2)] == [True, True]
    assert b"d=here.example" in content


def test_no_line_is_too_long() -> None:
    """RFC 5322 section 2.1.1, also for a domain as long as they get and a long report."""
    content = _content(LONG, Algorithm.RSA, kinds=300)

    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert _parts(content)[0]["TLS-Report-Domain"] == LONG
