"""A next hop that takes messages, and any login."""

from base64 import b64decode

from tests.support.smtp_peer import Peer, Script


def taking(mechanisms: str = "XOAUTH2") -> Script:
    """A server that takes any login, and messages until QUIT."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", f"AUTH {mechanisms}")
        await peer.expect("AUTH")
        peer.send("235 in")
        while (command := await peer.line()) not in ("", "QUIT"):
            while command != "DATA":
                peer.send("250 ok")
                command = await peer.line()
            peer.send("354 go")
            await peer.content()
            peer.send("250 taken")
        peer.send("221 bye")

    return script


def logins(commands: list[str]) -> list[str]:
    """The tokens and names that were said."""
    said = [line.split()[2] for line in commands if line.startswith("AUTH")]
    return [b64decode(text).decode().replace("\x01", " ").strip() for text in said]


async def take_many(peer: Peer) -> None:
    """A server that takes messages until QUIT or the end."""
    await peer.greet("PIPELINING")
    while True:
        command = await peer.line()
        if command in ("", "QUIT"):
            break
        while command != "DATA":
            peer.send("250 ok")
            command = await peer.line()
        peer.send("354 go")
        await peer.content()
        peer.send("250 2.0.0 taken")
    peer.send("221 bye")
