"""The emulator of Microsoft 365 as a process of its own, and what its control API says.

Whatever is done to the process under test, this one goes on and knows what it took.
"""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.e2e.programs import end_group

from pillarbox.emulate.config import SAMPLE_APP, SAMPLE_SECRET, SAMPLE_TENANT

ANSWER_SECONDS = 60.0
SENDER_DOMAIN = "contoso.example"


def _tables(mailboxes: Sequence[str], author: str, limits: Mapping[str, float], seed: int) -> str:
    """A tenant with these mailboxes and the sample app, which may use all of them."""
    lines = [f"seed = {seed}", "[limits]", *(f"{name} = {limits[name]}" for name in limits)]
    lines += ["[[tenants]]", f'id = "{SAMPLE_TENANT}"', f'domains = ["{SENDER_DOMAIN}"]']
    for mailbox in mailboxes:
        lines += ["[[tenants.mailboxes]]", f'address = "{mailbox}"']
        if author:
            lines.append(f'send_as = ["{author}"]')
    lines += ["[[tenants.apps]]", f'client_id = "{SAMPLE_APP}"', f'secret = "{SAMPLE_SECRET}"']
    return "\n".join([*lines, f"mailboxes = {json.dumps(list(mailboxes))}", ""])


class EmulatorProcess:
    """`with EmulatorProcess(...) as emulator:` runs it; who asks it waits for its start.

    All mailboxes may send as `author`, too. Its limits are Microsoft's but for those given.
    """

    def __init__(
        self,
        folder: Path,
        mailboxes: Sequence[str],
        *,
        author: str = "",
        limits: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        folder.mkdir(exist_ok=True)
        file = folder / "emulator.toml"
        file.write_text(_tables(mailboxes, author, limits or {}, seed))
        argv = ("emulate", "m365", str(file), "--folder", str(folder), "--json")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pillarbox", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @cached_property
    def _card(self) -> dict[str, Any]:
        """The card, which it prints when it listens."""
        assert self._process.stdout is not None
        text = ""
        for line in self._process.stdout:
            text += line
            if line == "}\n":
                card: dict[str, Any] = json.loads(text)
                return card
        raise AssertionError(f"the emulator ended: {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        end_group(self._process.pid)
        self._process.wait(ANSWER_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def route_words(self, way: str, mailboxes: Sequence[str]) -> tuple[str, ...]:
        """What `route add` needs to send by these mailboxes; the secret comes by its input."""
        smtp, authority = self._card["smtp"], self._card["authority"]
        where = ("--host", f"{smtp['host']}:{smtp['port']}", "--authority", authority)
        return (
            *("--microsoft365", ",".join(mailboxes), "--way", way, *where),
            *("--graph-url", self._card["graph"], "--ca-file", self._card["ca_file"]),
            *("--tenant-id", SAMPLE_TENANT, "--client-id", SAMPLE_APP),
            *("--client-secret-file", "-"),
        )

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A request to the control API, which must succeed; what it answers."""
        with closing(self._connect()) as connection:
            return json.loads(self._ask(connection, method, path, body) or b"null")

    def raw(self, ids: Iterable[int]) -> Iterator[bytes]:
        """The octets of these messages, as they came."""
        with closing(self._connect()) as connection:
            for number in ids:
                yield self._ask(connection, "GET", f"/messages/{number}/raw")

    def _connect(self) -> http.client.HTTPConnection:
        control = urlsplit(self._card["control"]).netloc
        return http.client.HTTPConnection(control, timeout=ANSWER_SECONDS)

    @staticmethod
    def _ask(
        connection: http.client.HTTPConnection, method: str, path: str, body: object = None
    ) -> bytes:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        octets = response.read()
        assert response.status < 300, f"{method} {path}: {response.status} {octets.decode()}"
        return octets
