"""Logins by SCRAM against another implementation's client: who gets in, and what is given away."""

from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from scramp import ScramClient, ScramException

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.policy.authenticate import Authenticator
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.login_limits import LoginLimits
from pillarbox.policy.scram_logins import (
    ALIKE,
    Proven,
    Proving,
    ScramLogins,
    VerifierKeeper,
)
from pillarbox.route import RouteTable
from pillarbox.smtp.events import Credentials, ScramFirst
from pillarbox.store.records import Account, LoginRecord, PasswordCredential, Tenant
from pillarbox.store.scram import ITERATIONS, make_verifier, read_verifier, salt_for

USER = "u1@t1.test"
KEY = b"k" * 32
TENANT = Tenant(1, "one", frozenset({"t1.test"}), RouteTable([]))
VERIFIERS = {
    password: make_verifier(password, salt_for(KEY, USER))
    for password in ("right", "other", "x,=é")
}


def credential(number: int, password: str, **changes: object) -> PasswordCredential:
    """A password with its verifier."""
    made = PasswordCredential(
        number, f"device {number}", f"#{password}", scram_verifier=VERIFIERS.get(password, "")
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of it


class Directory:
    """One account with three passwords."""

    generation = 1

    def __init__(self) -> None:
        mailbox = parse_mailbox(USER)
        self.account = Account(1, TENANT, mailbox, None, frozenset({mailbox.key}))
        self.credentials = [
            credential(10, "right"),
            credential(11, "other"),
            credential(12, "x,=é"),
        ]
        self.touched: list[int] = []
        self.kept: dict[int, str] = {}
        self.failure: SpoolUnavailable | None = None
        self.takes_verifiers = True

    async def login(self, username: str) -> LoginRecord | None:
        """The account by its address in any case."""
        if self.failure is not None:
            raise self.failure
        if username.lower() != USER:
            return None
        return LoginRecord(self.account, tuple(self.credentials))

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note the use of a credential."""
        assert now > 0
        self.touched.append(credential_id)

    async def keep_verifier(self, account: Account, credential_id: int, verifier: str) -> None:
        """Keep what was made."""
        if not self.takes_verifiers:
            raise SpoolUnavailable(SpoolTrouble.AWAY, "gone")
        assert account is self.account
        self.kept[credential_id] = verifier


class Desk:
    """Logins by SCRAM with all that they need."""

    def __init__(self) -> None:
        self.directory = Directory()
        limits = LoginLimits(tries_per_source=40, tries_per_account=20, window_seconds=600)
        self.passwords = Authenticator(
            self.directory,
            limits,
            matcher=lambda hashes, password: hashes.index(f"#{password}"),
            cache_seconds=60,
            clock=Clock(),
            keeper=VerifierKeeper(self.directory, KEY),
        )
        self.logins = ScramLogins(self.directory, self.passwords, KEY, Clock())

    async def begin(self, client: ScramClient, username: str = USER) -> Proving:
        """The first two messages, which nobody is refused."""
        begun = await self.logins.begin(ScramFirst(username, client.get_client_first()))
        assert isinstance(begun, Proving)
        client.set_server_first(begun.challenge.decode())
        return begun

    async def login(
        self, password: str, username: str = USER, address: str = "192.0.2.1"
    ) -> Proven | Denial:
        """A whole login; the client checks the server's signature as well."""
        client = ScramClient(["SCRAM-SHA-256"], username, password)
        begun = await self.begin(client, username)
        answer = self.logins.prove(begun, client.get_client_final(), address)
        if isinstance(answer, Proven):
            client.set_server_final(answer.signature.decode())
        return answer


@pytest.fixture
def desk() -> Desk:
    """A fresh desk."""
    return Desk()


@pytest.mark.parametrize(
    ("password", "credential_id"), [("right", 10), ("other", 11), ("x,=é", 12)]
)
async def test_each_password_of_an_account_gets_in(
    desk: Desk, password: str, credential_id: int
) -> None:
    """And the server has proved to know it, too."""
    answer = await desk.login(password)

    assert isinstance(answer, Proven)
    assert answer.grant.account.credential_id == credential_id
    assert desk.directory.touched == [credential_id]


def test_the_example_of_rfc_7677(desk: Desk) -> None:
    """Section 3: the proof of "user" for "pencil", and the server's signature, octet by octet."""
    verifier = read_verifier(
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    begun = Proving(
        username=USER,
        message="n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        record=LoginRecord(desk.directory.account, ()),
        known=[(credential(10, ""), verifier)],
        generation=1,
        challenge=b"",
    )
    proof = (
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )

    answer = desk.logins.prove(begun, proof, "192.0.2.1")

    assert isinstance(answer, Proven)
    assert answer.signature == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize(
    ("username", "cause"),
    [(USER, "wrong password"), ("nobody@t1.test", "no such account"), ("n", "no such account")],
)
async def test_a_wrong_proof_is_refused(desk: Desk, username: str, cause: str) -> None:
    """In the same words as a wrong password."""
    answer = await desk.login("wrong", username)

    assert isinstance(answer, Denial)
    assert answer.refusal is Refusal.LOGIN_FAILED
    assert cause in answer.cause


async def test_nobody_is_told_from_an_account(desk: Desk) -> None:
    """Salt and cost look alike, are the same each time, also after the account was made; and as
    much work is done for one as for the other."""
    seen = {}
    for username in (USER, "U1@T1.test", "nobody@t1.test", "none"):
        client = ScramClient(["SCRAM-SHA-256"], username, "wrong")
        begun = await desk.begin(client, username)
        again = await desk.begin(ScramClient(["SCRAM-SHA-256"], username, "wrong"), username)
        assert begun.challenge.split(b",")[1:] == again.challenge.split(b",")[1:]
        assert len(begun.known) == ALIKE
        _, salt, cost = begun.challenge.decode().split(",")
        assert (len(b64decode(salt[2:])), cost) == (16, f"i={ITERATIONS}")
        seen[username] = salt
    assert seen[USER] == seen["U1@T1.test"]
    assert len(set(seen.values())) == 3
    desk.directory.credentials = []
    begun = await desk.begin(ScramClient(["SCRAM-SHA-256"], USER, "wrong"))
    assert begun.challenge.decode().split(",")[1] == seen[USER]
    assert len(begun.known) == ALIKE


async def test_a_proof_is_good_for_its_own_challenge(desk: Desk) -> None:
    """Not for another one: it can not be used again."""
    client = ScramClient(["SCRAM-SHA-256"], USER, "right")
    begun = await desk.begin(client)
    proof = client.get_client_final()
    other = await desk.begin(ScramClient(["SCRAM-SHA-256"], USER, "right"))

    assert isinstance(desk.logins.prove(other, proof, "192.0.2.1"), Denial)
    for changed in (proof.replace("c=biws", "c=eSws"), proof + "x", "", "c=biws", proof[:-9] + "="):
        assert isinstance(desk.logins.prove(begun, changed, "192.0.2.1"), Denial)
    assert isinstance(desk.logins.prove(begun, proof, "192.0.2.1"), Proven)


async def test_a_password_without_a_verifier_does_not_get_in(desk: Desk) -> None:
    """The cause says what to do."""
    desk.directory.credentials = [credential(13, "new")]

    answer = await desk.login("new")

    assert isinstance(answer, Denial)
    assert "log in once by PLAIN" in answer.cause


async def test_an_expired_password_does_not_get_in(desk: Desk) -> None:
    """As by PLAIN."""
    desk.directory.credentials = [credential(10, "right", expires_at=1)]

    answer = await desk.login("right")

    assert isinstance(answer, Denial)
    assert "'device 10' has expired" in answer.cause


async def test_proofs_are_counted_before_they_are_looked_at(desk: Desk) -> None:
    """A guesser learns nothing any more, not even by the right password; another address does."""
    for _ in range(20):
        await desk.login("wrong")

    answer = await desk.login("right")

    assert isinstance(answer, Denial)
    assert answer.refusal is Refusal.TOO_MANY_FAILURES
    assert isinstance(await desk.login("right", address="198.51.100.1"), Proven)


async def test_a_directory_that_is_away_is_no_fault_of_the_client(desk: Desk) -> None:
    """454."""
    desk.directory.failure = SpoolUnavailable(SpoolTrouble.AWAY, "gone")

    answer = await desk.logins.begin(ScramFirst(USER, f"n,,n={USER},r=abc"))

    assert isinstance(answer, Denial)
    assert answer.refusal is Refusal.LOGIN_UNAVAILABLE


async def test_what_another_implementation_refuses_is_refused(desk: Desk) -> None:
    """Where it reads a message in a stricter way than we do."""
    answer = await desk.logins.begin(ScramFirst("\u0221", "n,,n=\u0221,r=abc"))

    assert isinstance(answer, Denial)
    assert answer.refusal is Refusal.LOGIN_FAILED


Plain = Callable[[str], Awaitable[object]]


@pytest.fixture
def plain(desk: Desk) -> Plain:
    """Logs in by PLAIN."""
    return lambda password: desk.passwords.check(Credentials("PLAIN", USER, password), "192.0.2.1")


async def test_a_login_by_plain_makes_the_verifier(desk: Desk, plain: Plain) -> None:
    """Once; it is the one that a client proves against."""
    desk.directory.credentials = [credential(13, "new"), credential(10, "right")]

    await plain("new")
    await plain("right")

    assert list(desk.directory.kept) == [13]
    desk.directory.credentials[0] = credential(13, "new", scram_verifier=desk.directory.kept[13])
    assert isinstance(await desk.login("new"), Proven)


async def test_a_login_does_not_depend_on_the_verifier(desk: Desk, plain: Plain) -> None:
    """Where it can not be made or kept, the login is good all the same."""
    desk.directory.credentials = [credential(13, "new"), credential(14, "\u0221\u0007")]
    assert not isinstance(await plain("\u0221\u0007"), Denial)

    desk.directory.takes_verifiers = False
    assert not isinstance(await plain("new"), Denial)
    assert desk.directory.kept == {}


def test_the_client_of_these_tests_does_judge() -> None:
    """It refuses a server that does not know the password."""
    client = ScramClient(["SCRAM-SHA-256"], USER, "right")
    nonce = client.get_client_first().rpartition("r=")[2]
    client.set_server_first(f"r={nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    client.get_client_final()

    with pytest.raises(ScramException):
        client.set_server_final("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
