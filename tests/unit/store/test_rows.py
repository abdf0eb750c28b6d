"""store.rows: values and rows are the same thing twice."""

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.address import Mailbox
from pillarbox.mail.reply import Reply, reply
from pillarbox.store.rows import MAX_TEXT, clean, mailbox_of, reply_of

PLAIN = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=30)


@given(st.text())
def test_cleaned_text_is_printable_and_bounded(text: str) -> None:
    """Whatever came over the network; what is printable already stays as it is."""
    cleaned = clean(text)

    assert cleaned.isprintable()
    assert len(cleaned) <= MAX_TEXT
    assert clean(cleaned) == cleaned
    if text.isprintable() and len(text) <= MAX_TEXT:
        assert cleaned == text


@given(st.integers(200, 599), st.sampled_from(["", "2.0.0", "4.7.1", "5.1.1"]), PLAIN)
def test_a_reply_survives_its_column(code: int, enhanced: str, text: str) -> None:
    """Code, enhanced code and text."""
    said = reply(code, enhanced, text)

    assert reply_of(clean(str(said))) == said


def test_an_attempt_that_was_not_made_has_no_reply() -> None:
    """An empty column is None."""
    assert reply_of("") is None
    assert reply_of("250") == Reply(250, "", ("",))


@given(st.sampled_from(["a", '"a@b"', '"x y"', "jürgen"]), st.sampled_from(["b.example", "[::1]"]))
def test_a_mailbox_survives_its_column(local_part: str, domain: str) -> None:
    """The last @ is the one that counts."""
    mailbox = Mailbox(local_part, domain)

    assert mailbox_of(mailbox.address) == mailbox
