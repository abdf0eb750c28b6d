"""SRV records: order and what they offer (pillarbox.discovery.srv)."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.discovery.srv import SrvRecord, in_order, is_refused, offers
from pillarbox.publish.client_settings import Encryption

RECORDS = st.lists(
    st.builds(
        SrvRecord,
        st.integers(0, 3),
        st.integers(0, 65535),
        st.integers(0, 65535),
        st.sampled_from(["a.example.com", "b.example.com", ".", "", "127.0.0.1", "x y", "é.com"]),
    ),
    max_size=12,
)


@given(RECORDS, st.randoms(use_true_random=False))
def test_order_keeps_all_records_and_goes_by_priority(
    records: list[SrvRecord], random: Random
) -> None:
    """RFC 2782: whatever is drawn, nothing is lost or doubled, and priority comes first."""
    ordered = in_order(records, lambda highest: random.randint(0, highest))

    assert Counter(ordered) == Counter(records)
    assert [r.priority for r in ordered] == sorted(r.priority for r in records)


def test_order_inside_of_a_priority_follows_the_weights() -> None:
    """RFC 2782: the running sum that reaches the number drawn decides; no weight comes first."""
    light, heavy, none = (SrvRecord(0, weight, 1, "h") for weight in (10, 90, 0))

    assert in_order([heavy, light, none], lambda _: 0)[0] == none
    assert in_order([light, heavy], lambda highest: min(highest, 10))[0] == light
    assert in_order([light, heavy], lambda highest: min(highest, 11))[0] == heavy


@given(RECORDS, RECORDS)
def test_offers_are_host_names_and_ports_only(
    submissions: list[SrvRecord], submission: list[SrvRecord]
) -> None:
    """Targets that are addresses or nonsense, and port 0, are left out."""
    for offer in offers(submissions, submission, lambda _: 0):
        assert offer.host.endswith((".example.com", "xn--9ca.com"))
        assert 0 < offer.door.port < 65536


def test_implicit_tls_comes_first_at_equal_priority() -> None:
    """RFC 8314 section 5.1."""
    record = SrvRecord(5, 1, 465, "a.example.com")
    better = SrvRecord(1, 1, 587, "a.example.com")

    equal = offers([record], [SrvRecord(5, 1, 587, "a.example.com")], lambda _: 0)
    other = offers([record], [better], lambda _: 0)

    assert [o.door.encryption for o in equal] == [Encryption.TLS, Encryption.STARTTLS]
    assert [o.door.encryption for o in other] == [Encryption.STARTTLS, Encryption.TLS]


def test_service_that_is_not_offered() -> None:
    """RFC 2782: a target of "." alone."""
    assert is_refused([SrvRecord(0, 0, 0, ".")])
    assert not is_refused([])
    assert not is_refused([SrvRecord(0, 0, 0, "."), SrvRecord(0, 0, 587, "a.example.com")])
