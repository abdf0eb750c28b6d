"""Opening a session as a client: greeting, EHLO, STARTTLS, login, and what may go wrong."""

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.failures import FailureKind
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_phase import Phase

PLAIN = ClientSettings("me.test")
STARTTLS = ClientSettings("me.test", starttls=True)
LOGIN = ClientSettings("me.test", username="u", password="Pw-1_x")
EHLO = b"250-mx.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"


def say(core: ClientProtocol, octets: bytes) -> bytes:
    """What the client answers to this."""
    core.receive(octets)
    return core.data_to_send()


def kind(core: ClientProtocol) -> FailureKind | None:
    """The kind of the failure that ended the session."""
    assert core.phase is Phase.CLOSED
    return None if core.failure is None else core.failure.kind


def greeted(settings: ClientSettings, ehlo: bytes = EHLO) -> tuple[ClientProtocol, bytes]:
    """A session behind its EHLO, and what the client says then."""
    core = ClientProtocol(settings)
    assert say(core, b"220 mx.test ESMTP\r\n") == b"EHLO me.test\r\n"
    return core, say(core, ehlo)


def test_nothing_is_said_before_the_greeting() -> None:
    """RFC 5321 4.3.1: the client waits for it."""
    core = ClientProtocol(PLAIN)

    assert core.data_to_send() == b""
    assert core.is_waiting
    assert say(core, b"220-welcome\r\n") == b""


def test_a_plain_session_is_ready_after_ehlo() -> None:
    """No login, no TLS: ready, and STARTTLS is not used where the route does not ask for it."""
    core, said = greeted(PLAIN)

    assert said == b""
    assert core.is_ready
    assert core.capabilities.pipelining


@pytest.mark.parametrize("code", [500, 502, 550])
def test_helo_is_said_where_ehlo_is_refused(code: int) -> None:
    """RFC 5321 3.2: old servers know HELO only, and then no extension."""
    core, said = greeted(PLAIN, b"%d what?\r\n" % code)

    assert said == b"HELO me.test\r\n"
    assert say(core, b"250 PIPELINING\r\n") == b""
    assert core.is_ready
    assert not core.capabilities.pipelining


def test_a_refused_helo_ends_the_session() -> None:
    """There is nothing left to try; QUIT is said (RFC 5321 4.1.1.10)."""
    core, _ = greeted(PLAIN, b"502 what?\r\n")

    assert say(core, b"550 go away\r\n") == b"QUIT\r\n"
    assert kind(core) is FailureKind.HELLO_REFUSED


@pytest.mark.parametrize("greeting", [b"554 no\r\n", b"421 later\r\n", b"450 later\r\n"])
def test_a_refused_greeting_ends_the_session(greeting: bytes) -> None:
    """RFC 5321 3.1: 554 instead of 220; the reply is kept."""
    core = ClientProtocol(PLAIN)

    assert say(core, greeting) == b"QUIT\r\n"
    assert kind(core) is FailureKind.GREETING_REFUSED
    assert core.failure is not None
    assert core.failure.said is not None
    assert core.failure.said.code == int(greeting[:3])


@pytest.mark.parametrize(
    "octets", [b"SSH-2.0-OpenSSH_9\r\n", b"334 x\r\n", b"999 x\r\n", b"* OK\r\n"]
)
def test_row_65_something_else_than_smtp_ends_the_session(octets: bytes) -> None:
    """Another protocol on the port, or a reply that makes no sense (row 65)."""
    core = ClientProtocol(PLAIN)
    core.receive(octets)

    assert kind(core) is FailureKind.PROTOCOL_BROKEN


def test_starttls_then_everything_anew() -> None:
    """RFC 3207 4.2: after the handshake EHLO is said again and nothing from before counts."""
    core, said = greeted(STARTTLS)
    assert said == b"STARTTLS\r\n"
    assert say(core, b"220 go\r\n") == b""
    assert core.phase is Phase.HANDSHAKE
    assert not core.is_waiting

    core.tls_started("TLSv1.3 X")

    assert core.data_to_send() == b"EHLO me.test\r\n"
    assert not core.capabilities.pipelining
    assert say(core, b"250-mx.test\r\n250 SIZE\r\n") == b""
    assert core.is_ready
    assert core.tls == "TLSv1.3 X"
    assert not core.capabilities.starttls


@pytest.mark.parametrize(
    "injected",
    [b"250-SMTPUTF8 INJECTED\r\n", b"2", b"250 ok\r\n", b"\r\n", b"garbage\r\n", b"x" * 70000],
)
@pytest.mark.parametrize("in_one_write", [True, False])
def test_row_14_replies_behind_the_answer_to_starttls_end_the_session(
    injected: bytes, in_one_write: bool
) -> None:
    """CVE-2021-38371: what comes in the clear before the handshake is not believed (row 14)."""
    core, _ = greeted(STARTTLS)

    if in_one_write:
        core.receive(b"220 go\r\n" + injected)
    else:
        core.receive(b"220 go\r\n")
        core.receive(injected)

    assert kind(core) is FailureKind.TLS_INJECTED
    assert core.data_to_send() == b""
    assert not core.capabilities.smtputf8


@pytest.mark.parametrize(
    ("ehlo", "expected"),
    [
        (b"250 mx.test\r\n", FailureKind.TLS_MISSING),
        (b"250-mx.test\r\n250 AUTH PLAIN\r\n", FailureKind.TLS_MISSING),
        (b"250-mx.test\r\n250 XXXXXXXA\r\n", FailureKind.TLS_MISSING),
        (b"502 no EHLO\r\n", FailureKind.TLS_MISSING),
        (b"550 not you\r\n", FailureKind.HELLO_REFUSED),
    ],
)
def test_row_15_without_starttls_nothing_is_sent(ehlo: bytes, expected: FailureKind) -> None:
    """Stripped or missing: no AUTH, no MAIL, only QUIT (row 15)."""
    core, said = greeted(ClientSettings("me.test", starttls=True, username="u", password="p"), ehlo)

    assert said == b"QUIT\r\n"
    assert kind(core) is expected


@pytest.mark.parametrize("refusal", [b"454 not now\r\n", b"501 what\r\n", b"554 no\r\n"])
def test_row_15_refused_starttls_ends_the_session(refusal: bytes) -> None:
    """454 and the like: no AUTH, no MAIL, only QUIT (row 15)."""
    core, _ = greeted(ClientSettings("me.test", starttls=True, username="u", password="p"))

    assert say(core, refusal) == b"QUIT\r\n"
    assert kind(core) is FailureKind.TLS_REFUSED


def test_tls_from_the_start_needs_no_starttls() -> None:
    """RFC 8314: the connection is encrypted already."""
    core = ClientProtocol(STARTTLS, tls="TLSv1.3 X")
    core.receive(b"220 hi\r\n")
    core.receive(EHLO)

    assert core.is_ready


def test_login_with_plain() -> None:
    """RFC 4954: with the initial response, in one round trip."""
    core, said = greeted(LOGIN)

    assert said == b"AUTH PLAIN " + b64encode(b"\0u\0Pw-1_x") + b"\r\n"
    core.receive(b"235 2.7.0 welcome\r\n")
    assert core.is_ready


def test_login_with_plain_too_long_for_one_line() -> None:
    """RFC 4954 section 4: a long initial response waits for the challenge."""
    settings = ClientSettings("me.test", username="u", password="x" * 500)
    core, said = greeted(settings)

    assert said == b"AUTH PLAIN\r\n"
    assert b64decode(say(core, b"334 \r\n")) == b"\0u\0" + b"x" * 500
    core.receive(b"235 ok\r\n")
    assert core.is_ready


def test_login_with_login() -> None:
    """The two questions of LOGIN, whatever their words; PLAIN is not offered."""
    core, said = greeted(LOGIN, b"250-mx.test\r\n250 AUTH XOAUTH2 login\r\n")

    assert said == b"AUTH LOGIN\r\n"
    assert say(core, b"334 VXNlcm5hbWU6\r\n") == b64encode(b"u") + b"\r\n"
    assert say(core, b"334 UGFzc3dvcmQ6\r\n") == b64encode(b"Pw-1_x") + b"\r\n"
    core.receive(b"235 ok\r\n")
    assert core.is_ready


def test_a_challenge_too_many_breaks_the_protocol() -> None:
    """No answer is made up."""
    core, _ = greeted(LOGIN)
    core.receive(b"334 more\r\n")

    assert kind(core) is FailureKind.PROTOCOL_BROKEN


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"535 5.7.8 no\r\n", FailureKind.LOGIN_REFUSED),
        (b"534 5.7.9 too weak\r\n", FailureKind.LOGIN_REFUSED),
        (b"454 4.7.0 later\r\n", FailureKind.LOGIN_UNAVAILABLE),
        (b"421 4.7.0 bye\r\n", FailureKind.LOGIN_UNAVAILABLE),
    ],
)
def test_a_refused_login_ends_the_session(answer: bytes, expected: FailureKind) -> None:
    """For good or for now; the reply is kept for the explanation."""
    core, _ = greeted(LOGIN)

    assert say(core, answer) == b"QUIT\r\n"
    assert kind(core) is expected


@pytest.mark.parametrize("ehlo", [b"250 mx\r\n", b"250-mx\r\n250 AUTH CRAM-MD5 NTLM\r\n"])
def test_no_login_in_common_ends_the_session(ehlo: bytes) -> None:
    """No mail is tried without the login that the route has."""
    core, said = greeted(LOGIN, ehlo)

    assert said == b"QUIT\r\n"
    assert kind(core) is FailureKind.LOGIN_NOT_OFFERED


def test_row_74_an_echoed_login_is_masked_in_the_failure() -> None:
    """A next hop that repeats the AUTH line brings no password into the trace (row 74)."""
    core, said = greeted(LOGIN)
    core.receive(b"535 5.7.8 refused: " + said.strip() + b" (Pw-1_x)\r\n")

    text = str(core.failure)

    assert "Pw-1_x" not in text
    assert said.split()[2].decode().rstrip("=") not in text
    assert "Pw-1_x" not in repr(core._settings)


def test_421_while_nothing_is_asked_ends_the_session() -> None:
    """RFC 5321 3.8: it may come at any time."""
    core, _ = greeted(PLAIN)
    core.receive(b"421 4.3.2 closing\r\n")

    assert kind(core) is FailureKind.SHUT_DOWN


def test_a_reply_to_nothing_ends_the_session() -> None:
    """Else the next command would be answered by it."""
    core, _ = greeted(PLAIN)
    core.receive(b"250 surprise\r\n")

    assert kind(core) is FailureKind.PROTOCOL_BROKEN


def test_half_a_reply_to_nothing_makes_the_session_unusable() -> None:
    """Its other half would answer the next command."""
    core, _ = greeted(PLAIN)
    core.receive(b"25")

    assert not core.is_ready


def test_a_connection_lost_while_idle_is_no_failure() -> None:
    """Servers close what is idle; nothing was going on."""
    core, _ = greeted(PLAIN)
    core.connection_lost()

    assert kind(core) is None


@pytest.mark.parametrize(
    ("lose", "expected"),
    [
        (ClientProtocol.connection_lost, FailureKind.CONNECTION_LOST),
        (ClientProtocol.timed_out, FailureKind.REPLY_TIMED_OUT),
    ],
)
def test_what_was_going_on_is_named(lose: object, expected: FailureKind) -> None:
    """The failure says while what the connection was lost or time ran out."""
    core, _ = greeted(LOGIN)
    assert callable(lose)
    lose(core)

    assert kind(core) is expected
    assert core.failure is not None
    assert core.failure.detail == "logging in"


def test_quit_ends_the_session_whatever_is_answered() -> None:
    """RFC 5321 4.1.1.10."""
    core, _ = greeted(PLAIN)
    core.quit()

    assert core.data_to_send() == b"QUIT\r\n"
    core.receive(b"500 what?\r\n")
    assert kind(core) is None


def test_nothing_is_heard_after_the_end() -> None:
    """A closed session stays as it ended."""
    core = ClientProtocol(PLAIN)
    core.receive(b"554 no\r\n220 yes\r\n")
    core.receive(b"220 yes\r\n")
    core.connection_lost()
    core.timed_out()

    assert kind(core) is FailureKind.GREETING_REFUSED


@pytest.mark.parametrize("text", ["a\r\nRCPT TO:<x@y>", "a\nb", "a\rb"])
def test_a_line_end_never_becomes_a_command(text: str) -> None:
    """Whatever got past every check before: nothing is sent."""
    core, _ = greeted(PLAIN)

    with pytest.raises(LocalProtocolError):
        core.begin(Envelope(None), [Recipient(0, Mailbox(text, "t1.test"))], size=1)
    with pytest.raises(LocalProtocolError):
        ClientProtocol(ClientSettings(text)).receive(b"220 hi\r\n")


def test_calls_out_of_order_are_bugs_of_ours() -> None:
    """A transaction before the session is open, TLS nobody asked for."""
    core = ClientProtocol(PLAIN)

    with pytest.raises(LocalProtocolError):
        core.begin(Envelope(None), [Recipient(0, parse_mailbox("a@t1.test"))], size=1)
    with pytest.raises(LocalProtocolError):
        core.tls_started("TLSv1.3 X")


SCRIPT = st.lists(
    st.one_of(
        st.sampled_from(
            [b"220 hi\r\n", EHLO, b"250 ok\r\n", b"354 go\r\n", b"235 ok\r\n", b"334 \r\n",
             b"421 bye\r\n", b"550 no\r\n", b"450 no\r\n", b"250-x\r\n", b"503 no\r\n"]
        ),
        st.binary(max_size=12),
    ),
    max_size=14,
)  # fmt: skip


@given(SCRIPT, st.sampled_from([PLAIN, STARTTLS, LOGIN]))
def test_row_65_no_server_can_raise_anything(script: list[bytes], settings: ClientSettings) -> None:
    """Any server ends in a phase that the shell knows, and never sees a login before TLS."""
    core = ClientProtocol(settings)
    for octets in script:
        core.receive(octets)
        match core.phase:
            case Phase.READY if core.is_ready:
                recipients = [Recipient(n, parse_mailbox("a@t1.test")) for n in range(2)]
                core.begin(Envelope(None), recipients, size=5)
            case Phase.CONTENT:
                core.end_content()
            case Phase.HANDSHAKE:
                assert settings.starttls
                core.tls_started("TLSv1.3 X")
            case _:
                assert core.is_waiting or core.phase in (Phase.READY, Phase.CLOSED)
        said = core.data_to_send()
        if settings.starttls and not core.tls:
            assert not said.startswith((b"AUTH", b"MAIL", b"HELO"))


def test_opportunistic_tls_is_used_where_it_is_offered() -> None:
    """And a server without it gets the mail in the clear."""
    settings = ClientSettings("me.test", opportunistic=True, starttls=True)

    _, said = greeted(settings)
    core, nothing = greeted(settings, b"250 mx.test\r\n")

    assert (said, nothing) == (b"STARTTLS\r\n", b"")
    assert core.is_ready


def test_no_login_goes_in_the_clear_where_it_may_not() -> None:
    """Opportunistic TLS to another machine: a server without it gets neither login nor mail."""
    settings = ClientSettings("me.test", True, "u", "Pw-1_x", opportunistic=True, clear_login=False)

    core, said = greeted(settings, b"250-mx.test\r\n250 AUTH PLAIN\r\n")

    assert said == b"QUIT\r\n"
    assert kind(core) is FailureKind.TLS_MISSING
