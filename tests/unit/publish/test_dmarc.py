"""publish.dmarc: which record holds, and whose names are aligned (RFC 9989)."""

import pytest

from pillarbox.publish.dmarc import (
    DmarcRecord,
    Policy,
    discover,
    faults,
    is_aligned,
    names_of_walk,
    read_dmarc,
)

NONE, QUARANTINE, REJECT = Policy


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("example.com", ["example.com", "com"]),
        ("a.example.com", ["a.example.com", "example.com", "com"]),
        (
            "a.b.c.d.e.f.g.h.i.j.mail.example.com",
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "g.h.i.j.mail.example.com",
                "h.i.j.mail.example.com",
                "i.j.mail.example.com",
                "j.mail.example.com",
                "mail.example.com",
                "example.com",
                "com",
            ],
        ),
        (
            "c.d.e.f.g.mail.example.com",
            [
                "c.d.e.f.g.mail.example.com",
                "d.e.f.g.mail.example.com",
                "e.f.g.mail.example.com",
                "f.g.mail.example.com",
                "g.mail.example.com",
                "mail.example.com",
                "example.com",
                "com",
            ],
        ),
    ],
)
def test_the_walk_is_short(domain: str, names: list[str]) -> None:
    """Eight questions at most, whatever the name is."""
    assert names_of_walk(domain) == names


@pytest.mark.parametrize(
    ("texts", "record"),
    [
        (["v=DMARC1; p=reject"], DmarcRecord(REJECT, REJECT)),
        (["v = DMARC1 ; P=Reject;SP = none; adkim=s"], DmarcRecord(REJECT, NONE, True)),
        (["v=DMARC1; p=none; aspf=S; psd=y; pct=50"], DmarcRecord(is_spf_strict=True, psd="y")),
        (["v=spf1 -all", "v=DMARC1; p=none"], DmarcRecord()),
        (["v=DMARC1; p=none", "v=DMARC1; p=none"], None),
        (["v=DMARC1; p=rejected; rua=mailto:a@b.example"], DmarcRecord()),
        (["v=DMARC1; p=rejected"], None),
        (["v=DMARC1"], None),
        (["v=DMARC1; p=reject; sp=x; rua=mailto:a@b.example"], DmarcRecord()),
        (["v=dmarc1; p=reject"], None),
        (["p=reject; v=DMARC1"], None),
        (["v=DMARC10; p=reject"], None),
        ([], None),
    ],
)
def test_a_record_is_read_as_receivers_do(texts: list[str], record: DmarcRecord | None) -> None:
    """What is wrong in it takes the default; without a policy it counts only for its reports."""
    assert read_dmarc(texts) == record


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("v=DMARC1; p=none; rua=mailto:a@b.example", []),
        ("v=DMARC1; p=rejct; adkim=x", ["p=rejct", "adkim=x"]),
        ("v=DMARC1; rua=mailto:a@b.example", ["p= is missing"]),
        ("v=DMARC1; p=none; t=1; psd=x", ["t=1 is neither y nor n", "psd=x is none of y, n and u"]),
        ("v=dmarc1; p=none", ["must begin with v=DMARC1;"]),
    ],
)
def test_what_is_wrong_is_named(text: str, wrong: list[str]) -> None:
    """Each with its tag."""
    found = faults(text)
    assert len(found) == len(wrong)
    assert all(any(part in fault for fault in found) for part in wrong)


SUFFIX = DmarcRecord(psd="y")
PLAIN = DmarcRecord(QUARANTINE, REJECT)
APART = DmarcRecord(psd="n")


@pytest.mark.parametrize(
    ("records", "found_at", "organization", "policy"),
    [
        ({}, "", "a.mail.example.com", NONE),
        ({"example.com": PLAIN}, "example.com", "example.com", REJECT),
        ({"a.mail.example.com": PLAIN}, "a.mail.example.com", "a.mail.example.com", QUARANTINE),
        ({"mail.example.com": PLAIN, "example.com": PLAIN}, "example.com", "example.com", REJECT),
        ({"com": SUFFIX}, "com", "example.com", NONE),
        ({"example.com": PLAIN, "com": SUFFIX}, "example.com", "example.com", REJECT),
        ({"mail.example.com": APART, "example.com": PLAIN}, "mail.example.com", "mail.example.com",
         NONE),
        ({"a.mail.example.com": SUFFIX, "example.com": PLAIN}, "a.mail.example.com", "example.com",
         NONE),
    ],
)  # fmt: skip
def test_the_record_that_holds_is_found(
    records: dict[str, DmarcRecord], found_at: str, organization: str, policy: Policy
) -> None:
    """The domain's own, that of its organization, that of the public suffix; the examples of the
    RFC are among them."""
    found = discover("a.mail.example.com", records)

    assert (found.found_at, found.organization) == (found_at, organization)
    assert found.policy_for("a.mail.example.com") is policy


def test_alignment_is_relaxed_unless_it_is_strict() -> None:
    """Names of one organization are aligned, and those alone."""
    found = discover("a.example.com", {"example.com": PLAIN})

    for domain in ("a.example.com", "example.com", "b.example.com"):
        assert is_aligned(domain, "a.example.com", found, strict=False)
        assert is_aligned(domain, "a.example.com", found, strict=True) is (
            domain == "a.example.com"
        )
    for domain in ("com", "xexample.com", "example.net"):
        assert not is_aligned(domain, "a.example.com", found, strict=False)
