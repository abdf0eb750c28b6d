"""As whom an account may send: the envelope (MAIL FROM) and the author fields (From, Sender)."""

import pytest

from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.message import scan_header
from pillarbox.policy.sendas import author_fault, may_send_as
from pillarbox.route import RouteTable
from pillarbox.store.records import Account, Tenant


def account(*grants: str, address: str = "u1@t1.test") -> Account:
    """An account of a tenant that owns t1.test and straße.test."""
    tenant = Tenant(1, "one", frozenset({"t1.test", "xn--strae-oqa.test"}), RouteTable([]))
    own = parse_mailbox(address)
    return Account(1, tenant, own, 1, frozenset({own.key, *grants}))


@pytest.mark.parametrize(
    "address",
    ["u1@t1.test", "U1@T1.TEST", '"u1"@t1.test', "u1+printer@t1.test", "u1+a+b@t1.test",
     "alias@t1.test", "ALIAS@t1.Test"],
)  # fmt: skip
def test_own_addresses_may_be_used(address: str) -> None:
    """The own address in each spelling, with a tag, and what was granted."""
    assert may_send_as(account("alias@t1.test"), parse_mailbox(address))


@pytest.mark.parametrize(
    "address",
    ["u2@t1.test", "u1@t2.test", "u1@sub.t1.test", "u1@t1.test.evil.test", "+u1@t1.test",
     "u1x@t1.test", "alias+tag@t1.test", '"u1+tag x"@t1.test', '"u1@t1.test"@t2.test',
     "u1%t1.test@t2.test", "u1@[192.0.2.1]", "\u04431@t1.test", "u1@\u04421.test",
     "u1\uff0b@t1.test"],
)  # fmt: skip
def test_addresses_of_others_may_not_be_used(address: str) -> None:
    """Other users, other tenants, look-alikes and quoted tricks are somebody else."""
    assert not may_send_as(account("alias@t1.test"), parse_mailbox(address))


def test_composed_and_decomposed_letters_are_one_address() -> None:
    """Unicode knows two spellings of é; both are the same mailbox (RFC 6532 3.1)."""
    composed, decomposed = "ren\u00e9@t1.test", "rene\u0301@t1.test"

    assert may_send_as(account(address=composed), parse_mailbox(decomposed))
    assert may_send_as(account(address=decomposed), parse_mailbox(composed))


def test_both_forms_of_an_international_domain_are_one() -> None:
    """U-label and A-label name the same domain (RFC 5890)."""
    own = account(address="u1@stra\u00dfe.test")

    assert may_send_as(own, parse_mailbox("u1@xn--strae-oqa.test"))


def test_grant_for_a_domain_holds_for_each_of_its_addresses() -> None:
    """ "@domain" is every address of the domain, but none of its subdomains."""
    granted = account("@t1.test")

    assert may_send_as(granted, parse_mailbox("anyone@t1.test"))
    assert not may_send_as(granted, parse_mailbox("anyone@sub.t1.test"))


def test_grant_for_a_domain_ends_when_the_tenant_loses_it() -> None:
    """A domain that went to another tenant can not be used by an old grant."""
    assert not may_send_as(account("@gone.test"), parse_mailbox("anyone@gone.test"))


def test_null_reverse_path_needs_its_grant() -> None:
    """Nobody sends with an empty sender but who was allowed to."""
    assert not may_send_as(account("@t1.test"), None)
    assert may_send_as(account("<>"), None)


def _fault(header: bytes, *grants: str) -> str:
    return author_fault(account(*grants), scan_header(header + b"\r\n\r\nbody\r\n"))


@pytest.mark.parametrize(
    "header",
    [
        b"From: u1@t1.test",
        b"From: Ann <U1@T1.test>",
        b"From: u1+x@t1.test",
        b"From: =?utf-8?q?boss=40t1.test?= <u1@t1.test>",
        b"From: u1@t1.test, <alias@t1.test>",
        b"From: u1@t1.test\r\nSender: <alias@t1.test>",
        b"From: u1@t1.test\r\nResent-From: u1@t1.test",
        b"Subject: no From at all",
        b"From: u1@t1.test\r\nReply-To: boss@t1.test",
    ],
)
def test_own_authors_pass(header: bytes) -> None:
    """Every form that names own addresses only."""
    assert _fault(header, "alias@t1.test") == ""


@pytest.mark.parametrize(
    "header",
    [
        b"From: boss@t1.test",
        b"From: u1@t1.test\r\nFrom: boss@t1.test",
        b"From: boss@t1.test\r\nFrom: u1@t1.test",
        b"From: u1@t1.test\r\nFrom: u1@t1.test",
        b"From: u1@t1.test\r\nfrom: boss@t1.test",
        b"Subject: x\r\nFrom : boss@t1.test",
        b"From: u1@t1.test\r\nFrom : boss@t1.test",
        b"From: u1@t1.test\r\nFrom\r\n : boss@t1.test",
        b"From: u1@t1.test\r\nFrom\x00: boss@t1.test",
        b"From: u1@t1.test, boss@t1.test",
        b"From: boss@t1.test <u1@t1.test>",
        b"From: u1@t1.test <boss@t1.test>",
        b"From: <u1@t1.test> <boss@t1.test>",
        b"From: <u1@t1.test>boss@t1.test",
        b"From: <@t1.test:boss@t1.test>",
        b"From: <@evil.test,@t1.test:u1@t1.test>",
        b"From: =?utf-8?q?u1=40t1.test?=",
        b"From: staff: u1@t1.test, boss@t1.test;",
        b"From: (u1@t1.test) boss@t1.test",
        b'From: "u1@t1.test" <boss@t1.test>',
        b'From: "u1@t1.test"@evil.test',
        b"From: u1\\@t1.test@evil.test",
        b"From: u1@t1.test\\, <boss@t1.test>",
        b"From: u1@t1.test\r\nSender: boss@t1.test",
        b"From: u1@t1.test\r\nSender: u1@t1.test\r\nSender: boss@t1.test",
        b"From: u1@t1.test\r\nResent-From: boss@t1.test",
        b"From: u1@t1.test\r\nResent-Sender: boss@t1.test",
        b"From: u1@t1.test\r\nno field\r\nFrom: boss@t1.test",
        b"From: u1@t1.test\r\nX: \n\nFrom: boss@t1.test",
        b"From:",
        b"From: <>",
    ],
)
def test_authors_of_somebody_else_are_found(header: bytes) -> None:
    """Whatever form a forged author takes, and whatever programs read differently."""
    assert _fault(header) != ""
