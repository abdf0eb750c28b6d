"""What is no proper command: line ends, controls, other protocols, talking out of turn, floods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import ContentAbort, ContentEnd, Login, MailFrom, RcptTo

if TYPE_CHECKING:
    from tests.unit.smtp.conftest import Sessions


@pytest.mark.parametrize("line", [b"EHLO x\n", b"NOOP\n", b"QUIT\n", b"\n", b"NOOP\r\r\n\n"])
def test_bare_lf_lines_are_refused_and_not_executed(sessions: Sessions, line: bytes) -> None:
    """Attacks row 4: 500 5.5.2, whatever the line says, split or not."""
    for pieces in ([line], [line[index : index + 1] for index in range(len(line))]):
        session = sessions.connected()
        replies = session.send_all(iter(pieces))
        assert b"500 5.5.2 " in replies
        assert b"250" not in replies
        assert b"221" not in replies
        assert session.protocol.helo == ""
        assert session.codes(b"NOOP\r\n") == [250]


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<a\x00@b.test>",
        b"MAIL FROM:<a\x07@b.test>",
        b"MAIL FROM:<a@b.test>\tSIZE=1",
        b"MAIL FROM:<a@b.test>\r",
        b"NOOP\rRSET",
        b"\x00",
        b"MAIL FROM:<\xc2\x85@b.test> SMTPUTF8",
        b"MAIL FROM:<\xff@b.test> SMTPUTF8",
        b"EHLO \xff\x00",
    ],
)
def test_controls_in_commands_are_refused_501(sessions: Sessions, line: bytes) -> None:
    """Attacks row 5: NUL, BEL, a bare CR, or what is not UTF-8 is a syntax error."""
    session = sessions.ready()

    assert session.codes(line + b"\r\n") == [501]
    assert session.mails == 0


def test_utf8_address_without_smtputf8_leaves_a_consistent_state(sessions: Sessions) -> None:
    """Attacks row 8: 553 5.6.7, then DATA is out of sequence."""
    session = sessions.ready()

    assert session.send("MAIL FROM:<é@x>\r\n".encode()).startswith(b"553 5.6.7 ")
    assert session.codes(b"DATA\r\n") == [503]
    assert session.codes(b"MAIL FROM:<a@a.test>\r\n") == [250]
    assert session.codes("RCPT TO:<é@x>\r\n".encode()) == [553]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"STARTTLS x", 501),
        (b"DATA x", 501),
        (b"RSET x", 501),
        (b"QUIT x", 501),
        (b"MAIL FROM:<a@a.test> X=1", 555),
        (b"MAIL FROM:<a@a.test> SIZE", 501),
        (b"MAIL FROM:<a@a.test> SIZE=1 SIZE=2", 501),
        (b"MAIL FROM:<a@a.test>SIZE=1", 501),
        (b"MAIL", 501),
        (b"MAIL TO:<a@a.test>", 501),
        (b"RSET\xe2\x80\x83", 500),
        ("R\u017fET".encode(), 500),
    ],
)
def test_arguments_that_do_not_belong_there(sessions: Sessions, line: bytes, code: int) -> None:
    """Attacks row 10: 501 5.5.4 or 555, and the command is not executed."""
    session = sessions.ready()

    assert session.codes(line + b"\r\n") == [code]
    assert not session.protocol.closing
    assert session.mails == 0


@pytest.mark.parametrize("command", [b"RSET x", b"DATA x", b"STARTTLS x", b"QUIT x"])
def test_bad_arguments_do_not_touch_the_transaction(sessions: Sessions, command: bytes) -> None:
    """Attacks row 10: a refused command changes nothing."""
    session = sessions.in_transaction()

    session.send(command + b"\r\n")

    assert len(session.protocol.recipients) == 1


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1",
        b"POST /x HTTP/1.1",
        b"PUT / HTTP/1.0",
        b"HEAD /",
        b"OPTIONS *",
        b"CONNECT mx.test:587 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"Host: mx.test",
        b"User-Agent:",
        b"get /secret",
    ],
)
def test_http_ends_the_session(sessions: Sessions, request_line: bytes) -> None:
    """Attacks row 12: 500 and close; nothing of the request is echoed or executed."""
    for tls in ("", "TLSv1.3 TEST"):
        session = sessions.connected(tls=tls)

        answer = session.send(request_line + b"\r\nEHLO x\r\nMAIL FROM:<a@a.test>\r\n")

        assert answer.startswith(b"500 5.5.1 This is an SMTP server")
        assert answer.count(b"\r\n") == 1
        assert b"secret" not in answer
        assert session.protocol.closing


@pytest.mark.parametrize("refused", [b"DATA", b"MAIL FROM:<a@b> FOO\r\nRCPT TO:<a@b>\r\nDATA"])
def test_content_behind_a_refused_data_is_not_taken_for_http(
    sessions: Sessions, refused: bytes
) -> None:
    """Programs that do not read replies send it, and show the last one: it must not lead astray.
    The session ends all the same."""
    session = sessions.ready()
    assert session.codes(refused + b"\r\n")[-1] == 503

    answer = session.send(b"Subject: secret\r\n\r\nRSET\r\n.\r\n")

    assert answer.startswith(b"503 5.5.1 ")
    assert b"the reply before that says why" in answer
    assert answer.count(b"\r\n") == 1
    assert session.protocol.closing
    assert Refusal.WRONG_PROTOCOL not in session.protocol.refusals


@pytest.mark.parametrize("line", [b"MAILFROM:<a@b>", b"a:b", b"<script>alert(1)</script>"])
def test_other_nonsense_is_an_unknown_command_and_not_echoed(
    sessions: Sessions, line: bytes
) -> None:
    """A typing error does not end the session, and no reply repeats what was sent."""
    session = sessions.ready()

    answer = session.send(line + b"\r\n")

    assert answer.startswith(b"500 5.5.1 ")
    assert line not in answer
    assert not session.protocol.closing


def test_tls_on_the_plain_text_port_is_named(sessions: Sessions) -> None:
    """Attacks row 22: a ClientHello ends the session as "wrong port", in one piece or two."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(11, 200))
    for pieces in ([hello], [hello[:1], hello[1:]], [hello.replace(b"\n", b"\r\n")]):
        session = sessions.connected()
        assert session.send_all(iter(pieces)).startswith(b"554 5.7.0 TLS began without STARTTLS")
        assert session.protocol.refusals == [Refusal.WRONG_PORT]
        assert session.protocol.closing


@pytest.mark.parametrize("behind", [b"\xfc\r\n", b"a\xfc\n", b"\x01" * 4000 + b"\r\n"])
def test_tls_is_named_whatever_line_its_octets_make(sessions: Sessions, behind: bytes) -> None:
    """Attacks row 22: random octets of a ClientHello may hold a line end, and be no text before
    it, or more than a line may have."""
    session = sessions.connected()

    assert session.codes(b"\x16\x03\x01" + behind) == [554]
    assert session.protocol.refusals == [Refusal.WRONG_PORT]


@pytest.mark.parametrize("octets", [b"EHLO x\r\n", b"x", b"\r\n"])
def test_octets_before_the_banner_end_the_session(sessions: Sessions, octets: bytes) -> None:
    """Attacks row 9: who talks before the 220 gets 554."""
    protocol = sessions.silent()
    protocol.receive(octets)
    assert protocol.next_event() is None

    protocol.greet()

    assert protocol.data_to_send().startswith(b"554 5.5.0 ")
    assert protocol.closing


@pytest.mark.parametrize(
    "group",
    [
        b"EHLO x\r\nMAIL FROM:<a@a.test>\r\n",
        b"HELO x\r\nN",
        b"DATA\r\nSubject: x\r\n\r\n.\r\n",
        b"AUTH PLAIN AHUAcA==\r\nMAIL FROM:<a@a.test>\r\n",
        b"AUTH LOGIN\r\ndQ==\r\n",
        b"NOOP\r\nEHLO x\r\nNOOP\r\n",
    ],
)
def test_octets_behind_the_last_command_of_a_group_end_the_session(
    sessions: Sessions, group: bytes
) -> None:
    """Attacks row 9; RFC 2920 3.1: 554 and close, and nothing of what follows is executed."""
    for session in (sessions.ready(), sessions.in_transaction(), sessions.encrypted()):
        answer = session.send(group)

        assert answer.split(b"\r\n")[-2].startswith(b"554 5.5.0 ")
        assert session.protocol.closing
        assert session.count(Login) == 0
        assert session.count(ContentEnd) == 0


def test_octets_behind_a_response_of_auth_end_the_session(sessions: Sessions) -> None:
    """Attacks row 9: the client has to wait for each 334 and for the 235."""
    session = sessions.encrypted()
    session.send(b"AUTH LOGIN\r\n")

    assert session.codes(b"dQ==\r\ncA==\r\n") == [554]
    assert session.logins == []


def test_octets_before_354_end_the_session(sessions: Sessions) -> None:
    """Attacks row 9: also when they come while the shell makes up its mind."""
    protocol = sessions.in_transaction().protocol
    protocol.receive(b"DATA\r\n")
    protocol.next_event()
    protocol.receive(b"x")

    protocol.accept()

    assert protocol.data_to_send().startswith(b"554 5.5.0 ")
    assert protocol.next_event() == ContentAbort(None)
    assert protocol.closing


def test_octets_while_a_login_is_checked_end_the_session(sessions: Sessions) -> None:
    """Attacks row 9: a login that was not waited for does not count."""
    protocol = sessions.encrypted().protocol
    protocol.receive(b"AUTH PLAIN AHUAcA==\r\n")
    protocol.next_event()
    protocol.receive(b"MAIL")

    protocol.accept()

    assert protocol.data_to_send().startswith(b"554 5.5.0 ")
    assert not protocol.authenticated


def test_a_whole_group_may_end_with_quit_or_small_commands(sessions: Sessions) -> None:
    """Clients pipeline NOOP, RSET and VRFY too; that does no harm."""
    session = sessions.ready()

    codes = session.codes(b"NOOP\r\nVRFY x\r\nRSET\r\nMAIL FROM:<a@a.test>\r\nRSET\r\nQUIT\r\n")

    assert codes == [250, 252, 250, 250, 250, 221]


def test_an_endless_line_ends_the_session(sessions: Sessions) -> None:
    """Attacks row 47: 500 5.5.2 at the limit, and nothing is kept."""
    session = sessions.ready()

    replies = b"".join([session.send(b"x" * 1000) for _ in range(5)])

    assert replies.startswith(b"500 5.5.2 The command line is longer than 2048 octets")
    assert replies.count(b"\r\n") == 1
    assert session.protocol.closing


@pytest.mark.parametrize(("octets", "code"), [(2048, 250), (2049, 500)])
def test_a_long_line_is_refused(sessions: Sessions, octets: int, code: int) -> None:
    """The limit counts CR LF; a line beyond it that ends is refused and the session goes on."""
    session = sessions.ready()
    line = b"NOOP " + b"x" * (octets - 7) + b"\r\n"
    assert len(line) == octets

    assert session.codes(line + b"NOOP\r\n") == [code, 250]


def test_too_many_errors_end_the_session(sessions: Sessions) -> None:
    """Attacks row 57: the 20th error is answered with 421."""
    session = sessions.ready()

    codes = session.codes(b"XYZZY\r\n" * 30)

    assert codes == [500] * 19 + [421]
    assert session.protocol.closing


@pytest.mark.parametrize(
    "line",
    [b"NOOP\r\n", b"RSET\r\n", b"VRFY x\r\n", b"HELP\r\n", b"MAIL FROM:<a@a.test>\r\nRSET\r\n"],
)
def test_idle_commands_without_end_end_the_session(sessions: Sessions, line: bytes) -> None:
    """Attacks row 57: 10,000 of them get 421 long before."""
    session = sessions.ready()

    codes = session.codes(line * 10_000)

    assert codes[-1] == 421
    assert len(codes) <= 203
    assert session.protocol.closing


def test_ehlo_without_end_ends_the_session(sessions: Sessions) -> None:
    """Attacks row 57: EHLO is counted as well."""
    session = sessions.ready(idle_limit=5)

    codes = [code for _ in range(6) for code in session.codes(b"EHLO x\r\n")]

    assert codes == [250, 250, 250, 250, 421]


def test_an_accepted_message_clears_the_counts(sessions: Sessions) -> None:
    """A kept session with some errors between its messages lives on."""
    session = sessions.ready(idle_limit=3, error_limit=3)
    for _ in range(10):
        assert session.codes(b"NOOP\r\nXYZZY\r\nMAIL FROM:<a@a.test>\r\n") == [250, 500, 250]
        assert session.codes(b"RCPT TO:<b@b.test>\r\nDATA\r\n") == [250, 354]
        assert session.codes(b".\r\n") == [250]


def test_failed_logins_count_as_errors(sessions: Sessions) -> None:
    """Attacks row 25: no session tries passwords without end."""
    session = sessions.encrypted(error_limit=5)
    session.refusals[Login] = reply(535, "5.7.8", "No")

    codes = [session.codes(b"AUTH PLAIN AHUAcA==\r\n") for _ in range(5)]

    assert codes == [[535]] * 4 + [[421]]


def test_too_many_recipients_are_refused_and_the_first_ones_kept(sessions: Sessions) -> None:
    """Attacks row 49: 452 4.5.3; a long list is no reason to end the session."""
    session = sessions.ready(recipient_limit=30, error_limit=5)
    rcpts = b"".join(b"RCPT TO:<r%d@b.test>\r\n" % index for index in range(60))

    codes = session.codes(b"MAIL FROM:<a@a.test>\r\n" + rcpts + b"DATA\r\n")

    assert codes == [250] + [250] * 30 + [452] * 30 + [354]
    assert [r.number for r in session.protocol.recipients] == list(range(30))


def test_refused_recipients_beyond_the_limit_count_as_errors(sessions: Sessions) -> None:
    """Attacks row 30: nobody tries recipients without end."""
    session = sessions.ready(recipient_limit=10, error_limit=5)
    session.refusals[RcptTo] = reply(550, "5.7.1", "No")
    session.send(b"MAIL FROM:<a@a.test>\r\n")

    codes = session.codes(b"RCPT TO:<b@b.test>\r\n" * 30)

    assert codes == [550] * 14 + [421]


def test_the_limit_of_transactions_ends_the_session(sessions: Sessions) -> None:
    """MAILMAX counts every MAIL (RFC 9422); beyond it: 421."""
    session = sessions.ready(mail_limit=2)
    session.refusals[MailFrom] = reply(550, "5.7.60", "No")

    codes = session.codes(b"MAIL FROM:<a@a.test>\r\n" * 3)

    assert codes == [550, 550, 421]
    assert session.protocol.refusals == [Refusal.TOO_MANY_MESSAGES]


def test_noted_refusals_are_bounded(sessions: Sessions) -> None:
    """A flood of errors does not fill the memory."""
    session = sessions.ready(error_limit=10_000)

    session.send(b"XYZZY\r\n" * 1000)

    assert len(session.protocol.refusals) == 32
