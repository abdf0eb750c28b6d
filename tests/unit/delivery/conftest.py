"""What the tests of delivery share: messages, a courier with short patience, certificates."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import uvloop
from tests.support.outgoing import attempt, message, states

from pillarbox.delivery.dial import Address
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings, ask_system
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.envelope import RecipientState
from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.net.tls import ClientContexts, server_context
from pillarbox.route import SmartHost, TlsMode

PATIENT = Timeouts(quit=2)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test runs on both loops: uvloop is used where it installs."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """An authority and a certificate for localhost."""
    files = CertificateFiles.in_folder(tmp_path_factory.mktemp("certificates"))
    ensure_certificates(files, ["peer.test"])
    return files


@pytest.fixture
def peer_tls(certificates: CertificateFiles) -> ssl.SSLContext:
    """The context of the next hop."""
    return server_context(certificates.certificate, certificates.key)


CourierMaker = Callable[..., SmtpCourier]


@pytest.fixture
async def courier_to(certificates: CertificateFiles) -> AsyncIterator[CourierMaker]:
    """Makes couriers to a port of this machine; they are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(
            port: int,
            *,
            timeouts: Timeouts = PATIENT,
            resolve: Callable[[str, int], Awaitable[list[Address]]] = ask_system,
            **changes: object,
        ) -> SmtpCourier:
            hop = SmartHost(
                "localhost", port, TlsMode.NONE, ca_file=str(certificates.ca_certificate)
            )
            hop = replace(hop, **changes)  # type: ignore[arg-type] # checked by the class at run time
            settings = SessionSettings("me.test", ClientContexts(), timeouts, resolve)
            courier = SmtpCourier(hop, settings)
            stack.push_async_callback(courier.close)
            return courier

        yield make


async def failure_at(
    courier_to: CourierMaker, port: int, *, timeouts: Timeouts | None = None, **changes: object
) -> str:
    """Code, enhanced code and text of the failure of the hop."""
    courier = courier_to(port, timeouts=timeouts or Timeouts(quit=2), **changes)
    result = await attempt(courier, message(recipients=2))
    assert states(result) == {0: RecipientState.DEFERRED, 1: RecipientState.DEFERRED}
    assert result.hop_failure is not None
    assert {outcome.reply for outcome in result.outcomes} == {result.hop_failure}
    assert {outcome.remote_host for outcome in result.outcomes} == {""}
    assert not courier.is_open
    return str(result.hop_failure)


def resolver(*addresses: str) -> Callable[[str, int], Awaitable[list[Address]]]:
    """Every name has these addresses."""

    async def resolve(host: str, port: int) -> list[Address]:
        del host, port
        return [(socket.AF_INET, address) for address in addresses]

    return resolve
