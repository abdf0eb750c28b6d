"""dane: which certificates TLSA records vouch for (RFC 6698, 7671, 7672)."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from tests.support.dane_certificates import DAY, NOW, Made, make

from pillarbox.delivery.dane import readable, vouches
from pillarbox.diagnosis.certificate import key_of
from pillarbox.discovery.dane import TlsaRecord, usable

HOST = "mx.far.example"
ROOT = make("root", is_authority=True)
MIDDLE = make("middle", ROOT, is_authority=True)
LEAF = make("leaf", MIDDLE, names=(HOST,))
OTHER = make("other", make("elsewhere", is_authority=True), names=(HOST,))


def _vouches(made: Made, *records: TlsaRecord, names: tuple[str, ...] = (HOST,)) -> bool:
    return vouches(usable(records), made.chain, names=names, now=NOW)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_certificate_itself(selector: int, matching: int) -> None:
    """Usage 3 in all forms, and another certificate in none."""
    record = LEAF.tlsa(3, selector, matching)

    assert _vouches(LEAF, record)
    assert not _vouches(OTHER, record)


def test_certificate_itself_needs_no_name_and_no_time() -> None:
    """RFC 7672 section 3.1.1."""
    old = make("x", names=("other.example",), until=NOW - DAY)

    assert _vouches(old, old.tlsa(3))


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("authority", [ROOT, MIDDLE], ids=["root", "middle"])
def test_authority_above(authority: Made, selector: int, matching: int) -> None:
    """Usage 2 in all forms, with and without others between."""
    record = authority.tlsa(2, selector, matching)

    assert _vouches(LEAF, record)
    assert not _vouches(OTHER, record)


def test_authority_that_is_not_in_the_chain_counts_where_the_record_has_it_whole() -> None:
    """RFC 7672 section 3.1.2."""
    bare = Made(LEAF.certificate, LEAF.key, (MIDDLE,))

    assert _vouches(bare, ROOT.tlsa(2, 0, 0))
    assert not _vouches(bare, ROOT.tlsa(2, 0, 1))


@pytest.mark.parametrize(
    ("names", "asked", "is_good"),
    [
        ((HOST,), HOST, True),
        (("*.far.example",), HOST, True),
        (("*.example",), HOST, False),
        (("*",), HOST, False),
        (("far.example",), HOST, False),
        ((HOST.upper(),), HOST, True),
        (("a.example", HOST), HOST, True),
    ],
)
def test_authority_vouches_for_its_names(names: tuple[str, ...], asked: str, is_good: bool) -> None:
    """The host must be named."""
    assert _vouches(make("x", ROOT, names=names), ROOT.tlsa(2), names=(asked,)) is is_good


def test_common_name_counts_where_there_is_no_other() -> None:
    """As RFC 7672 section 3.2.3 allows; beside a DNS name it does not count."""
    assert _vouches(make(HOST, ROOT), ROOT.tlsa(2))
    assert not _vouches(make(HOST, ROOT, names=("other.example",)), ROOT.tlsa(2))


def test_authority_does_not_vouch_for_what_is_over() -> None:
    """Neither for a certificate that has expired, nor through one."""
    old = make("middle", ROOT, is_authority=True, until=NOW - DAY)

    assert not _vouches(make("x", ROOT, names=(HOST,), until=NOW - DAY), ROOT.tlsa(2))
    assert not _vouches(make("x", old, names=(HOST,)), ROOT.tlsa(2))


def test_who_is_no_authority_can_not_issue() -> None:
    """A certificate for a host signs another one."""
    host = make("host", ROOT, names=("other.example",))
    limited = make("middle", ROOT, is_authority=True, path_length=0)
    below = make("below", limited, is_authority=True)

    assert not _vouches(make("x", host, names=(HOST,)), ROOT.tlsa(2))
    assert not _vouches(make("x", host, names=(HOST,)), host.tlsa(2))
    assert _vouches(make("x", limited, names=(HOST,)), ROOT.tlsa(2))
    assert not _vouches(make("x", below, names=(HOST,)), ROOT.tlsa(2))


def test_what_is_critical_and_not_understood_does_not_count() -> None:
    """Name constraints, say: they would limit what the authority may vouch for."""
    limits = x509.NameConstraints([x509.DNSName("inside.example")], None)
    middle = make("middle", ROOT, is_authority=True, critical=limits)

    assert not _vouches(make("x", middle, names=(HOST,)), ROOT.tlsa(2))


def test_certificates_that_issue_one_another_lead_nowhere() -> None:
    """A stranger may send any number of them; it takes no time."""
    loop = make("loop", is_authority=True)
    ring = [Made(make("loop", loop, is_authority=True).certificate, loop.key) for _ in range(20)]
    leaf = make("x", loop, names=(HOST,))

    assert not vouches(
        (ROOT.tlsa(2),), [leaf.der, *(each.der for each in ring)], names=(HOST,), now=NOW
    )


@pytest.mark.parametrize(
    "record",
    [
        TlsaRecord(0, 1, 1, bytes(32)),
        TlsaRecord(1, 1, 1, bytes(32)),
        TlsaRecord(4, 1, 1, bytes(32)),
        TlsaRecord(3, 2, 1, bytes(32)),
        TlsaRecord(3, 1, 3, bytes(32)),
        TlsaRecord(3, 1, 1, bytes(31)),
        TlsaRecord(3, 1, 2, bytes(32)),
        TlsaRecord(3, 0, 0, b""),
    ],
)
def test_records_that_can_not_be_used(record: TlsaRecord) -> None:
    """The usages of web browsers, numbers that mean nothing, digests of a wrong length."""
    assert usable([record]) == ()


def test_better_digest_counts_alone() -> None:
    """RFC 7671 section 9: else a broken one would be the way in."""
    weak, strong = OTHER.tlsa(3, 1, 1), LEAF.tlsa(3, 1, 2)

    assert usable([weak, strong]) == (strong,)
    assert not _vouches(OTHER, weak, strong)
    assert _vouches(LEAF, weak, strong)
    assert _vouches(OTHER, OTHER.tlsa(3, 1, 0), strong)


@pytest.mark.parametrize("selector", [0, 1])
def test_whole_thing_that_can_not_be_read_does_not_count(selector: int) -> None:
    """Beside it another record may be right."""
    record = TlsaRecord(2, selector, 0, b"no certificate")

    assert readable([record, ROOT.tlsa(2)]) == (ROOT.tlsa(2),)
    assert readable([LEAF.tlsa(3, selector, 0)]) == (LEAF.tlsa(3, selector, 0),)


def test_key_of_an_authority_that_is_not_in_the_chain() -> None:
    """RFC 7671 section 5.2.3: it signed the topmost certificate; name and time count as ever."""
    middle = make("middle", ROOT, is_authority=True)
    leaf, other = make("x", middle, names=(HOST,)), make("x", middle, names=("other.example",))
    over = make("x", middle, names=(HOST,), until=NOW - DAY)

    def is_taken(made: Made, *, above: tuple[Made, ...], record: TlsaRecord) -> bool:
        chain = [made.der, *(each.der for each in above)]
        return vouches((record,), chain, names=(HOST,), now=NOW)

    assert is_taken(leaf, above=(middle,), record=ROOT.tlsa(2, 1, 0))
    assert is_taken(leaf, above=(), record=middle.tlsa(2, 1, 0))
    assert not is_taken(leaf, above=(), record=ROOT.tlsa(2, 1, 0))
    assert not is_taken(leaf, above=(middle,), record=OTHER.tlsa(2, 1, 0))
    assert not is_taken(other, above=(middle,), record=ROOT.tlsa(2, 1, 0))
    assert not is_taken(over, above=(middle,), record=ROOT.tlsa(2, 1, 0))


def test_one_of_several_is_enough() -> None:
    """While a certificate is changed both are published."""
    assert _vouches(LEAF, OTHER.tlsa(3), LEAF.tlsa(3))


def test_no_certificate_is_no_match() -> None:
    """There is nothing to vouch for."""
    assert not vouches((LEAF.tlsa(3),), [], names=(HOST,), now=NOW)


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "ec"])
def test_public_key_is_cut_out_to_the_octet(kind: str) -> None:
    """As the library writes it."""
    certificate = LEAF.certificate
    if kind != "ec":
        key = (
            ed25519.Ed25519PrivateKey.generate()
            if kind == "ed25519"
            else rsa.generate_private_key(65_537, 2048)
        )
        name = x509.Name([])
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + DAY)
        ).sign(key, None if kind == "ed25519" else SHA256())

    found = key_of(certificate.public_bytes(Encoding.DER))

    expected = certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    assert found == expected


RECORDS = st.builds(
    TlsaRecord, st.integers(0, 4), st.integers(0, 2), st.integers(0, 3), st.binary(max_size=64)
)


@given(st.lists(RECORDS), st.lists(st.one_of(st.binary(), st.just(LEAF.der)), max_size=3))
def test_no_certificate_and_no_record_makes_trouble(
    records: list[TlsaRecord], chain: list[bytes]
) -> None:
    """Nothing raises, and random records vouch for nobody."""
    counted = [each for each in usable(records) if each.matching]

    assert not vouches(counted, chain, names=(HOST,), now=NOW)
    for der in chain:
        key_of(der)


@given(st.integers(4, 3 + len(LEAF.certificate.tbs_certificate_bytes)), st.integers(1, 255))
def test_a_changed_certificate_never_matches(at: int, bits: int) -> None:
    """Whichever bit of what was signed: it is another one, and it leads to no authority."""
    changed = bytearray(LEAF.der)
    changed[at] ^= bits
    chain = [bytes(changed), *LEAF.chain[1:]]

    assert not vouches((LEAF.tlsa(3, 0),), chain, names=(HOST,), now=NOW)
    assert not vouches((ROOT.tlsa(2),), chain, names=(HOST,), now=NOW)
