"""What the doctor reads of servers and domains: certificates, the first answer of TLS, records."""

from contextlib import suppress

from pillarbox.diagnosis.certificate import read_certificate
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.hello import HelloReader
from pillarbox.diagnosis.message_facts import MessageFacts
from pillarbox.diagnosis.message_form import author_domain, read_message, signatures_of
from pillarbox.diagnosis.records import dkim_key, report_domains
from pillarbox.diagnosis.report import as_json, render
from pillarbox.diagnosis.target import Target


def certificate(octets: bytes) -> None:
    """What is no certificate is none; what is one has printable names."""
    found = read_certificate(octets)
    if found is not None:
        assert found.subject.isprintable()
        assert found.key_bits >= 0


def hello(octets: bytes) -> None:
    """It is no TLS, or the same is read however it is split."""
    whole, split = HelloReader(), HelloReader()
    with suppress(ValueError):
        whole.feed(octets)
        for at in range(len(octets)):
            if split.feed(octets[at : at + 1]):
                break
        assert split.hello == whole.hello


def records(octets: bytes) -> None:
    """Whatever stands in the DNS is read, or not."""
    text = octets.decode("utf-8", "replace")
    dkim_key(text)
    report_domains(text)


def letter(octets: bytes) -> None:
    """Whatever stands in a file, the doctor has something to say of it, in all forms."""
    message = read_message(octets)
    author_domain(message)
    found = MessageFacts(message, signatures_of(message))
    facts = Facts(Target("x", "x"), now=1_790_000_000, message=found)
    assert all(finding.cause for finding in findings(facts))
    render(facts)
    as_json(facts)
