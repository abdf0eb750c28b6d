"""How many guesses come through, and that owners are not locked out."""

from pillarbox.policy.login_limits import FRESH_SECONDS, Buckets, LoginLimits, Try

WINDOW = 600.0


def limits() -> LoginLimits:
    """20 tries from one source, 10 for one account, in ten minutes."""
    return LoginLimits(tries_per_source=20, tries_per_account=10, window_seconds=WINDOW)


def _wrong(limit: LoginLimits, source: str, account: str, now: float) -> bool:
    """One wrong guess; whether it came through to the hash."""
    return isinstance(limit.begin(source, account, now), Try)


def _right(limit: LoginLimits, source: str, account: str, now: float) -> bool:
    tried = limit.begin(source, account, now)
    if isinstance(tried, Try):
        limit.succeeded(tried, now)
    return isinstance(tried, Try)


def test_row_25_guesses_from_one_source_are_limited() -> None:
    """500 guesses at one account from one address: at most ten reach the hash."""
    limit = limits()
    assert sum(_wrong(limit, "a", "u1", 0.01 * n) for n in range(500)) <= 10


def test_row_25_guesses_from_many_sources_are_limited_together() -> None:
    """500 guesses at one account from fifty addresses: at most ten reach the hash."""
    limit = limits()
    assert sum(_wrong(limit, f"s{n % 50}", "u1", 0.01 * n) for n in range(500)) <= 10


def test_row_26_sprayed_password_is_limited() -> None:
    """One password for 500 accounts: the source is stopped after its twenty tries."""
    limit = limits()
    assert sum(_wrong(limit, "a", f"u{n}", 0.01 * n) for n in range(500)) == 20


def test_known_source_is_not_locked_out_by_strangers() -> None:
    """Who logged in before from an address logs in again in the middle of an attack."""
    limit = limits()
    assert _right(limit, "office", "u1", 0)
    for n in range(500):
        _wrong(limit, f"s{n}", "u1", 1 + 0.01 * n)

    assert _right(limit, "office", "u1", 7)


def test_owner_at_a_new_place_gets_a_turn_during_an_attack() -> None:
    """A source without failures has a try of its own when the strangers have none left."""
    limit = limits()
    for n in range(500):
        _wrong(limit, f"s{n % 50}", "u1", 0.01 * n)

    assert _right(limit, "new", "u1", 5 + FRESH_SECONDS)


def test_guessers_do_not_get_the_turn_of_the_owner() -> None:
    """What is kept for sources without failures is not for those that have some."""
    limit = limits()
    for n in range(500):
        _wrong(limit, f"s{n % 50}", "u1", 0.01 * n)
    failed = next(f"s{n}" for n in range(50) if limit._sources.level(f"s{n}", 5) > 0)

    assert not _wrong(limit, failed, "u1", 5 + FRESH_SECONDS)


def test_own_guesses_of_a_known_source_are_limited() -> None:
    """That somebody logged in from an address does not let the address guess for ever."""
    limit = limits()
    _right(limit, "office", "u1", 0)
    assert sum(_wrong(limit, "office", "u1", 1) for _ in range(100)) == 10


def test_right_logins_cost_nothing() -> None:
    """Any number of right logins is possible."""
    limit = limits()
    assert all(_right(limit, "a", "u1", 0) for _ in range(1000))


def test_parallel_tries_are_counted_before_their_end() -> None:
    """Tries that have not ended yet count too."""
    limit = limits()
    assert sum(isinstance(limit.begin("a", "u1", 0), Try) for _ in range(100)) <= 10


def test_wait_ends_when_it_was_said() -> None:
    """A refusal says for how long, and after that time there is room again."""
    limit = limits()
    while isinstance(waited := limit.begin("a", "u1", 0), Try):
        pass

    assert 0 < waited <= WINDOW
    assert not _wrong(limit, "a", "u1", waited - 1)
    assert _wrong(limit, "a", "u1", waited + 0.001)


def test_repeats_of_one_wrong_password_weigh_little() -> None:
    """A device with an old password does not lock out its office for hours of trying."""
    limit = limits()
    for n in range(100):
        assert limit.repeat("office", n * 10.0) == 0

    assert _right(limit, "office", "u2", 1000)


def test_flood_of_repeats_is_stopped() -> None:
    """Repeats without end are no device: the source has to wait."""
    limit = limits()
    assert any(limit.repeat("a", 0) > 0 for _ in range(1000))


def test_memory_is_bounded() -> None:
    """The oldest bucket is forgotten when there are too many."""
    buckets = Buckets(1, WINDOW, remembered=2)
    for name in "abc":
        buckets.add(name, 0)

    assert buckets.level("a", 0) == 0
    assert buckets.level("b", 0) == 1


def test_bucket_leaks() -> None:
    """A bucket is empty after its window."""
    buckets = Buckets(10, WINDOW)
    for _ in range(10):
        buckets.add("a", 0)

    assert buckets.level("a", WINDOW / 2) == 5
    assert buckets.level("a", WINDOW * 2) == 0
