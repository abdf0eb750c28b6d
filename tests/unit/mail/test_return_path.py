"""mail.return_path: addresses that say whom a bounce is about, and that nobody else can make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.address import MAX_LOCAL_PART_OCTETS, Mailbox, parse_mailbox
from pillarbox.mail.return_path import (
    ReturnTag,
    feedback_address,
    is_feedback_address,
    read_return_address,
    return_address,
)

KEY, OTHER_KEY = bytes(32), bytes(31) + b"\1"
DOMAIN = "bounces.example.org"
TAGS = st.builds(
    ReturnTag, st.integers(1, (1 << 63) - 1), st.integers(0, 99_999), is_shared=st.booleans()
)


@given(TAGS)
def test_an_address_says_whom_it_is_about(tag: ReturnTag) -> None:
    """Whatever servers do to its case; it is a short address that every server takes."""
    address = return_address(KEY, DOMAIN, tag)

    assert parse_mailbox(address.address) == address
    assert len(address.local_part) < MAX_LOCAL_PART_OCTETS
    assert read_return_address(KEY, address) == tag
    assert read_return_address(KEY, parse_mailbox(address.address.upper())) == tag


@given(TAGS, st.integers(0, 200), st.sampled_from("0123456789abcdefghjkmnpqrstvwxyzs-"))
def test_a_changed_address_says_nothing(tag: ReturnTag, at: int, character: str) -> None:
    """Neither another message nor another recipient can be meant by it."""
    address = return_address(KEY, DOMAIN, tag)
    at %= len(address.local_part)
    changed = address.local_part[:at] + character + address.local_part[at + 1 :]

    found = read_return_address(KEY, Mailbox(changed, DOMAIN))

    assert found == (tag if changed == address.local_part else None)


@pytest.mark.parametrize("letter", ["\u017f", "\u0131", "\u212a"])
def test_letters_that_only_fold_to_ascii_say_nothing(letter: str) -> None:
    """A long s, an i without its dot, the sign of Kelvin: SMTPUTF8 can bring them."""
    address = return_address(KEY, DOMAIN, ReturnTag(1 << 62, 7, is_shared=True))

    for at in range(len(address.local_part)):
        changed = address.local_part[:at] + letter + address.local_part[at + 1 :]
        assert read_return_address(KEY, Mailbox(changed, DOMAIN)) is None


@given(TAGS)
def test_an_address_holds_for_its_domain_and_key(tag: ReturnTag) -> None:
    """That of one tenant is nothing at the domain of another."""
    address = return_address(KEY, DOMAIN, tag)

    assert read_return_address(OTHER_KEY, address) is None
    assert read_return_address(KEY, Mailbox(address.local_part, "example.org")) is None


@given(st.text(max_size=70), st.text(max_size=70))
def test_any_text_is_read(local_part: str, domain: str) -> None:
    """What is no such address is None, never an error."""
    assert read_return_address(KEY, Mailbox(local_part, domain)) is None
    assert not is_feedback_address(KEY, Mailbox(local_part, domain))
    assert not is_feedback_address(KEY, Mailbox(f"feedback-{local_part}", domain))


def test_complaints_have_an_address_of_their_own() -> None:
    """For one domain and service, and no return address of anything."""
    address = feedback_address(KEY, DOMAIN)

    assert is_feedback_address(KEY, parse_mailbox(address.address.upper()))
    assert not is_feedback_address(OTHER_KEY, address)
    assert not is_feedback_address(KEY, Mailbox(address.local_part, "example.org"))
    assert read_return_address(KEY, address) is None
