"""Logging in: mechanisms, tokens that all share, the keyring."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from tests.support.sending import Face, letter
from tests.support.smtp_peer import Peer, serve
from tests.support.taking_peer import logins, taking

from pillarbox.client import (
    AccessToken,
    ArgumentError,
    Keyring,
    LoginError,
    OAuth2,
    Password,
    Pool,
    TokenError,
)
from pillarbox.client.login_secrets import Shelf

USER = "app@t1.test"


async def refuse_login(peer: Peer) -> None:
    """A server that takes no login."""
    await peer.greet("PIPELINING", "AUTH XOAUTH2 PLAIN LOGIN SCRAM-SHA-256")
    await peer.expect("AUTH")
    peer.send("535 5.7.8 no")
    await peer.line()


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("421 4.7.0 Too many failed logins: wait 30 minutes", "Correct user name and password"),
        ("421 Service not available", "If logins were refused before, correct user name and"),
    ],
)
async def test_421_at_the_login_says_to_look_at_the_password(
    face: Face, said: str, fix: str
) -> None:
    """Most servers end the session so after some refused logins: later alone does not help."""

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN")
        await peer.expect("AUTH")
        peer.send(said)
        await peer.until_closed()

    async with serve(script) as server:
        with pytest.raises(LoginError) as raised:
            await face.send_one(server.port, letter(), auth=(USER, "p"))

    assert raised.value.fix.startswith(fix)
    assert raised.value.code == "login-unavailable"
    assert raised.value.is_transient


@pytest.mark.parametrize(
    ("auth", "offered", "begins"),
    [
        (Password(USER, "p"), "LOGIN PLAIN SCRAM-SHA-256", "AUTH SCRAM-SHA-256 "),
        (Password(USER, "p"), "LOGIN PLAIN", "AUTH PLAIN "),
        (Password(USER, "p"), "LOGIN", "AUTH LOGIN"),
        (Password(USER, "p", mechanism="LOGIN"), "LOGIN PLAIN SCRAM-SHA-256", "AUTH LOGIN"),
        (OAuth2(USER, "t"), "PLAIN XOAUTH2 OAUTHBEARER", "AUTH OAUTHBEARER "),
        (OAuth2(USER, "t", mechanism="XOAUTH2"), "XOAUTH2 OAUTHBEARER", "AUTH XOAUTH2 "),
    ],
)
async def test_the_best_mechanism_is_used_or_the_one_that_is_named(
    face: Face, auth: Password | OAuth2, offered: str, begins: str
) -> None:
    """A refused login is not tried again by another one: that would be one more towards a lock."""

    async def script(peer: Peer) -> None:
        await peer.greet(f"AUTH {offered}")
        await peer.line()
        peer.send("535 5.7.8 no")
        await peer.line()

    async with serve(script) as server:
        with pytest.raises(LoginError) as raised:
            await face.send_one(server.port, letter(), auth=auth)

    assert len(server.peers) == 1
    assert server.commands[1].startswith(begins)
    assert raised.value.code in ("login-refused", "token-refused")
    assert not raised.value.is_transient


@pytest.mark.parametrize(
    ("auth", "offered"),
    [
        (Password(USER, "p", mechanism="SCRAM-SHA-256"), "PLAIN LOGIN"),
        (Password(USER, "p"), "CRAM-MD5 XOAUTH2"),
        (OAuth2(USER, "t"), "PLAIN LOGIN"),
    ],
)
async def test_a_mechanism_that_is_not_offered_is_not_replaced(
    face: Face, auth: Password | OAuth2, offered: str
) -> None:
    """Neither a password for a token nor the clear for a proof."""

    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet(f"AUTH {offered}")
        await peer.line()
        left.set()

    async with serve(script) as server:
        with pytest.raises(LoginError) as raised:
            await face.send_one(server.port, letter(), auth=auth)
        await asyncio.wait_for(left.wait(), 20)

    assert raised.value.code == "login-not-offered"
    assert [line.split()[0] for line in server.commands] == ["EHLO", "QUIT"]


@pytest.mark.parametrize(
    "auth",
    [
        ("", "p"),
        Password(USER, "p", mechanism="CRAM-MD5"),
        OAuth2(USER, "t", mechanism="PLAIN"),
        "app:password",
    ],
)
def test_a_login_that_can_not_be_is_refused_at_once(face: Face, auth: object) -> None:
    """Before a server is asked."""
    with pytest.raises(ArgumentError):
        face.client(25, auth=auth)


async def test_all_share_one_token(face: Face) -> None:
    """Twenty messages over four connections ask once; the token is kept for the next ones."""
    asked: list[int] = []
    is_asked, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def provide() -> AccessToken:
        asked.append(1)
        loop.call_soon_threadsafe(is_asked.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(20)
        return AccessToken("secret-token", 3600)

    async with serve(taking()) as server:
        client = face.client(
            server.port, auth=OAuth2(USER, provide), pool=Pool(connections=4, messages=3)
        )
        sending = [asyncio.create_task(face.send(client, letter())) for _ in range(20)]
        await is_asked.wait()
        go.set()
        await asyncio.gather(*sending)
        await face.close(client)

    assert len(asked) == 1
    assert set(logins(server.commands)) == {f"user={USER} auth=Bearer secret-token"}
    assert len(server.peers) >= 4


async def test_a_token_of_unknown_life_is_asked_for_each_connection(face: Face) -> None:
    """A plain str: whoever gives it keeps it as long as it is good."""
    tokens = iter(["one", "two", "three"])

    async with serve(taking()) as server:
        client = face.client(
            server.port, auth=OAuth2(USER, lambda: next(tokens)), pool=Pool(messages=1)
        )
        for _ in range(3):
            await face.send(client, letter())
        await face.close(client)

    assert [said.rpartition(" ")[2] for said in logins(server.commands)] == ["one", "two", "three"]


async def test_a_provider_may_be_asynchronous() -> None:
    """With the asynchronous client; the blocking one says what to do."""

    async def provide() -> str:
        await asyncio.sleep(0)
        return "secret-token"

    async with serve(taking()) as server:
        auth = OAuth2(USER, provide)
        assert (await Face(is_async=True).send_one(server.port, letter(), auth=auth)).is_complete
        with pytest.raises(ArgumentError) as raised:
            await Face(is_async=False).send_one(server.port, letter(), auth=auth)

    assert "connect_async" in raised.value.fix


@pytest.mark.parametrize("given", ["", "to\nken", "tök", None, AccessToken("a b", 60), b"token"])
async def test_what_is_no_token_is_told(face: Face, given: object) -> None:
    """Attacks row 76: nothing of it comes near a command."""
    async with serve(taking()) as server:
        with pytest.raises(TokenError):
            await face.send_one(server.port, letter(), auth=OAuth2(USER, lambda: given))  # type: ignore[arg-type,return-value]

    assert server.peers == []


async def test_what_a_provider_raises_is_chained(face: Face) -> None:
    """And the next message asks again."""
    answers = iter([ConnectionError("down"), None])

    def provide() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "secret-token"

    async with serve(taking()) as server:
        client = face.client(server.port, auth=OAuth2(USER, provide))
        with pytest.raises(TokenError) as raised:
            await face.send(client, letter())
        assert (await face.send(client, letter())).is_complete
        await face.close(client)

    assert isinstance(raised.value.__cause__, ConnectionError)
    assert raised.value.is_transient
    assert raised.value.result is not None


async def test_a_new_token_that_is_refused_is_not_asked_for_again(face: Face) -> None:
    """Another one would fare no better; a storm of logins would lock the account."""
    asked: list[int] = []

    def provide() -> AccessToken:
        asked.append(1)
        return AccessToken("secret-token", 3600)

    async with serve(refuse_login) as server:
        with pytest.raises(LoginError) as raised:
            await face.send_one(server.port, letter(), auth=OAuth2(USER, provide))

    assert raised.value.code == "token-refused"
    assert (len(asked), len(server.peers)) == (1, 1)


async def test_an_old_token_that_is_refused_is_renewed_once(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody revoked it: the next one is tried, on a new connection."""
    monkeypatch.setattr("pillarbox.client.login_secrets.NEW_SECONDS", 0.0)
    tokens = iter(["old", "new"])

    async with serve(refuse_login, taking()) as server:
        auth = OAuth2(USER, lambda: AccessToken(next(tokens), 3600))
        assert (await face.send_one(server.port, letter(), auth=auth)).is_complete

    assert [said.rpartition("Bearer ")[2] for said in logins(server.commands)] == ["old", "new"]


def test_a_token_is_renewed_before_it_ends() -> None:
    """Five minutes before, or at half of a short life; a refused one is not given out again."""
    shelf: Shelf[None] = Shelf()

    shelf.put(AccessToken("hour", 3600), 0)
    assert shelf.at_hand(3299) is not None
    assert shelf.at_hand(3300) is None
    short = shelf.put(AccessToken("short", 60), 0)
    assert shelf.at_hand(29) == short
    assert shelf.at_hand(30) is None
    assert shelf.at_hand(1, refused=short) is None
    assert not short.may_be_renewed(59)
    assert short.may_be_renewed(60)
    assert "short" not in repr(short)


# -- the keyring ------------------------------------------------------------------------------


class _Chain(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        return {("mail", USER): "Pw-1_x"}.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


@pytest.fixture
def chain() -> Iterator[None]:
    """This user's keyring."""
    old = keyring.get_keyring()
    keyring.set_keyring(_Chain())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(old)


@pytest.mark.usefixtures("chain")
async def test_a_password_stands_in_the_keyring(face: Face) -> None:
    """Under a service and the name; where it does not, the error says how to put it there."""
    async with serve(taking("PLAIN")) as server:
        auth = Keyring(USER, service="mail")
        assert (await face.send_one(server.port, letter(), auth=auth)).is_complete
        with pytest.raises(LoginError) as raised:
            await face.send_one(server.port, letter(), auth=Keyring(USER))

    said = b64encode(f"\0{USER}\0Pw-1_x".encode()).decode()
    assert f"AUTH PLAIN {said}" in server.commands
    assert raised.value.fix == f"keyring set pillarbox {USER}"
    assert len(server.peers) == 1
