"""The examples of examples/client, which docs/client.md shows, run as they stand."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.sending import Certified
from tests.support.smtp_peer import Peer, Server, serve
from tests.support.taking_peer import take_login, take_messages, taking

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    file.stem: file.read_text(encoding="utf-8")
    for file in sorted((ROOT / "examples" / "client").glob("*.py"))
}
DOCUMENT = ROOT / "docs" / "client.md"

SHOWN = {
    "first": [],
    "results": ["ann@example.net accepted 250"],
    "threads": ["4 sent"],
    "tasks": [],
    "many": ["ann sent", "carol sent"],
    "tokens": ["logged in over TLSv1."],
    "parts": [],
    "file": [],
    "transcript": ["C: AUTH PLAIN ********", "S: 235 in", "C: QUIT"],
}
"""What each writes, among other things."""

MECHANISMS = "PLAIN XOAUTH2"
MESSAGES = {"first": 1, "results": 1, "threads": 4, "tasks": 3, "many": 3, "parts": 1, "file": 1}


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """TLS for the servers; programs trust it by their environment."""
    return Certified(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def servers(certified: Certified) -> AsyncIterator[dict[str, Server]]:
    """A server with STARTTLS, and one with TLS from the first octet."""

    async def starttls(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send("220 go")
        await peer.start_tls(certified.context)
        await take_login(peer, MECHANISMS)
        await take_messages(peer)

    async with (
        serve(starttls) as submission,
        serve(taking(MECHANISMS), tls=certified.context) as smtps,
    ):
        yield {"submission": submission, "smtps": smtps}


async def run(program: str, folder: Path, ca_file: str) -> str:
    """What a program writes."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    (folder / "logo.png").write_bytes(b"\x89PNG")
    (folder / "bill.pdf").write_bytes(b"%PDF")
    (folder / "message.eml").write_bytes(b"Subject: x\n\nHi\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "program.py",
        cwd=folder,
        env={**os.environ, "SSL_CERT_FILE": ca_file, "MAIL_TOKEN": "secret-token"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("example", EXAMPLES)
async def test_an_example_runs(
    example: str, servers: dict[str, Server], certified: Certified, tmp_path: Path
) -> None:
    """Against servers of the test; nothing else is changed."""
    program = EXAMPLES[example]
    for scheme, server in servers.items():
        there = f"{scheme}://localhost:{server.port}"
        program = program.replace(f"{scheme}://smtp.example.org", there)

    out = await run(program, tmp_path, certified.ca_file)

    for text in SHOWN[example]:
        assert text in out
    came = [len(peer.contents) for server in servers.values() for peer in server.peers]
    assert sum(came) == MESSAGES.get(example, 0)


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_is_shown(text: str) -> None:
    """The page has it, octet by octet."""
    assert f"```python\n{text}```\n" in DOCUMENT.read_text(encoding="utf-8")
