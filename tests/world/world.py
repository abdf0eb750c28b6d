"""The whole Internet of these tests: names, certificates, mail hosts and policies, and a Pillarbox
that sends to it. All is started once."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until
from tests.world.certificates import Certificates
from tests.world.hosts import USERS, EximHost, MailHost, OpenSmtpdHost, PostfixHost
from tests.world.name_servers import NameServers
from tests.world.network import add_addresses, add_users, address, make_internet, replace_file
from tests.world.web import Page, PolicyWeb
from tests.world.zones import Names

SECONDS = 60.0

OUR_NAME = "out.open.example"
"""What Pillarbox is called there."""

GOOD, SELF, CHAIN, CAREFUL = 11, 12, 13, 14
"""Postfix: with a certificate of an authority that is trusted; with one of its own, for another
name and over; with one of an authority that only the DNS vouches for; and one that puts off."""

EXIM, REFUSING = 21, 22
CLEAR, OPENSMTPD = 31, 32
"""OpenSMTPD without TLS, and with it."""

DNS, WEB = 53, 80
SILENT, GONE = 98, 99
"""A host at which nobody listens, and an address that nobody has."""

_CONFIG = f"""
[delivery]
helo_name = "{OUR_NAME}"
"""


class World:
    """What a test sees of it."""

    def __init__(self, folder: Path) -> None:
        self.certificates = Certificates(folder)
        self.names = Names(address(DNS))
        self.web = PolicyWeb(address(WEB), self.certificates.authority)
        self.postfix = PostfixHost()
        self.exim = EximHost(EXIM, REFUSING, self.certificates.self_signed_file)
        self.opensmtpd = OpenSmtpdHost(CLEAR, OPENSMTPD, self.certificates.rsa_file)
        self._service: Pillarbox | None = None
        for number, file in (
            (GOOD, self.certificates.good("good.open.example", "good.safe.example")),
            (SELF, self.certificates.self_signed_file),
            (CHAIN, self.certificates.chain_file),
        ):
            self.postfix.at(number, file)
        self.postfix.careful_at(CAREFUL)

    @property
    def service(self) -> Pillarbox:
        """Pillarbox, which runs."""
        assert self._service is not None
        return self._service

    # -- what the Internet says -----------------------------------------------------------------

    def mx(self, domain: str, *hosts: str) -> None:
        """MX records, the first host preferred."""
        for number, host in enumerate(hosts, 1):
            self.names.add(domain, "MX", f"{number * 10} {host}.")

    def host(self, name: str, number: int) -> None:
        """The IPv4 address of a name."""
        self.names.add(name, "A", address(number))

    def policy(self, domain: str, page: Page, *records: str) -> None:
        """An MTA-STS policy that a domain publishes."""
        texts = [f'"{record}"' for record in records or ("v=STSv1; id=1",)]
        self.names.add(f"_mta-sts.{domain}", "TXT", *texts)
        self.host(f"mta-sts.{domain}", WEB)
        self.web.serve(domain, page)

    # -- what a test does -----------------------------------------------------------------------

    def send(self, *domains: str) -> None:
        """Hand one message for x@ these domains to Pillarbox."""
        service = self.service
        context = ssl.create_default_context(cafile=service.ca_file)
        text = f"From: {service.username}\r\nSubject: To {domains[0]}\r\n\r\nHello\r\n"
        with smtplib.SMTP_SSL("localhost", service.tls_port, context=context) as client:
            client.login(service.username, service.password)
            recipients = [f"x@{domain}" for domain in domains]
            assert client.sendmail(service.username, recipients, text) == {}

    def attempts_by(self, hop: str) -> list[dict[str, Any]]:
        """What the log says of attempts by a next hop."""
        found = self.service.events("delivery.attempt")
        return [each for each in found if each["next_hop"] == hop]

    def attempts(self, domain: str) -> list[dict[str, Any]]:
        """What the log says of attempts for a domain."""
        return self.attempts_by(f"mx:{domain}")

    def attempt(self, domain: str) -> dict[str, Any]:
        """The first attempt for a domain, once it was made."""
        return wait_until(lambda: self.attempts(domain), SECONDS, f"an attempt for {domain}")[0]

    def kept(self, host: MailHost, domain: str) -> str:
        """The one message that a host has for x@ a domain."""
        [text] = wait_until(lambda: host.messages_for(f"x@{domain}"), SECONDS, f"mail for {domain}")
        return text

    def is_nowhere(self, domain: str) -> bool:
        """Whether no host has anything for a domain."""
        hosts: tuple[MailHost, ...] = (self.postfix, self.exim, self.opensmtpd)
        return not any(host.messages_for(f"x@{domain}") for host in hosts)

    # -- how it is started ----------------------------------------------------------------------

    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        """Start all; it ends with the block."""
        with ExitStack() as stack:
            stack.callback(self.opensmtpd.stop)
            self.opensmtpd.start()
            stack.callback(self.exim.stop)
            self.exim.start()
            stack.callback(self.postfix.stop)
            self.postfix.start_host()
            stack.callback(self.web.stop)
            self.web.start()
            servers = NameServers(folder, self.names, address(DNS))
            stack.callback(servers.stop)
            servers.start()
            self._service = stack.enter_context(running(folder / "pillarbox", _CONFIG))
            ca_file = str(self.certificates.ca_file)
            self._service.admin("route", "add", "--mx", "--ca-file", ca_file)
            self._service.admin("route", "add", "--to", "sender.example", "--capture")
            yield


@contextmanager
def open_world(folder: Path, *describe: Callable[[World], None]) -> Iterator[World]:
    """A world with the domains of which each `describe` tells it, in namespaces of its own."""
    make_internet()
    add_users(folder, *USERS)
    replace_file("/etc/resolv.conf", folder, "nameserver 127.0.0.1\noptions trust-ad edns0\n")
    numbers = (GOOD, SELF, CHAIN, CAREFUL, EXIM, REFUSING, CLEAR, OPENSMTPD, DNS, WEB, SILENT)
    add_addresses(*numbers)
    (folder / "pillarbox").mkdir()
    world = World(folder)
    for tell in describe:
        tell(world)
    with world.started(folder):
        yield world
