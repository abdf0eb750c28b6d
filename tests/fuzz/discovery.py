"""What strangers say about their mail servers: documents, DNS records, redirects."""

from contextlib import suppress

from pillarbox.discovery.autoconfig import DocumentError, read_autoconfig
from pillarbox.discovery.findings import Offer
from pillarbox.discovery.hosts import host_name
from pillarbox.discovery.pacc import is_vouched_for, read_pacc
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.providers import by_spf, is_known_to_entra

ADDRESS = "ann@corp.example"


def autoconfig(octets: bytes) -> None:
    """A document gives offers that can be connected to, or it is refused."""
    with suppress(DocumentError):
        _check(read_autoconfig(octets, address=ADDRESS))


def pacc(octets: bytes) -> None:
    """The same for PACC; no octets vouch for themselves."""
    with suppress(DocumentError):
        _check(read_pacc(octets))
    text = octets.decode("ascii", "replace")
    assert not is_vouched_for(octets, [text])
    by_spf(PROVIDERS, [text])
    is_known_to_entra(octets)


def _check(offers: tuple[Offer, ...]) -> None:
    for offer in offers:
        assert host_name(offer.host) == offer.host
        assert 0 < offer.door.port < 65536
        assert offer.username.isprintable()
        assert offer.logins
