"""A whole reception on loopback ports: real sockets, real TLS, the real store on SQLite."""

import asyncio
import base64
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.support.storing import database_file

from pillarbox.config import Limits, Listener
from pillarbox.mail.identifier import IdGenerator
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.net.certificates import CertificateFiles
from pillarbox.net.issuer_documents import Fetcher
from pillarbox.net.tls import ServerCertificate
from pillarbox.outcome.report import Reporter
from pillarbox.outcome.returns import ReturnDesk, ReturnMeans
from pillarbox.policy.authenticate import Authenticator
from pillarbox.policy.clock import Clock, timestamp
from pillarbox.policy.issuer_keys import IssuerKeys
from pillarbox.policy.login_limits import LoginLimits
from pillarbox.policy.networks import NetworkLogins
from pillarbox.policy.scram_logins import ScramLogins, VerifierKeeper
from pillarbox.policy.sending_limits import SendingLimits
from pillarbox.policy.submission import Submission
from pillarbox.policy.token_logins import TokenLogins
from pillarbox.reception.content import MemoryBudget
from pillarbox.reception.handshake_limits import HandshakeLimits
from pillarbox.reception.intake import Intake
from pillarbox.reception.listener import Reception
from pillarbox.reception.services import Services
from pillarbox.reception.sessions import SessionLog
from pillarbox.route import TlsMode
from pillarbox.store.account_usage import AccountUsage
from pillarbox.store.admin.accounts import add_account
from pillarbox.store.admin.credentials import add_password
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.passwords import match_password
from pillarbox.store.records import SessionRecord
from pillarbox.store.returns import Returns
from pillarbox.store.seal import Seal, new_master_key
from pillarbox.store.sessions import Sessions, failed_sessions
from pillarbox.store.spool import Spool
from pillarbox.store.suppressions import Suppressions

PATIENCE_SECONDS = 60
HOST_NAME = "mx.test"
USER = "u1@t1.test"
SCRAM_KEY = b"k" * 32
RETURN_KEY = b"r" * 32
SEAL = Seal(new_master_key())
MESSAGE = b"From: u1@t1.test\r\nSubject: x\r\n\r\nbody\r\n"


@dataclass
class Site:
    """A running reception. `ahead` moves its clock for deadlines; `accepted` is what the scheduler
    would have got."""

    database: Database
    spool: Spool
    directory: Directory
    suppressions: Suppressions
    reception: Reception
    services: Services
    ports: dict[str, int]
    files: CertificateFiles
    password: str
    accepted: list[SpooledMessage]
    time: "Time"
    hashes: list[str] = field(default_factory=list)
    running: "asyncio.Task[None] | None" = None

    async def open_sessions(self, count: int) -> None:
        """Wait until so many sessions are open."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.reception._registry) != count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)

    def client_context(self) -> ssl.SSLContext:
        """A client's context that trusts the certificate of the site."""
        return ssl.create_default_context(cafile=str(self.files.ca_certificate))

    async def change(self, change: Callable[[Any], object]) -> None:
        """Change the directory as the command line does, and let the service see it."""
        await self.database.write(change)
        await self.directory.refresh()
        await self.suppressions.refresh(timestamp())

    async def content(self, message: SpooledMessage) -> bytes:
        """The content of a message as it is in the store, behind its prefix."""
        chunks = [await self.spool.read_chunk(message.queue_id, n) for n in range(message.chunks)]
        return b"".join(chunks)

    async def failed_sessions(self) -> list[SessionRecord]:
        """The records of failed sessions, newest first."""
        return await self.database.read(lambda c: failed_sessions(c, limit=100))

    async def failed_session(self) -> SessionRecord:
        """The record of the only session that failed; it may come a moment after its end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                # A change waits for the commits before it.
                await self.database.write(lambda _: None)
                found = await self.failed_sessions()
                if found:
                    return found[0]


@dataclass
class Time:
    """A clock that can be set forward."""

    ahead: float = 0.0

    def seconds(self) -> float:
        """The time that spans are measured with."""
        return time.monotonic() + self.ahead


LISTENERS = (
    Listener(address="127.0.0.1", port=0, tls=TlsMode.STARTTLS, name="submission"),
    Listener(address="127.0.0.1", port=0, tls=TlsMode.TLS, name="submissions"),
    Listener(address="127.0.0.1", port=0, tls=TlsMode.NONE, network_login=True, name="devices"),
    Listener(address="127.0.0.1", port=0, purpose="returns", name="returns"),
)


@asynccontextmanager
async def running_site(
    url: str,
    files: CertificateFiles,
    limits: Limits | None = None,
    *,
    with_scram: bool = False,
) -> AsyncIterator[Site]:
    """A reception with the tenant of t1.test and its account u1@t1.test."""
    octets, password = _first_database()
    database = Database.open(url, reserve_octets=0)
    assert database.file is not None
    database.file.write_bytes(octets)
    sockets = {listener.name: _bind() for listener in LISTENERS}
    site = _build(database, files, limits or Limits(), with_scram=with_scram)
    site.password = password
    site.ports = {name: bound.getsockname()[1] for name, bound in sockets.items()}
    await site.directory.refresh()
    ready = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            site.running = tasks.create_task(site.reception.run(sockets, ready))
            await ready.wait()
            try:
                yield site
            finally:
                await site.reception.stop(1)
    finally:
        site.services.authenticator.close()
        await database.close()


@cache
def _first_database() -> tuple[bytes, str]:
    """A file of SQLite with the first account, and its password: once, copied for each site."""
    passwords: list[str] = []

    def fill(database: Database) -> None:
        database.migrate()
        passwords.append(database.write_now(_first_account).password)

    return database_file(fill), passwords[0]


def _first_account(connection: Any) -> Any:
    now = timestamp()
    add_tenant(connection, "default", now=now)
    add_domain(connection, "default", "t1.test", now=now)
    add_account(connection, USER, now=now)
    return add_password(connection, USER, "first", now=now)


def _bind() -> socket.socket:
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    return bound


def _build(
    database: Database, files: CertificateFiles, limits: Limits, *, with_scram: bool
) -> Site:
    spool, directory = Spool(database), Directory(database, SEAL)
    moving = Time()
    clock = Clock(moving.seconds)
    suppressions = Suppressions(database)
    rules = Submission(limits, lambda t, m: suppressions.holds(t, m, clock.timestamp()))
    ids = IdGenerator(7)
    accepted: list[SpooledMessage] = []
    hashes: list[str] = []

    def match(known: Any, password: str) -> int | None:
        hashes.append(password)
        return match_password(known, password)

    authenticator = Authenticator(
        directory,
        LoginLimits(
            tries_per_source=limits.login_failures_per_address,
            tries_per_account=limits.login_failures_per_account,
            window_seconds=limits.login_failure_window_seconds,
        ),
        matcher=match,
        cache_seconds=limits.login_cache_seconds,
        clock=clock,
        keeper=VerifierKeeper(directory, SCRAM_KEY) if with_scram else None,
    )
    services = Services(
        limits=limits,
        rules=rules,
        sending=SendingLimits(AccountUsage(database), clock),
        authenticator=authenticator,
        scram=ScramLogins(directory, authenticator, SCRAM_KEY, clock) if with_scram else None,
        tokens=TokenLogins(directory, IssuerKeys(Fetcher(), clock), authenticator, clock),
        networks=NetworkLogins(directory, clock),
        handshakes=HandshakeLimits(limits.handshakes_per_address, clock),
        intake=Intake(
            spool, rules, ids=ids, host_name=HOST_NAME, on_accepted=accepted.append, clock=clock
        ),
        chunks=spool,
        health=database,
        sessions=SessionLog(Sessions(database), clock),
        budget=MemoryBudget(limits.content_memory_octets),
        ids=ids,
        clock=clock,
        returns=ReturnDesk(
            ReturnMeans(
                RETURN_KEY,
                Returns(database, spool),
                Reporter(HOST_NAME, next_id=ids.next_id, lane_of=spool.lane_of),
                tenant_of=directory.tenant,
                next_id=ids.next_id,
                offer=accepted.append,
                wall=clock.timestamp,
                most_received=limits.received_fields,
            )
        ),
    )
    certificates = {
        listener.name: ServerCertificate(files.certificate, files.key)
        for listener in LISTENERS
        if listener.tls is not TlsMode.NONE
    }
    reception = Reception(LISTENERS, services, host_name=HOST_NAME, certificates=certificates)
    return Site(
        database,
        spool,
        directory,
        suppressions,
        reception,
        services,
        {},
        files,
        "",
        accepted,
        moving,
        hashes,
    )


class Client:
    """A client that does exactly what a test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.patience_seconds: float = PATIENCE_SECONDS
        """For a reply."""

    @classmethod
    async def connect(
        cls, port: int, context: ssl.SSLContext | None = None, local: str = "127.0.0.1"
    ) -> "Client":
        """Connect, with TLS from the first octet if a context is given."""
        name = None if context is None else "localhost"
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname=name, local_addr=(local, 0)
            )
        return cls(reader, writer)

    async def reply(self) -> str:
        """One reply with all its lines; "" at the end of the connection."""
        lines = ""
        async with asyncio.timeout(self.patience_seconds):
            while True:
                try:
                    line = (await self.reader.readline()).decode()
                except ConnectionError:
                    line = ""
                lines += line
                if not line or line[3:4] != "-":
                    return lines.rstrip("\r\n")

    def send(self, octets: bytes) -> None:
        """Write octets as they are."""
        self.writer.write(octets)

    async def command(self, line: str) -> str:
        """Send a command line; its reply."""
        self.send(line.encode() + b"\r\n")
        return await self.reply()

    async def handshake(self, context: ssl.SSLContext) -> None:
        """The handshake without the command."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.writer.start_tls(context, server_hostname="localhost")

    async def starttls(self, context: ssl.SSLContext) -> str:
        """STARTTLS and the handshake; the reply to the command."""
        reply = await self.command("STARTTLS")
        await self.handshake(context)
        return reply

    async def login(self, username: str, password: str) -> str:
        """AUTH PLAIN; its reply."""
        return await self.command(f"AUTH PLAIN {plain(username, password)}")

    async def message(self, content: bytes, *recipients: str, sender: str = USER) -> str:
        """A whole transaction; the reply to the end of the content, or the first refusal."""
        commands = [f"MAIL FROM:<{sender}>"]
        commands += [f"RCPT TO:<{address}>" for address in recipients or ("bob@example.net",)]
        for command in [*commands, "DATA"]:
            reply = await self.command(command)
            if reply[0] not in "23":
                return reply
        self.send(content + b".\r\n")
        return await self.reply()

    async def is_closed(self) -> bool:
        """Wait for the end of the connection; False if more octets come before it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.writer.wait_closed()
        except OSError:
            pass


def plain(username: str, password: str) -> str:
    """The initial response of AUTH PLAIN."""
    return base64.b64encode(f"\0{username}\0{password}".encode()).decode()
