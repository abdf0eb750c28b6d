"""The services that are compared, each in a folder of its own and on free ports of 127.0.0.1.

Durability is as delivered: a 250 follows what was synced. Limits by client are off, no name is
looked up, and both hand all mail to the sink. The plain port takes loopback addresses without a
login.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from bench.generators import Login
from bench.machine import Use, use_of
from bench.profiles import Door
from bench.sinks import Sink
from tests.e2e.postfix import Postfix
from tests.e2e.programs import free_port, program, run
from tests.e2e.sasl_server import SaslServer
from tests.e2e.service import Pillarbox

DEAD_DOMAIN = "dead.example"
"""Its mail goes to the second sink."""

MESSAGE_OCTETS = 100_000_000


class Peer(Protocol):
    """A running service."""

    title: str
    ports: dict[Door, int]
    login: Login

    def use(self) -> Use:
        """What it uses."""

    def version(self) -> str:
        """Of the service."""


_PILLARBOX = """
[[listeners]]
name = "plain"
address = "127.0.0.1"
port = {port}
tls = "none"
network_login = true

[limits]
sessions = 10000
sessions_per_address = 10000
handshakes_per_address = 10000
message_octets = {message_octets}
"""


class PillarboxPeer(Pillarbox):
    """Pillarbox with a worker for each processor and its usual log."""

    title = "Pillarbox"

    def __init__(self, folder: Path) -> None:
        plain = free_port()
        super().__init__(folder, _PILLARBOX.format(port=plain, message_octets=MESSAGE_OCTETS))
        doors = {Door.PLAIN: plain, Door.STARTTLS: self.starttls_port, Door.TLS: self.tls_port}
        self.ports = doors
        self.login = Login(self.username, self.password)

    def _prepare(self) -> str:
        text = self.config.read_text().replace('level = "debug"', 'level = "info"')
        self.config.write_text(f'workers = "auto"\n{text}')
        return super()._prepare()

    def set_up(self, next_hop: Sink, dead: Sink | None) -> None:
        """Where mail goes, and who needs no password. Before the start."""
        loopback = ("--label", "loopback", "--network", "127.0.0.0/8")
        self.admin("credential", "add", self.username, *loopback)
        for domain, sink in (("", next_hop), (DEAD_DOMAIN, dead)):
            if sink is not None:
                words = ("--to", domain) if domain else ()
                target = f"127.0.0.1:{sink.port}"
                self.admin("route", "add", *words, "--smarthost", target, "--tls", "none")

    def use(self) -> Use:
        """What supervisor and workers use."""
        assert self._process is not None
        return use_of(self._process.pid)

    def version(self) -> str:
        """Of the service."""
        return self.admin("version").split()[1]


class PostfixPeer(Postfix):
    """Postfix, tuned for throughput where that costs no durability."""

    title = "Postfix"

    def __init__(self, certificate: Path, key: Path, next_hop: Sink, dead: Sink | None) -> None:
        super().__init__("postfix.example")
        self.ports = {door: free_port() for door in Door}
        self.login = Login("app@sender.example", "a password of the benchmark")
        self._logins = SaslServer(self.folder / "login", {self.login.username: self.login.password})
        hops = f"{DEAD_DOMAIN} = smtp:[127.0.0.1]:{dead.port}" if dead else "none.example = smtp:"
        self.main += [
            f"relayhost = [127.0.0.1]:{next_hop.port}",
            f"transport_maps = inline:{{ {{ {hops} }} }}",
            "smtpd_recipient_restrictions = permit_mynetworks, reject",
            "smtpd_client_connection_count_limit = 0",
            "smtpd_client_event_limit_exceptions = 127.0.0.0/8",
            "default_process_limit = 100",
            "initial_destination_concurrency = 10",
            "default_destination_concurrency_limit = 10",
            "qmgr_message_active_limit = 20000",
            "qmgr_message_recipient_limit = 20000",
            "in_flow_delay = 0",
            "notify_classes =",
            f"smtpd_tls_cert_file = {certificate}",
            f"smtpd_tls_key_file = {key}",
            "smtpd_sasl_type = dovecot",
            f"smtpd_sasl_path = {self.folder}/login",
        ]
        with_login = (
            "  -o smtpd_sasl_auth_enable=yes",
            "  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject",
        )
        self.master += [
            f"127.0.0.1:{self.ports[Door.PLAIN]} inet n - n - 0 smtpd",
            f"127.0.0.1:{self.ports[Door.STARTTLS]} inet n - n - 0 smtpd",
            "  -o smtpd_tls_security_level=encrypt",
            *with_login,
            f"127.0.0.1:{self.ports[Door.TLS]} inet n - n - 0 smtpd",
            "  -o smtpd_tls_wrappermode=yes",
            *with_login,
        ]

    def run(self) -> None:
        """Start it."""
        self.start([self.ports[Door.PLAIN], self.ports[Door.STARTTLS]])

    def stop(self) -> None:
        """End it and remove its folder."""
        super().stop()
        self._logins.stop()

    def use(self) -> Use:
        """What the master and its services use."""
        return use_of(self._master_pid)

    def version(self) -> str:
        """Of the service."""
        return (
            run([program("postconf", "postfix"), "-d", "-h", "mail_version"])
            .stdout.decode()
            .strip()
        )


@contextmanager
def running_peers(
    next_hop: Sink, dead: Sink | None = None, *, with_postfix: bool
) -> Iterator[list[Peer]]:
    """Start the services; Pillarbox is the last one. Both use its certificate."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as folder:
        pillarbox = PillarboxPeer(Path(folder))
        peers: list[Peer] = []
        postfix = None
        try:
            if with_postfix:
                certificate = Path(folder) / "tls/certificate.pem"
                key = Path(folder) / "tls/key.pem"
                postfix = PostfixPeer(certificate, key, next_hop, dead)
                postfix.run()
                peers.append(postfix)
            pillarbox.set_up(next_hop, dead)
            pillarbox.start()
            peers.append(pillarbox)
            yield peers
        finally:
            pillarbox.stop()
            if postfix is not None:
                postfix.stop()
