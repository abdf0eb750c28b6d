"""A running reception for each test, on asyncio's event loop and on uvloop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import pytest
import uvloop
from tests.support.reception import PATIENCE_SECONDS, USER, Client, Site, running_site

from pillarbox.config import Limits
from pillarbox.net.certificates import CertificateFiles, ensure_certificates


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs on both."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """An authority and a certificate for localhost."""
    files = CertificateFiles.in_folder(tmp_path_factory.mktemp("certificates"))
    ensure_certificates(files, ["mx.test"])
    return files


@pytest.fixture
def limits() -> Limits:
    """The limits of the site; a test that needs others overrides this fixture. A machine that
    stands still between a connection and its hello must not make the client a silent one."""
    return Limits(tls_silence_seconds=PATIENCE_SECONDS)


@pytest.fixture
async def site(
    sqlite_url: str, certificates: CertificateFiles, limits: Limits
) -> AsyncIterator[Site]:
    """A running reception."""
    async with running_site(sqlite_url, certificates, limits) as running:
        yield running


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect(site: Site) -> AsyncIterator[Connect]:
    """Connects to a listener by its name; the greeting has been read."""
    async with AsyncExitStack() as stack:

        async def connect(listener: str = "submission", local: str = "127.0.0.1") -> Client:
            context = site.client_context() if listener == "submissions" else None
            client = await Client.connect(site.ports[listener], context, local)
            stack.push_async_callback(client.close)
            assert (await client.reply()).startswith("220 mx.test ")
            return client

        yield connect


@pytest.fixture
async def logged_in(site: Site, connect: Connect) -> Client:
    """A client inside TLS after its login."""
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")
    assert (await client.login(USER, site.password)).startswith("235 ")
    return client
