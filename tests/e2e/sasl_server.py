"""The passwords of a Postfix that asks for a login, by the protocol of Dovecot's auth service.

Postfix asks on a Unix socket: `AUTH id mechanism ... resp=base64`; the answer is `OK`, `FAIL`, or
`CONT` with the next challenge (Dovecot authentication protocol 1.1).
"""

import base64
import contextlib
import socket
import socketserver
import threading
from pathlib import Path

_HELLO = (
    "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"
    "SPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n"
)
_QUESTIONS = {"PLAIN": [b""], "LOGIN": [b"Username:", b"Password:"]}


class _Dialogue(socketserver.StreamRequestHandler):
    """One connection of one smtpd process."""

    server: "SaslServer"

    def handle(self) -> None:
        self._say(_HELLO)
        logins: dict[str, tuple[str, list[bytes]]] = {}
        with contextlib.suppress(ConnectionError):
            for line in self.rfile:
                verb, number, *words = line.decode().rstrip("\n").split("\t")
                if verb == "AUTH":
                    logins[number] = (words[0].upper(), [])
                    given = [word[5:] for word in words if word.startswith("resp=")]
                elif verb == "CONT":
                    given = words
                else:
                    continue
                mechanism, answers = logins[number]
                answers += map(base64.b64decode, given)
                self._go_on(number, mechanism, answers)

    def _go_on(self, number: str, mechanism: str, answers: list[bytes]) -> None:
        """Ask the next question, or decide when everything was answered."""
        questions = _QUESTIONS[mechanism]
        if len(answers) < len(questions):
            challenge = base64.b64encode(questions[len(answers)]).decode()
            self._say(f"CONT\t{number}\t{challenge}\n")
            return
        username, password = answers[0].split(b"\0")[1:] if mechanism == "PLAIN" else answers
        right = self.server.passwords.get(username.decode()) == password.decode()
        self._say(f"{'OK' if right else 'FAIL'}\t{number}\tuser={username.decode()}\n")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode())


class SaslServer(socketserver.ThreadingUnixStreamServer):
    """Knows `passwords` by user name. It listens as soon as it is made; `stop` ends it."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, passwords: dict[str, str]) -> None:
        self.passwords = passwords
        super().__init__(str(path), _Dialogue)
        path.chmod(0o666)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """End it; open connections end with their clients."""
        self.shutdown()
        self.server_close()

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """As the base class; a peer that was killed is no error."""
        with contextlib.suppress(OSError):
            super().shutdown_request(request)
