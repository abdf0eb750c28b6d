"""The table of states, and the server core under octets of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pillarbox.errors import LocalProtocolError
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import ContentEnd, ContentStart, Login, MailFrom, RcptTo, StartTls
from pillarbox.smtp.server_state import IN_ORDER, TRANSITIONS, State, Step

if TYPE_CHECKING:
    from tests.unit.smtp.conftest import Sessions

LINES = [
    b"EHLO x\r\n",
    b"HELO x\r\n",
    b"MAIL FROM:<a@a.test>\r\n",
    b"MAIL FROM:<> BODY=BINARYMIME SMTPUTF8\r\n",
    b"RCPT TO:<b@b.test>\r\n",
    b"RCPT TO:<>\r\n",
    b"DATA\r\n",
    b"BDAT 5 LAST\r\nab\r\nc",
    b"BDAT 3\r\nabc",
    b"BDAT 1\r\n\r",
    b"BDAT 0\r\n",
    b"BDAT x\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN AHUAcA==\r\n",
    b"AUTH LOGIN\r\n",
    b"dQ==\r\n",
    b"*\r\n",
    b"RSET\r\n",
    b"NOOP\n",
    b"\r\n.\r\n",
    b".\r\n",
    b"text\r\n",
    b"\x00\xff\r\n",
    b"GET / HTTP/1.1\r\n",
]


def test_every_state_is_in_the_table_and_can_close() -> None:
    """No state is a dead end but the last one."""
    assert set(TRANSITIONS) == set(State)
    for state, steps in TRANSITIONS.items():
        assert (Step.CLOSE in steps) == (state is not State.CLOSED)


def test_every_state_can_be_reached() -> None:
    """From the banner on, steps lead to each state."""
    reached = {State.BANNER}
    while more := {to for state in reached for to in TRANSITIONS[state].values()} - reached:
        reached |= more

    assert reached == set(State)


def test_commands_are_in_order_only_where_lines_are_read() -> None:
    """No command is in order in the middle of content or of a handshake."""
    reading = {State.START, State.READY, State.MAIL, State.RCPT, State.CHUNKS}

    assert all(states <= reading for states in IN_ORDER.values())


def test_a_step_that_is_not_in_the_table_is_our_own_fault() -> None:
    """The session raises instead of drifting into a state that nobody thought of."""
    with pytest.raises(LocalProtocolError, match="no step 'mail taken' from the state 'start'"):
        TRANSITIONS[State.START][Step.MAIL_TAKEN]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(LINES) | st.binary(min_size=1, max_size=20), max_size=30),
    st.sets(st.sampled_from([MailFrom, RcptTo, ContentStart, ContentEnd, Login, StartTls])),
    st.sampled_from(["", "TLSv1.3 TEST"]),
    st.booleans(),
)
def test_no_octets_make_the_core_raise(
    sessions: Sessions,
    stream: list[bytes],
    refused: set[type],
    tls: str,
    trusted: bool,
) -> None:
    """Whatever arrives and however the shell decides: replies, never an exception."""
    session = sessions.connected(tls=tls, trusted=trusted, size_limit_octets=50)
    for kind in refused:
        session.refusals[kind] = reply(451, "4.3.0", "Later")

    out = session.send_all(iter(stream))

    assert out == b"" or out.endswith(b"\r\n")
    assert all(len(line) <= 510 for line in out.split(b"\r\n"))
    protocol = session.protocol
    assert protocol.closing or protocol.wants_input
    assert (protocol.envelope is None) <= (protocol.recipients == [])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([line for line in LINES if line[:4] not in (b"EHLO", b"HELO", b"DATA")]),
        max_size=15,
    ).filter(lambda lines: not any(line[:4] in (b"AUTH", b"STAR") for line in lines)),
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
)
def test_groups_are_answered_alike_in_any_splitting(
    sessions: Sessions, stream: list[bytes], sizes: list[int]
) -> None:
    """Where nothing has to be waited for, replies do not depend on how the octets arrive."""
    octets = b"".join(stream)
    whole = sessions.in_transaction()
    split = sessions.in_transaction()
    pieces = []
    start = turn = 0
    while start < len(octets):
        size = sizes[turn % len(sizes)]
        pieces.append(octets[start : start + size])
        start += size
        turn += 1

    assert _unless_bad_chunk(whole.send(octets)) == _unless_bad_chunk(split.send_all(iter(pieces)))


def _unless_bad_chunk(replies: bytes) -> bytes:
    """Replies up to that to a bad BDAT: what stands behind it in one piece ends the session."""
    return replies.partition(b"501 5.5.4 The form is BDAT")[0]
