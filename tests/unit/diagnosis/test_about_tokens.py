"""What stands in a token of OAuth2 (pillarbox.diagnosis.about_tokens)."""

from base64 import b64encode

import pytest
from tests.gallery.rooms import jwt

from pillarbox.diagnosis.about_tokens import in_words, read_token


def test_claims_are_read() -> None:
    """Audience, owner, permissions, begin and end."""
    token = read_token(jwt(aud="https://x", upn="a@b.com", scp="SMTP.Send x", exp=9, nbf=3))

    assert (token.audience, token.owner) == ("https://x", "a@b.com")
    assert token.permissions == ("SMTP.Send", "x")
    assert (token.begins_at, token.ends_at) == (3, 9)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("Bearer abc", "Bearer"),
        ('"abc"', "quotes"),
        ("abc\ndef", "line breaks"),
        (b64encode(b"user=a\x01auth=Bearer t\x01\x01").decode(), "whole login"),
    ],
)
def test_what_people_paste_by_mistake_is_named(text: str, word: str) -> None:
    """It would only be refused by the server."""
    assert word in read_token(text).malformed


@pytest.mark.parametrize("text", ["ya29.a0AfB_x", "a.b.c", "EwBIA8l6BAAU"])
def test_opaque_token_is_taken_as_it_is(text: str) -> None:
    """Only its issuer can read it."""
    assert read_token(text).is_opaque


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "the past"), (90, "1 minutes"), (8000, "2 hours"), (200_000, "2 days")],
)
def test_time_in_words(seconds: float, words: str) -> None:
    """The largest unit that says enough."""
    assert in_words(seconds) == words
