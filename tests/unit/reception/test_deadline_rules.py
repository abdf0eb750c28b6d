"""When a client has taken too long, by the clock alone (reception.deadlines)."""

import math
from collections.abc import Callable

import pytest

from pillarbox.config import Limits
from pillarbox.policy.clock import Clock
from pillarbox.reception.deadlines import BLOCK_OCTETS, CLOSE_SECONDS, PATIENCE, Deadline

LIMITS = Limits()
SIZE = LIMITS.message_octets


class Client:
    """A session whose client does something at times; `lives` says how long it is let."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.deadline = Deadline(LIMITS, Clock(lambda: self.now))
        self.deadline.begin()

    def moves(self, *, in_content: bool) -> None:
        """Something happens, and the listener looks."""
        self.deadline.moved_at = self.now
        self.deadline.move(in_content=in_content)

    def lives(self, step_seconds: float, does: Callable[[], None], *, at_most: float) -> float:
        """Do it at each step until the deadline has passed; the seconds until then."""
        begun = self.now
        while self.now < self.deadline.at and self.now - begun < at_most:
            self.now += step_seconds
            if self.now < self.deadline.at:
                does()
        return self.now - begun

    def content(self, octets: int) -> None:
        """Content comes, and is counted as the connection does it."""
        self.deadline.octets += octets
        if self.deadline.octets >= BLOCK_OCTETS:
            self.moves(in_content=True)

    def chunk(self) -> None:
        """A chunk of BDAT with one octet comes, and is answered."""
        self.deadline.octets += len(b"BDAT 1\r\nx")
        self.moves(in_content=True)


@pytest.fixture
def client() -> Client:
    """A client in the middle of a transaction whose content has just begun."""
    one = Client()
    one.moves(in_content=True)
    return one


def test_nobody_waits_before_the_session_begins() -> None:
    """The handshake has a time-out of its own."""
    assert Deadline(LIMITS, Clock(lambda: 0.0)).at == math.inf


@pytest.mark.parametrize("octets", [1, 10, 500, 890])
def test_row_55_content_that_trickles_in_is_cut_off(client: Client, octets: int) -> None:
    """Up to 89 octets a second, ten seconds apart: minutes, and not the hours of a message."""
    lived = client.lives(10, lambda: client.content(octets), at_most=SIZE)

    assert 180 <= lived < 1800
    if octets == 1:
        assert lived < 200


def test_row_55_a_kilobyte_before_each_end_is_not_enough(client: Client) -> None:
    """Who sends a little just in time gets a little time for it."""
    assert client.lives(175, lambda: client.content(1024), at_most=SIZE) < 600


def test_row_55_chunks_of_one_octet_are_cut_off(client: Client) -> None:
    """The replies between the chunks of BDAT buy no time either."""
    assert client.lives(10, client.chunk, at_most=SIZE) < 300


@pytest.mark.parametrize("gap_seconds", [1, 10, 100])
def test_row_55_a_slow_line_is_not_cut_off(client: Client, gap_seconds: int) -> None:
    """500 octets a second, also in blocks that come after long gaps: a whole message of 10 MiB."""
    whole = 10_485_760 / 500

    lived = client.lives(gap_seconds, lambda: client.content(500 * gap_seconds), at_most=whole)

    assert lived >= whole


def test_row_55_fast_content_buys_no_time_in_advance(client: Client) -> None:
    """After 40 MB in a second the silence is no longer than after one block."""
    client.now += 1
    client.content(40_000_000)

    assert client.deadline.at == client.now + LIMITS.data_timeout_seconds


def test_row_55_a_command_has_its_time_from_the_reply_before_it() -> None:
    """Its octets are not even counted."""
    client = Client()
    client.now += 7
    client.moves(in_content=False)

    assert client.deadline.at == client.now + LIMITS.command_timeout_seconds


def test_time_in_which_nothing_is_read_is_not_the_clients(client: Client) -> None:
    """The store was slow for a minute."""
    before = client.deadline.at
    client.deadline.hold()
    client.now += 60

    client.deadline.go_on()

    assert client.deadline.at == before + 60


def test_it_is_put_off_for_us_but_not_for_ever(client: Client) -> None:
    """Two times; the next step of the session makes us patient again."""
    assert [client.deadline.is_put_off() for _ in range(PATIENCE + 1)] == [True] * PATIENCE + [
        False
    ]

    client.moves(in_content=False)

    assert client.deadline.is_put_off()


def test_it_counts_from_when_it_happened_and_not_from_the_look() -> None:
    """Also where nothing was read for a while in between."""
    client = Client()
    client.deadline.moved_at = client.now
    client.now += 5
    client.deadline.hold()
    client.now += 60
    client.deadline.go_on()
    client.now += 5

    client.deadline.move(in_content=False)

    assert client.deadline.at == client.now - 10 + LIMITS.command_timeout_seconds


def test_the_last_reply_has_a_short_time(client: Client) -> None:
    """Nobody has to wait for who does not read it."""
    client.deadline.close()

    assert client.deadline.at == client.now + CLOSE_SECONDS
