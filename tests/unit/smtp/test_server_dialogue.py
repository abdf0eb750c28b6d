"""Sessions as clients lead them: greeting, EHLO, a message, QUIT, and the small commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Body, Notify, Ret, TlsWish
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import ContentAbort, ContentEnd, MailFrom, RcptTo

if TYPE_CHECKING:
    from tests.unit.smtp.conftest import Sessions

Cuts = Callable[[bytes], list[list[bytes]]]


def test_ehlo_lists_what_is_offered_in_plain_text(sessions: Sessions) -> None:
    """Before TLS, EHLO offers STARTTLS and no AUTH (RFC 3207, RFC 4954)."""
    session = sessions.connected(mail_limit=100)

    replies = session.send(b"EHLO client.test\r\n")

    assert replies == (
        b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-BINARYMIME\r\n"
        b"250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
        b"250-LIMITS MAILMAX=100 RCPTMAX=3\r\n250 STARTTLS\r\n"
    )


def test_ehlo_lists_what_is_offered_under_tls(sessions: Sessions) -> None:
    """Under TLS, EHLO offers AUTH and STARTTLS no more (RFC 3207 4.2)."""
    session = sessions.connected(tls="TLSv1.3 TEST")

    replies = session.send(b"EHLO client.test\r\n")

    assert replies.endswith(b"250-LIMITS RCPTMAX=3\r\n250 AUTH PLAIN LOGIN\r\n")
    assert b"STARTTLS" not in replies


def test_requiretls_is_offered_and_taken_under_tls_alone(sessions: Sessions) -> None:
    """RFC 8689 section 2: "The session itself MUST employ TLS transmission." """
    clear = sessions.ready(requiretls=True)
    assert b"REQUIRETLS" not in clear.send(b"EHLO client.test\r\n")
    assert clear.send(b"MAIL FROM:<a@a.test> REQUIRETLS\r\n").startswith(b"530 5.7.0 REQUIRETLS")
    assert clear.codes(b"MAIL FROM:<a@a.test>\r\n") == [250]

    encrypted = sessions.logged_in(requiretls=True)
    assert b"250 REQUIRETLS\r\n" in encrypted.send(b"EHLO client.test\r\n")
    assert encrypted.codes(b"MAIL FROM:<a@a.test> SIZE=9 requiretls\r\n") == [250]
    (mail,) = [event for event in encrypted.events if isinstance(event, MailFrom)]
    assert mail.envelope.tls_wish is TlsWish.REQUIRED


def test_requiretls_that_was_not_offered_is_not_known(sessions: Sessions) -> None:
    """RFC 5321 section 4.1.1.11: code 555."""
    session = sessions.logged_in()

    assert b"REQUIRETLS" not in session.send(b"EHLO client.test\r\n")
    assert session.codes(b"MAIL FROM:<a@a.test> REQUIRETLS\r\n") == [555]


@pytest.mark.parametrize(
    ("mail", "rcpt", "codes"),
    [
        (b" RET=HDRS", b"", [555, 503]),
        (b" envid=x", b"", [555, 503]),
        (b" BODY=8BITMIME", b" NOTIFY=NEVER", [250, 555]),
        (b" SIZE=9", b" ORCPT=rfc822;b@b.test", [250, 555]),
        (b" SIZE=9", b"", [250, 250]),
    ],
)
def test_dsn_is_not_known_where_it_is_not_offered(
    sessions: Sessions, mail: bytes, rcpt: bytes, codes: list[int]
) -> None:
    """The port for what comes back reports nothing to anybody. RFC 5321 section 4.1.1.11."""
    session = sessions.connected(is_open=True)

    assert b"DSN" not in session.send(b"EHLO client.test\r\n")
    lines = b"MAIL FROM:<>%b\r\nRCPT TO:<b@b.test>%b\r\n" % (mail, rcpt)
    assert session.codes(lines) == codes


def test_ehlo_shows_the_limits_of_the_account(sessions: Sessions) -> None:
    """After set_account() the account's limits are announced and hold."""
    session = sessions.ready()
    session.protocol.set_account("a", size_limit_octets=500, recipient_limit=1)

    replies = session.send(b"EHLO client.test\r\n")

    assert b"250-SIZE 500\r\n" in replies
    assert b"RCPTMAX=1\r\n" in replies
    assert session.codes(b"MAIL FROM:<a@a.test> SIZE=501\r\n") == [552]
    assert session.codes(
        b"MAIL FROM:<a@a.test> SIZE=500\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<c@b.test>\r\n"
    ) == [250, 250, 452]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"[127.0.0.1]", "[127.0.0.1]"),
        (b"vm", "vm"),
        (b"HP LaserJet_4", "HP LaserJet_4"),
        ("drücker.test".encode(), "dr?cker.test"),
        (b"dr\xfccker.test", "dr?cker.test"),
        (b"-.-;(x)", "-.-;(x)"),
        (b"x" * 1000, "x" * 255),
    ],
)
def test_no_name_in_ehlo_is_a_reason_to_refuse(sessions: Sessions, name: bytes, kept: str) -> None:
    """Whatever the client calls itself is taken, and kept as ASCII (RFC 5321 4.1.4)."""
    session = sessions.connected()

    assert session.codes(b"EHLO " + name + b"\r\n") == [250]
    assert session.protocol.helo == kept


@pytest.mark.parametrize("line", [b"EHLO\r\n", b"EHLO  \r\n", b"EHLO a\x00b\r\n", b"HELO\r\n"])
def test_a_name_that_is_missing_or_has_controls_is_refused_501(
    sessions: Sessions, line: bytes
) -> None:
    """EHLO without a name, or with NUL in it, is a syntax error."""
    session = sessions.connected()

    assert session.codes(line) == [501]
    assert session.protocol.helo == ""


def test_device_without_a_host_name_reads_that_it_needs_one(sessions: Sessions) -> None:
    """Its menu has a field for that, and nothing else is wrong."""
    assert b"give the client a host name" in sessions.connected().send(b"EHLO \r\n")


def test_helo_is_answered_with_one_line(sessions: Sessions) -> None:
    """HELO gets no list of extensions (RFC 5321 4.1.1.1)."""
    session = sessions.connected()

    assert session.send(b"HELO client.test\r\n") == b"250 mx.test\r\n"


def test_a_message_by_data_in_any_splitting(sessions: Sessions, cuts: Cuts) -> None:
    """A plain session is served alike however its octets arrive."""
    commands = b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<c@b.test>\r\nDATA\r\n"
    content = b"Subject: x\r\n\r\n..dots\r\n.\r\nRSET\r\nQUIT\r\n"
    for first in cuts(commands):
        for second in cuts(content)[:2]:
            session = sessions.ready()
            replies = session.send_all(iter(first)) + session.send_all(iter(second))
            assert replies == (
                b"250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.1.5 Recipient OK\r\n"
                b"354 Start mail input; end with <CRLF>.<CRLF>\r\n250 2.0.0 Message taken\r\n"
                b"250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"
            )
            assert session.protocol.closing
            assert [content for _, _, content in session.messages] == [
                b"Subject: x\r\n\r\n.dots\r\n"
            ]


def test_replies_of_a_group_leave_as_one_block(sessions: Sessions) -> None:
    """RFC 2920 3.2: the replies to a pipelined group are sent together."""
    session = sessions.ready()

    replies = session.send(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<@>\r\nDATA\r\n")

    assert replies.count(b"\r\n") == 4
    assert replies.startswith(b"250 2.1.0")
    assert b"\r\n354 " in replies


def test_the_envelope_carries_all_parameters(sessions: Sessions) -> None:
    """MAIL and RCPT parameters reach the shell as values (RFC 3461, 6152, 6531, 1870)."""
    session = sessions.ready()

    session.send(
        "mail from: <ä@a.test> size=100 BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=Q+2B1\r\n"
        "rcpt to:<b@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40b.test\r\n".encode()
    )

    mail, rcpt = session.events
    assert isinstance(mail, MailFrom)
    assert mail.size == 100
    assert mail.envelope.reverse_path == Mailbox("ä", "a.test")
    assert mail.envelope.body is Body.EIGHT_BIT
    assert mail.envelope.smtputf8
    assert (mail.envelope.ret, mail.envelope.envid) == (Ret.HEADERS, "Q+2B1")
    assert isinstance(rcpt, RcptTo)
    assert rcpt.recipient.notify == Notify.SUCCESS | Notify.DELAY
    assert rcpt.recipient.orcpt == "rfc822;x+40b.test"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"NOOP", b"250 2.0.0 "),
        (b"NOOP with words", b"250 2.0.0 "),
        (b"noop", b"250 2.0.0 "),
        (b"RSET ", b"250 2.0.0 "),
        (b"HELP", b"214 2.0.0 "),
        (b"HELP MAIL", b"214 2.0.0 "),
        (b"VRFY root", b"252 2.0.0 "),
        (b"EXPN all", b"502 5.5.1 "),
        (b"TURN", b"502 5.5.1 "),
        (b"XYZZY", b"500 5.5.1 "),
        (b"", b"500 5.5.1 "),
        (b"QUIT", b"221 2.0.0 "),
    ],
)
def test_small_commands(sessions: Sessions, command: bytes, answer: bytes) -> None:
    """Attacks row 30: VRFY and EXPN tell nothing; the small commands work in any state."""
    for session in (sessions.connected(), sessions.ready(), sessions.in_transaction()):
        assert session.send(command + b"\r\n").startswith(answer)


def test_quit_ignores_what_follows(sessions: Sessions) -> None:
    """Octets behind QUIT are nobody's."""
    session = sessions.ready()

    assert session.send(b"QUIT\r\nNOOP\r\n") == b"221 2.0.0 Bye\r\n"
    assert session.send(b"NOOP\r\n") == b""
    assert session.protocol.closing
    assert session.events == []


@pytest.mark.parametrize("again", [b"RSET\r\n", b"EHLO again.test\r\n", b"HELO again.test\r\n"])
def test_rset_and_ehlo_forget_the_transaction(sessions: Sessions, again: bytes) -> None:
    """RFC 5321 4.1.1.5 and 4.1.4: afterwards RCPT and DATA are out of sequence."""
    session = sessions.in_transaction()

    session.send(again)

    assert not session.protocol.in_transaction
    assert session.protocol.recipients == []
    assert session.codes(b"RCPT TO:<b@b.test>\r\nDATA\r\n") == [503, 503]


def test_answers_may_come_later(sessions: Sessions) -> None:
    """Until the shell answers nothing more is read, and what came meanwhile is not lost."""
    session = sessions.ready()
    protocol = session.protocol
    protocol.receive(b"MAIL FROM:<a@a.test>\r\n")
    event = protocol.next_event()
    protocol.receive(b"NOOP\r\n")

    assert isinstance(event, MailFrom)
    assert not protocol.wants_input
    assert protocol.next_event() is None
    assert protocol.data_to_send() == b""
    protocol.accept(reply(250, "2.1.0", "Yes"))
    assert protocol.wants_input
    assert protocol.next_event() is None
    assert protocol.data_to_send() == b"250 2.1.0 Yes\r\n250 2.0.0 OK\r\n"


def test_an_answer_without_a_question_is_our_own_fault(sessions: Sessions) -> None:
    """accept() and refuse() raise where no event waits, but not once the session is over."""
    protocol = sessions.ready().protocol

    with pytest.raises(LocalProtocolError):
        protocol.accept()
    with pytest.raises(LocalProtocolError):
        protocol.refuse(reply(550, "5.0.0", "No"))
    protocol.abort(reply(421, "4.4.2", "Time"))
    protocol.accept()
    protocol.refuse(reply(550, "5.0.0", "No"))

    assert protocol.data_to_send() == b"421 4.4.2 Time\r\n"


def test_a_421_from_the_shell_ends_the_session(sessions: Sessions) -> None:
    """RFC 5321 3.8: a server that says 421 closes."""
    session = sessions.ready()
    session.refusals[MailFrom] = reply(421, "4.7.0", "Go")

    assert session.codes(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n") == [421]
    assert session.protocol.closing


def test_shutdown_between_commands_says_421(sessions: Sessions) -> None:
    """A session without content under way ends at once."""
    session = sessions.in_transaction()

    session.protocol.shutdown(Refusal.SHUTTING_DOWN.reply("ID"))

    assert session.protocol.data_to_send().startswith(b"421 4.3.2 ")
    assert session.protocol.closing


def test_shutdown_lets_content_end(sessions: Sessions) -> None:
    """A message on its way is taken before the 421."""
    session = sessions.in_transaction()
    session.send(b"DATA\r\n")
    session.protocol.shutdown(reply(421, "4.3.2", "Bye"))

    replies = session.send(b"x\r\n.\r\nNOOP\r\n")

    assert replies == b"250 2.0.0 Message taken\r\n421 4.3.2 Bye\r\n"
    assert session.count(ContentEnd) == 1
    assert session.protocol.closing


def test_abort_ends_content_at_once(sessions: Sessions) -> None:
    """When time is up the shell is told to drop what it has."""
    session = sessions.in_transaction()
    session.send(b"DATA\r\n")
    session.send(b"x")
    session.protocol.abort(reply(421, "4.4.2", "Time"))

    assert session.send(b"") == b"421 4.4.2 Time\r\n"
    assert session.aborts == [ContentAbort(None)]
    assert session.protocol.closing
