"""A next hop that takes messages, and any login."""

from base64 import b64decode

from tests.support.smtp_peer import Peer, Script


def taking(mechanisms: str = "XOAUTH2") -> Script:
    """A server that takes any login, and messages until QUIT."""

    async def script(peer: Peer) -> None:
        peer.send("220 peer.test ESMTP")
        await take_login(peer, mechanisms)
        await take_messages(peer)

    return script


async def take_many(peer: Peer) -> None:
    """A server without a login that takes messages until QUIT."""
    await peer.greet("PIPELINING")
    await take_messages(peer)


async def take_login(peer: Peer, mechanisms: str) -> None:
    """EHLO, and a login in one step."""
    await peer.hello("PIPELINING", "DSN", f"AUTH {mechanisms}")
    await peer.expect("AUTH")
    peer.send("235 in")


async def take_messages(peer: Peer) -> None:
    """Messages until QUIT or the end of the connection."""
    while (command := await peer.line()) not in ("", "QUIT"):
        while command != "DATA":
            peer.send("250 ok")
            command = await peer.line()
        peer.send("354 go")
        await peer.content()
        peer.send("250 2.0.0 taken")
    peer.send("221 bye")


def logins(commands: list[str]) -> list[str]:
    """The tokens and names that were said."""
    said = [line.split()[2] for line in commands if line.startswith("AUTH")]
    return [b64decode(text).decode().replace("\x01", " ").strip() for text in said]
