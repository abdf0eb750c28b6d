"""Logging in with an access token: XOAUTH2 and OAUTHBEARER (RFC 7628), octet by octet."""

from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest

from pillarbox.explain.failures import FailureKind
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_login import Token
from pillarbox.smtp.client_phase import Phase

USER = "alerts@contoso.example"
SHORT = ClientSettings("me.test", username=USER, token=Token("ya29.short", "mx.test", 587))
LONG = ClientSettings(
    "me.test", username=USER, token=Token("eyJ0eXAi." + "x" * 1500, "mx.test", 587)
)
MICROSOFT = b"250-mx.test\r\n250-PIPELINING\r\n250 AUTH LOGIN XOAUTH2\r\n"
BOTH = b"250-mx.test\r\n250 AUTH PLAIN XOAUTH2 OAUTHBEARER\r\n"
WHY = b'{"status":"invalid_token","schemes":"bearer","scope":"https://mail.example/"}'
CHALLENGE = b"334 " + b64encode(WHY) + b"\r\n"
REFUSAL = b"535 5.7.3 Authentication unsuccessful\r\n"

Cuts = Callable[[bytes], list[list[bytes]]]


def greeted(settings: ClientSettings, ehlo: bytes) -> tuple[ClientProtocol, bytes]:
    """A session behind its EHLO, and what the client says then."""
    core = ClientProtocol(settings)
    core.receive(b"220 mx.test ESMTP\r\n")
    core.data_to_send()
    core.receive(ehlo)
    return core, core.data_to_send()


def test_xoauth2_says_what_microsoft_documents() -> None:
    """`user=`, the address, ^A, `auth=Bearer`, the token, ^A ^A; in one round trip."""
    core, said = greeted(SHORT, MICROSOFT)

    response = b"user=alerts@contoso.example\x01auth=Bearer ya29.short\x01\x01"
    assert said == b"AUTH XOAUTH2 " + b64encode(response) + b"\r\n"
    core.receive(b"235 2.7.0 Authentication successful\r\n")
    assert core.is_ready


def test_oauthbearer_is_preferred_and_names_the_host() -> None:
    """RFC 7628 section 3.1: the GS2 header, host, port and token."""
    core, said = greeted(SHORT, BOTH)

    response = (
        b"n,a=alerts@contoso.example,\x01host=mx.test\x01port=587\x01auth=Bearer ya29.short\x01\x01"
    )
    assert said == b"AUTH OAUTHBEARER " + b64encode(response) + b"\r\n"
    core.receive(b"235 2.7.0 ok\r\n")
    assert core.is_ready


def test_the_user_name_of_oauthbearer_is_escaped() -> None:
    """RFC 5801 section 4: comma and equals sign would end the name."""
    settings = ClientSettings("me.test", username="a,b=c@d.test", token=Token("t"))

    _, said = greeted(settings, BOTH)

    assert b64decode(said.split()[2]) == b"n,a=a=2Cb=3Dc@d.test,\x01auth=Bearer t\x01\x01"


@pytest.mark.parametrize("ehlo", [MICROSOFT, BOTH])
def test_a_long_token_waits_for_the_challenge(ehlo: bytes, cuts: Cuts) -> None:
    """RFC 4954 section 4: the command would be longer than a command may be. However the octets
    come, the answer is the same."""
    for pieces in cuts(b"334 \r\n"):
        core, said = greeted(LONG, ehlo)
        assert said in (b"AUTH XOAUTH2\r\n", b"AUTH OAUTHBEARER\r\n")

        for piece in pieces:
            core.receive(piece)

        assert LONG.token is not None
        token = LONG.token.value.encode()
        assert b"auth=Bearer " + token in b64decode(core.data_to_send())
        core.receive(b"235 ok\r\n")
        assert core.is_ready


@pytest.mark.parametrize(
    ("ehlo", "dummy"), [(MICROSOFT, b"\r\n"), (BOTH, b"AQ==\r\n")], ids=["XOAUTH2", "OAUTHBEARER"]
)
def test_the_error_challenge_is_answered_before_the_refusal(
    ehlo: bytes, dummy: bytes, cuts: Cuts
) -> None:
    """RFC 7628 section 3.2.3: the server says why, gets a dummy, and refuses."""
    for pieces in cuts(CHALLENGE):
        core, _ = greeted(SHORT, ehlo)

        for piece in pieces:
            assert core.data_to_send() == b""
            core.receive(piece)

        assert core.data_to_send() == dummy
        core.receive(REFUSAL)
        assert core.failure is not None
        assert core.failure.kind is FailureKind.TOKEN_REFUSED
        assert core.data_to_send() == b"QUIT\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (REFUSAL, FailureKind.TOKEN_REFUSED),
        (b"454 4.7.0 Temporary authentication failure\r\n", FailureKind.LOGIN_UNAVAILABLE),
    ],
)
def test_a_refusal_at_once_needs_no_challenge(answer: bytes, expected: FailureKind) -> None:
    """Microsoft refuses without saying why."""
    core, _ = greeted(SHORT, MICROSOFT)

    core.receive(answer)

    assert core.failure is not None
    assert core.failure.kind is expected


def test_challenges_without_end_break_the_protocol() -> None:
    """After the dummy only a refusal can come."""
    core, _ = greeted(SHORT, MICROSOFT)
    core.receive(CHALLENGE + CHALLENGE)

    assert core.phase is Phase.CLOSED
    assert core.failure is not None
    assert core.failure.kind is FailureKind.PROTOCOL_BROKEN


def test_a_token_is_never_given_as_a_password() -> None:
    """A server that offers only PLAIN and LOGIN gets nothing."""
    core, said = greeted(SHORT, b"250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n")

    assert said == b"QUIT\r\n"
    assert core.failure is not None
    assert core.failure.kind is FailureKind.LOGIN_NOT_OFFERED


def test_row_74_an_echoed_token_is_masked() -> None:
    """Plain, cut, in the response that was sent, or in base64 of the server's own (row 74)."""
    core, _ = greeted(LONG, MICROSOFT)
    core.receive(b"334 \r\n")
    sent = core.data_to_send().strip()
    assert LONG.token is not None
    token = LONG.token.value.encode()
    echoes = [token, token[:30], sent, sent[:60], b64encode(b"token " + token)[8:]]
    core.receive(b"535 5.7.3 no: " + b" then ".join(echoes) + b"\r\n")

    text = str(core.failure)

    assert core.failure is not None
    assert text.count("********") >= len(echoes) - 1
    for echo in echoes:
        assert echo.decode()[:24] not in text
    assert "xxxxxxxx" not in text
    assert token.decode() not in repr(core._settings)
