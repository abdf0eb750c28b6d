"""A server to which messages come whole, several in a row, and messages for it."""

from collections.abc import Callable

from tests.support.smtp_peer import Peer

from pillarbox.client import Mail, SendResult, SendState

OFFER = ("PIPELINING", "CHUNKING")
CONTENT = b"Subject: x\r\n\r\n.Hi\r\n"


def mails(count: int, content: bytes = CONTENT) -> list[Mail]:
    """So many messages, each to somebody else."""
    return [Mail(content, "a@t1.test", f"r{number}@x.test") for number in range(count)]


def states(results: list[SendResult]) -> list[SendState]:
    """What became of each."""
    return [one.state for result in results for one in result]


async def group(peer: Peer, answer: Callable[[str], str] | None = None) -> bool:
    """Read one message that came whole and answer each of its commands; False at the end."""
    while command := await peer.line():
        if command == "QUIT":
            peer.send("221 bye")
            break
        words = command.split()
        if words[0] == "BDAT":
            peer.contents.append(await peer.octets(int(words[1])))
        peer.send((answer and answer(command)) or "250 2.0.0 ok")
        if words[0] == "BDAT":
            return True
    return False


async def taking(peer: Peer) -> None:
    """Take everything."""
    await peer.greet(*OFFER)
    while await group(peer):
        pass
