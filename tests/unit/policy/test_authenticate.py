"""Logins: who gets in, how many hashes that costs, and that refusals give nothing away."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.policy.authenticate import REMEMBERED, Authenticator, Grant, Verdict
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.login_limits import LoginLimits
from pillarbox.route import RouteTable
from pillarbox.smtp.events import Credentials
from pillarbox.store.records import Account, LoginRecord, PasswordCredential, Tenant

TENANT = Tenant(1, "one", frozenset({"t1.test"}), RouteTable([]))


def record(address: str, *passwords: str, expires_at: Timestamp | None = None) -> LoginRecord:
    """An account; its hashes are "#" and the password."""
    mailbox = parse_mailbox(address)
    account = Account(1, TENANT, mailbox, None, frozenset({mailbox.key}))
    credentials = [
        PasswordCredential(10 + number, f"device {number}", f"#{password}", expires_at)
        for number, password in enumerate(passwords)
    ]
    return LoginRecord(account, tuple(credentials))


class Directory:
    """A directory in memory."""

    def __init__(self) -> None:
        self.generation = 1
        self.records = {
            "u1@t1.test": record("u1@t1.test", "right", "other device"),
            "u2@t1.test": record("u2@t1.test", "right2"),
            "none@t1.test": record("none@t1.test"),
            "old@t1.test": record("old@t1.test", "right", expires_at=1),
        }
        self.touched: list[int] = []
        self.failure: SpoolUnavailable | None = None

    async def login(self, username: str) -> LoginRecord | None:
        """The account by its address in any case."""
        if self.failure is not None:
            raise self.failure
        return self.records.get(username.lower())

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note the use of a credential."""
        assert now > 0
        self.touched.append(credential_id)


class Desk:
    """An authenticator with its directory, a clock that stands still, and a count of hashes."""

    def __init__(self) -> None:
        self.directory = Directory()
        self.now = 1000.0
        self.hashes = 0
        limits = LoginLimits(tries_per_source=20, tries_per_account=10, window_seconds=600)
        self.authenticator = Authenticator(
            self.directory,
            limits,
            matcher=self._match,
            cache_seconds=60,
            clock=Clock(lambda: self.now, lambda: int(self.now * 1000)),
        )

    def _match(self, hashes: Sequence[str], password: str) -> int | None:
        self.hashes += 1
        return hashes.index(f"#{password}") if f"#{password}" in hashes else None

    async def login(self, username: str, password: str, address: str = "192.0.2.1") -> Verdict:
        """One login as a connection makes it."""
        credentials = Credentials("PLAIN", username, password)
        known = self.authenticator.recall(credentials, address)
        return known if known is not None else await self.authenticator.check(credentials, address)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A fresh desk."""
    desk = Desk()
    yield desk
    desk.authenticator.close()


def _refusal(verdict: Verdict) -> Refusal | None:
    return verdict.refusal if isinstance(verdict, Denial) else None


@pytest.mark.parametrize("username", ["u1@t1.test", "U1@T1.test"])
async def test_right_password_gets_in(desk: Desk, username: str) -> None:
    """Address and password, the address in any case."""
    grant = await desk.login(username, "right")

    assert isinstance(grant, Grant)
    assert grant.account.credential_id == 10
    assert desk.directory.touched == [10]


async def test_each_password_of_an_account_gets_in(desk: Desk) -> None:
    """The account tells by which of its credentials it was found; one hash is enough."""
    grant = await desk.login("u1@t1.test", "other device")

    assert isinstance(grant, Grant)
    assert grant.account.credential_id == 11
    assert desk.hashes == 1


@pytest.mark.parametrize(
    ("username", "password"),
    [("u1@t1.test", "wrong"), ("nobody@t1.test", "right"), ("none@t1.test", "right"),
     ("old@t1.test", "right"), ("no address", "right"), ("u1@t1.test", "right2"),
     ("u1@t2.test", "right"), ("u1@t1.test", "Right")],
)  # fmt: skip
async def test_refusals_are_alike(desk: Desk, username: str, password: str) -> None:
    """Unknown, wrong, expired, without password: the same octets after one hash."""
    verdict = await desk.login(username, password)

    assert isinstance(verdict, Denial)
    assert verdict.reply("ID") == Refusal.LOGIN_FAILED.reply("ID")
    assert verdict.cause
    assert desk.hashes == 1


async def test_verified_login_is_remembered(desk: Desk) -> None:
    """A burst of connections costs one hash."""
    for _ in range(5):
        assert isinstance(await desk.login("u1@t1.test", "right"), Grant)

    assert desk.hashes == 1


async def test_logins_at_the_same_time_share_a_hash(desk: Desk) -> None:
    """Connections that begin at once wait for one check."""
    verdicts = await asyncio.gather(*(desk.login("u1@t1.test", "right") for _ in range(20)))

    assert all(isinstance(verdict, Grant) for verdict in verdicts)
    assert desk.hashes == 1


async def test_memory_of_a_login_ends(desk: Desk) -> None:
    """After its time a login is checked again."""
    await desk.login("u1@t1.test", "right")
    desk.now += 61
    await desk.login("u1@t1.test", "right")

    assert desk.hashes == 2


async def test_change_in_the_directory_ends_the_memory(desk: Desk) -> None:
    """A credential that was removed gets nobody in from the next look on."""
    await desk.login("u1@t1.test", "right")
    del desk.directory.records["u1@t1.test"]
    desk.directory.generation += 1

    assert _refusal(await desk.login("u1@t1.test", "right")) is Refusal.LOGIN_FAILED


async def test_password_that_expires_is_not_remembered_longer(desk: Desk) -> None:
    """The end of a credential counts also inside the time of the memory."""
    soon = int(desk.now * 1000) + 20
    desk.directory.records["u1@t1.test"] = record("u1@t1.test", "right", expires_at=soon)
    assert isinstance(await desk.login("u1@t1.test", "right"), Grant)

    desk.now += 1

    assert _refusal(await desk.login("u1@t1.test", "right")) is Refusal.LOGIN_FAILED


async def test_repeats_of_a_wrong_password_cost_no_hash(desk: Desk) -> None:
    """A device with an old password may knock often."""
    for _ in range(100):
        assert _refusal(await desk.login("u1@t1.test", "wrong")) is Refusal.LOGIN_FAILED

    assert desk.hashes == 1
    assert isinstance(await desk.login("u1@t1.test", "right"), Grant)


@pytest.mark.parametrize("sources", [1, 50])
async def test_row_25_guesses_at_one_account_are_limited(desk: Desk, sources: int) -> None:
    """500 guesses from 1 and from 50 addresses: at most the configured tries reach the hash."""
    verdicts = [
        await desk.login("u1@t1.test", f"guess {n}", f"127.0.1.{n % sources}") for n in range(500)
    ]

    assert desk.hashes <= 10
    assert _refusal(verdicts[-1]) is Refusal.TOO_MANY_FAILURES


async def test_row_25_owner_gets_in_during_an_attack(desk: Desk) -> None:
    """From where he logged in before, and with the password that was right before from anywhere,
    even from the address of the attacker."""
    assert isinstance(await desk.login("u1@t1.test", "right", "192.0.2.1"), Grant)
    for n in range(500):
        await desk.login("u1@t1.test", f"guess {n}", f"127.0.1.{n % 50}")
    desk.now += 120

    for address in ("192.0.2.1", "198.51.100.7", "127.0.1.1"):
        assert isinstance(await desk.login("u1@t1.test", "right", address), Grant)


async def test_right_password_gets_in_from_the_address_of_the_guesser(desk: Desk) -> None:
    """An office behind one address is not locked out by one machine in it that guesses."""
    await desk.login("u1@t1.test", "right", "192.0.2.1")
    for n in range(50):
        await desk.login(f"u{n}@t1.test", "guess")
    desk.now += 61
    for n in range(50):
        await desk.login(f"u{n}@t1.test", "another guess")
    hashes = desk.hashes

    assert _refusal(await desk.login("u2@t1.test", "right2")) is Refusal.TOO_MANY_FAILURES
    assert isinstance(await desk.login("u1@t1.test", "right"), Grant)
    assert desk.hashes == hashes + 1


async def test_password_that_was_wrong_can_become_right(desk: Desk) -> None:
    """What is known to be wrong is forgotten with the next change in the directory."""
    assert _refusal(await desk.login("u1@t1.test", "new")) is Refusal.LOGIN_FAILED
    desk.directory.records["u1@t1.test"] = record("u1@t1.test", "new")
    desk.directory.generation += 1

    assert isinstance(await desk.login("u1@t1.test", "new"), Grant)


async def test_row_26_sprayed_password_blocks_its_source(desk: Desk) -> None:
    """One password for 500 accounts, known and unknown."""
    for n in range(500):
        await desk.login(f"u{n}@t1.test", "Summer2026!", "127.0.1.1")

    assert desk.hashes <= 20
    verdict = await desk.login("u2@t1.test", "right2", "127.0.1.1")
    assert _refusal(verdict) is Refusal.TOO_MANY_FAILURES
    assert isinstance(await desk.login("u2@t1.test", "right2", "192.0.2.1"), Grant)


async def test_row_26_guessing_source_is_reported_once(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm in the log, and not one for each guess."""
    for n in range(100):
        await desk.login(f"u{n}@t1.test", "Summer2026!", "127.0.1.1")

    reported = capsys.readouterr().err
    assert reported.count("login.too_many_failures") == 1
    assert "127.0.1.1" in reported
    assert "Summer" not in reported


async def test_unknown_accounts_are_limited_like_known_ones(desk: Desk) -> None:
    """Whether an account is there can not be seen from when its guesses are stopped."""
    refusals = [
        [_refusal(await desk.login(name, f"guess {n}", "127.0.1.1")) for n in range(12)]
        for name in ("u1@t1.test", "nobody@t1.test")
    ]

    assert refusals[0][:7] == refusals[1][:7]


async def test_directory_that_is_away_costs_no_try(desk: Desk) -> None:
    """454: nothing is wrong in the client, and nothing is remembered or counted."""
    desk.directory.failure = SpoolUnavailable(SpoolTrouble.AWAY, "gone")
    for _ in range(50):
        verdict = await desk.login("u1@t1.test", "right")
        assert _refusal(verdict) is Refusal.LOGIN_UNAVAILABLE
    desk.directory.failure = None

    assert isinstance(await desk.login("u1@t1.test", "right"), Grant)


async def test_open_session_goes_on_after_other_changes(desk: Desk) -> None:
    """What is changed elsewhere in the directory does not end a session."""
    grant = await desk.login("u1@t1.test", "other device")
    assert isinstance(grant, Grant)
    assert desk.authenticator.is_current(grant)
    desk.directory.generation += 1
    assert not desk.authenticator.is_current(grant)

    renewed = await desk.authenticator.renew(grant)

    assert isinstance(renewed, Grant)
    assert renewed.account.credential_id == grant.account.credential_id
    assert desk.authenticator.is_current(renewed)


@pytest.mark.parametrize("left", [[], ["right"]])
async def test_open_session_ends_with_its_credential(desk: Desk, left: list[str]) -> None:
    """Whose account or password was removed sends nothing more."""
    grant = await desk.login("u1@t1.test", "other device")
    assert isinstance(grant, Grant)
    desk.directory.records["u1@t1.test"] = record("u1@t1.test", *left)
    desk.directory.generation += 1

    assert _refusal(await desk.authenticator.renew(grant)) is Refusal.ACCOUNT_OFF


async def test_open_session_waits_for_a_directory_that_is_away(desk: Desk) -> None:
    """451 and not 550: the client may try again."""
    grant = await desk.login("u1@t1.test", "right")
    assert isinstance(grant, Grant)
    desk.directory.failure = SpoolUnavailable(SpoolTrouble.AWAY, "gone")

    assert _refusal(await desk.authenticator.renew(grant)) is Refusal.SPOOL_AWAY


async def test_memory_of_logins_is_bounded(desk: Desk) -> None:
    """Wrong passwords without end do not fill the memory."""
    for n in range(REMEMBERED + 10):
        desk.authenticator._remember(n.to_bytes(32), 1, None)

    assert len(desk.authenticator._results) == REMEMBERED


async def test_secrets_do_not_show(desk: Desk) -> None:
    """Credentials and verdicts can be logged by mistake without harm."""
    verdict = await desk.login("u1@t1.test", "MARKER-right")

    assert "MARKER" not in repr(verdict)
    assert "MARKER" not in repr(Credentials("PLAIN", "u1@t1.test", "MARKER-right"))
    assert "MARKER" not in repr(desk.authenticator._results)
