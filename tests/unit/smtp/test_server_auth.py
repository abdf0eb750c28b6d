"""AUTH and STARTTLS: who may send, and what may not reach across the handshake."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import Credentials, Login, StartTls

if TYPE_CHECKING:
    from tests.support.smtp_session import Driver
    from tests.unit.smtp.conftest import Sessions

Cuts = Callable[[bytes], list[list[bytes]]]

USER = b64encode(b"u1@t1.test")
PASSWORD = b64encode("Pw-1_é".encode())
PLAIN = b64encode("\x00u1@t1.test\x00Pw-1_é".encode())
EXPECTED = ("u1@t1.test", "Pw-1_é")

LOGIN_FAILED = reply(535, "5.7.8", "Login failed")


def _said(session: Driver, *lines: bytes) -> list[int]:
    return [code for line in lines for code in session.codes(line + b"\r\n")]


@pytest.mark.parametrize(
    ("mechanism", "lines"),
    [
        ("PLAIN", [b"AUTH PLAIN " + PLAIN]),
        ("PLAIN", [b"auth plain " + PLAIN]),
        ("PLAIN", [b"AUTH  PLAIN   " + PLAIN + b" "]),
        ("PLAIN", [b"AUTH Plain", PLAIN]),
        ("LOGIN", [b"AUTH LOGIN", USER, PASSWORD]),
        ("LOGIN", [b"AUTH login " + USER, PASSWORD]),
    ],
)
def test_login_in_every_form(sessions: Sessions, mechanism: str, lines: list[bytes]) -> None:
    """Names in any case, with an initial response or without (RFC 4954 section 4)."""
    session = sessions.encrypted()

    codes = _said(session, *lines)

    assert codes == [334] * (len(lines) - 1) + [235]
    assert session.logins == [Credentials(mechanism, *EXPECTED)]
    assert session.protocol.authenticated
    assert session.codes(b"MAIL FROM:<a@a.test>\r\n") == [250]


def test_login_challenges_are_what_clients_look_for(sessions: Sessions) -> None:
    """LOGIN asks "Username:" and "Password:", PLAIN asks nothing."""
    session = sessions.encrypted()

    assert session.send(b"AUTH LOGIN\r\n") == b"334 VXNlcm5hbWU6\r\n"
    assert session.send(USER + b"\r\n") == b"334 UGFzc3dvcmQ6\r\n"
    session.send(b"*\r\n")
    assert session.send(b"AUTH PLAIN\r\n") == b"334 \r\n"


def test_login_in_any_splitting(sessions: Sessions, cuts: Cuts) -> None:
    """The exchange does not depend on how the octets arrive."""
    for first, second in zip(cuts(b"AUTH LOGIN\r\n"), cuts(USER + b"\r\n"), strict=False):
        session = sessions.encrypted()
        replies = session.send_all(iter(first)) + session.send_all(iter(second))
        replies += session.send_all(iter([PASSWORD, b"\r", b"\n"]))
        assert replies == b"334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 2.7.0 Logged in\r\n"


@pytest.mark.parametrize(
    ("lines", "code", "refusal"),
    [
        ([b"AUTH PLAIN", b"*"], 501, Refusal.LOGIN_CANCELLED),
        ([b"AUTH LOGIN", USER, b"*"], 501, Refusal.LOGIN_CANCELLED),
        ([b"AUTH PLAIN !!!"], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN YQ"], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN ="], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN", b""], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN", b"\xff\xfe"], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN " + b64encode(b"\0u\0p\0x")], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN " + b64encode(b"\0u\r\n\0p")], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN " + b64encode(b"\0u\x07\0p")], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH LOGIN", b64encode(b"u\0x"), PASSWORD], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH LOGIN", USER, b64encode(b"p\0")], 501, Refusal.LOGIN_SYNTAX),
        ([b"AUTH PLAIN " + b64encode(b"root\0u\0p")], 535, Refusal.LOGIN_FAILED),
        ([b"AUTH PLAIN " + b64encode(b"\0\0p")], 535, Refusal.LOGIN_FAILED),
        ([b"AUTH PLAIN " + b64encode(b"\0u\0")], 535, Refusal.LOGIN_FAILED),
        ([b"AUTH PLAIN " + b64encode(b"\0\xff\0p")], 535, Refusal.LOGIN_FAILED),
        ([b"AUTH LOGIN =", PASSWORD], 535, Refusal.LOGIN_FAILED),
        ([b"AUTH CRAM-MD5"], 504, Refusal.LOGIN_MECHANISM),
        ([b"AUTH"], 504, Refusal.LOGIN_MECHANISM),
    ],
)
def test_bad_logins(sessions: Sessions, lines: list[bytes], code: int, refusal: Refusal) -> None:
    """Attacks row 31: each is refused by the core, and no credentials reach the shell."""
    session = sessions.encrypted()

    assert _said(session, *lines)[-1] == code
    assert session.protocol.refusals == [refusal]
    assert session.logins == []
    assert session.codes(b"MAIL FROM:<a@a.test>\r\n") == [530]
    assert _said(session, b"AUTH PLAIN " + PLAIN) == [235]


@pytest.mark.parametrize("begun", [[b"AUTH PLAIN"], [b"AUTH LOGIN"], [b"AUTH LOGIN", USER]])
def test_a_response_with_a_bare_lf_ends_the_exchange(
    sessions: Sessions, cuts: Cuts, begun: list[bytes]
) -> None:
    """Attacks row 4; RFC 4954 section 4: after a 500 the next line is a command, no password."""
    for pieces in cuts(PASSWORD + b"\n"):
        session = sessions.encrypted()
        _said(session, *begun)

        assert session.send_all(iter(pieces)).startswith(b"500 5.5.2 Command lines must end")
        assert session.protocol.refusals == [Refusal.BARE_LF_COMMAND]
        assert _said(session, b"NOOP", b"AUTH PLAIN " + PLAIN) == [250, 235]
        assert session.logins == [Credentials("PLAIN", *EXPECTED)]


def test_plain_may_name_the_same_account_twice(sessions: Sessions) -> None:
    """An authorization identity that equals the user name asks for nothing more (RFC 4616)."""
    session = sessions.encrypted()

    assert _said(session, b"AUTH PLAIN " + b64encode(b"U1@t1.test\0u1@t1.test\0p")) == [235]


@pytest.mark.parametrize(("octets", "code"), [(12_288, 535), (12_292, 500)])
def test_a_response_has_at_most_12288_octets(sessions: Sessions, octets: int, code: int) -> None:
    """Attacks row 31: base64 up to 12,288 octets is read, more is refused with 500."""
    response = b64encode(b"\0\0" + b"x" * (octets // 4 * 3 - 2))
    assert len(response) == octets

    for lines in ([b"AUTH PLAIN " + response], [b"AUTH PLAIN", response]):
        session = sessions.encrypted()
        assert _said(session, *lines)[-1] == code
        assert not session.protocol.closing


def test_an_endless_response_ends_the_session(sessions: Sessions) -> None:
    """Attacks row 31, 47: a response that never ends is cut off at the limit."""
    session = sessions.encrypted()
    session.send(b"AUTH PLAIN\r\n")

    replies = [session.send(b"A" * 1000) for _ in range(20)]

    assert b"".join(replies).startswith(b"500 5.5.2 ")
    assert session.protocol.closing


def test_auth_before_ehlo_is_out_of_sequence(sessions: Sessions) -> None:
    """AUTH is an extension: it needs EHLO first."""
    session = sessions.connected(tls="TLSv1.3 TEST")

    assert _said(session, b"AUTH PLAIN " + PLAIN) == [503]


def test_auth_twice_is_refused_503(sessions: Sessions) -> None:
    """Attacks row 31; RFC 4954 section 4."""
    assert _said(sessions.logged_in(), b"AUTH PLAIN " + PLAIN) == [503]


def test_auth_in_a_transaction_is_refused_503(sessions: Sessions) -> None:
    """Attacks row 31; RFC 4954 section 4."""
    session = sessions.connected(tls="TLSv1.3 TEST", trusted=True)
    session.send(b"EHLO client.test\r\n")

    assert _said(session, b"MAIL FROM:<a@a.test>", b"AUTH PLAIN " + PLAIN) == [250, 503]
    assert session.protocol.in_transaction


def test_auth_before_tls_is_refused_and_the_secret_is_not_handed_out(sessions: Sessions) -> None:
    """Attacks row 17: 538, with the way out in the text; nothing reaches the shell."""
    for trusted in (False, True):
        session = sessions.connected(require_tls=True, trusted=trusted)
        session.send(b"EHLO client.test\r\n")

        answer = session.send(b"AUTH PLAIN " + PLAIN + b"\r\n")

        assert answer.startswith(b"538 5.7.11 Authentication needs encryption: turn on STARTTLS")
        assert session.logins == []


def test_auth_is_refused_where_it_is_not_offered(sessions: Sessions) -> None:
    """A listener without logins answers 502."""
    session = sessions.encrypted(login_mechanisms=())

    assert _said(session, b"AUTH PLAIN " + PLAIN) == [502]
    assert b"AUTH" not in session.send(b"EHLO client.test\r\n")


def test_auth_of_mail_is_taken_where_auth_is_offered_alone(sessions: Sessions) -> None:
    """RFC 4954 section 5: the parameter belongs to the extension."""
    mail = b"MAIL FROM:<a@a.test> AUTH=<>\r\n"

    assert sessions.logged_in().codes(mail) == [250]
    assert sessions.ready().send(mail).startswith(b"555 5.5.4 ")
    assert sessions.encrypted(login_mechanisms=(), is_open=True).codes(mail) == [555]


def test_all_failed_logins_read_the_same(sessions: Sessions) -> None:
    """Attacks row 28: what the core refuses and what the shell refuses are the same octets."""
    by_core = sessions.encrypted()
    by_shell = sessions.encrypted()
    by_shell.refusals[Login] = Refusal.LOGIN_FAILED.reply("0123456789ABC")

    first = by_core.send(b"AUTH PLAIN " + b64encode(b"root\0u\0p") + b"\r\n")
    second = by_shell.send(b"AUTH PLAIN " + PLAIN + b"\r\n")

    assert first == second


def test_mail_without_login_is_refused_530_at_every_moment(sessions: Sessions) -> None:
    """Attacks row 37: also after RSET, EHLO, STARTTLS and a failed AUTH; never an open relay."""
    session = sessions.connected(require_tls=True)
    session.refusals[Login] = LOGIN_FAILED
    mail = b"MAIL FROM:<a@a.test>\r\n"

    answers = [session.send(mail)]
    for line in (b"EHLO x.test\r\n", b"RSET\r\n", b"HELO x.test\r\n"):
        session.send(line)
        answers.append(session.send(mail))
    session.send(b"STARTTLS\r\n")
    encrypted = [session.send(mail)]
    for line in (b"EHLO x.test\r\n", b"RSET\r\n", b"AUTH PLAIN " + PLAIN + b"\r\n"):
        session.send(line)
        encrypted.append(session.send(mail))

    assert all(a.startswith(b"530 5.7.0 Authentication needs encryption") for a in answers)
    assert all(a.startswith(b"530 5.7.0 Log in first") for a in encrypted)
    assert session.codes(b"RCPT TO:<b@b.test>\r\nDATA\r\n") == [503, 503]
    assert session.mails == session.rcpts == 0


def test_starttls_forgets_everything(sessions: Sessions) -> None:
    """Attacks row 16: EHLO, transaction and recipients from before TLS are gone (RFC 3207 4.2)."""
    session = sessions.in_transaction()

    assert session.send(b"STARTTLS\r\n") == b"220 2.0.0 Ready for TLS\r\n"

    assert session.protocol.helo == ""
    assert session.protocol.tls == "TLSv1.3 TEST"
    assert not session.protocol.in_transaction
    assert session.codes(b"RCPT TO:<b@b.test>\r\n") == [503]
    assert session.codes(b"MAIL FROM:<a@a.test>\r\n") == [503]
    assert session.codes(b"EHLO x.test\r\n") == [250]
    assert session.codes(b"STARTTLS\r\n") == [503]


def test_starttls_between_chunks_drops_the_content(sessions: Sessions) -> None:
    """Content that has begun is void when TLS begins."""
    session = sessions.in_transaction()
    session.send(b"BDAT 2\r\nab")

    session.send(b"STARTTLS\r\n")

    assert len(session.aborts) == 1


@pytest.mark.parametrize(
    "behind", [b"EHLO x\r\n", b"NOO", b"\x16\x03\x01", b"x" * 65536, b"STARTTLS\r\n", b"\n"]
)
def test_octets_behind_starttls_end_the_session(sessions: Sessions, behind: bytes) -> None:
    """Attacks row 13 (CVE-2011-0411): refused in plain text, nothing of it inside TLS."""
    for session in (sessions.connected(), sessions.ready(), sessions.in_transaction()):
        answer = session.send(b"STARTTLS\r\n" + behind)

        assert answer.startswith(b"554 5.5.0 ")
        assert answer.count(b"\r\n") == 1
        assert session.protocol.closing
        assert session.count(StartTls) == 0
        assert session.protocol.refusals == [Refusal.INJECTED_BEFORE_TLS]


def test_octets_while_starttls_is_decided_end_the_session(sessions: Sessions) -> None:
    """Attacks row 13: octets that come before the answer are injected as well."""
    protocol = sessions.ready().protocol
    protocol.receive(b"STARTTLS\r\n")
    assert protocol.next_event() == StartTls()
    protocol.receive(b"NOOP\r\n")

    protocol.accept()

    assert protocol.data_to_send().startswith(b"554 5.5.0 ")
    assert protocol.closing
    assert protocol.next_event() is None


def test_octets_during_the_handshake_end_the_session_without_a_reply(sessions: Sessions) -> None:
    """Attacks row 13: plain text after the 220 is never answered."""
    protocol = sessions.ready().protocol
    protocol.receive(b"STARTTLS\r\n")
    protocol.next_event()
    protocol.accept()
    protocol.data_to_send()
    assert not protocol.wants_input

    protocol.receive(b"NOOP\r\n")

    assert protocol.closing
    assert protocol.next_event() is None
    assert protocol.data_to_send() == b""
    with pytest.raises(LocalProtocolError):
        protocol.tls_started("TLSv1.3")


def test_starttls_that_fails_leaves_the_session_as_it_was(sessions: Sessions) -> None:
    """454: the client may go on in plain text or leave (RFC 3207 section 4)."""
    session = sessions.in_transaction()
    session.refusals[StartTls] = Refusal.TLS_UNAVAILABLE.reply("ID")

    assert session.codes(b"STARTTLS\r\n") == [454]
    assert session.codes(b"RCPT TO:<c@b.test>\r\n") == [250]


def test_starttls_where_it_is_not_offered(sessions: Sessions) -> None:
    """502 and the ports that have TLS."""
    session = sessions.connected(starttls=False)

    assert b"STARTTLS" not in session.send(b"EHLO x.test\r\n")
    assert session.send(b"STARTTLS\r\n").startswith(b"502 5.5.1 STARTTLS is not offered")


def test_a_network_login_outlives_starttls(sessions: Sessions) -> None:
    """The client's address stays what it is, so its account does."""
    session = sessions.ready()
    session.protocol.set_account("printer@t1.test", size_limit_octets=10, recipient_limit=1)

    session.send(b"STARTTLS\r\n")

    assert session.protocol.login == "printer@t1.test"
    assert b"250-SIZE 10\r\n" in session.send(b"EHLO x.test\r\n")


def test_a_login_does_not_show_its_password() -> None:
    """Attacks row 33: credentials can be logged or shown without the password."""
    assert "Pw-1_x" not in repr(Login(Credentials("PLAIN", "u1@t1.test", "Pw-1_x")))
