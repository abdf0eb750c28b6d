"""What the doctor reads of servers and domains: certificates, the first answer of TLS, records."""

from contextlib import suppress

from pillarbox.diagnosis.certificate import read_certificate
from pillarbox.diagnosis.hello import HelloReader
from pillarbox.diagnosis.records import dkim_key, report_domains


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
