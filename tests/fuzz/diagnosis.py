"""What the doctor reads of servers: certificates and the first answer of TLS."""

from contextlib import suppress

from pillarbox.diagnosis.certificate import read_certificate
from pillarbox.diagnosis.hello import HelloReader


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
