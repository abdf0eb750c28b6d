"""A running reception, for what follows from what comes back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from tests.support.reception import USER, Client, Site, running_site

from pillarbox.config import Limits
from pillarbox.net.certificates import CertificateFiles, ensure_certificates

Connect = Callable[[str], Awaitable[Client]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Those of the site."""
    files = CertificateFiles.in_folder(tmp_path_factory.mktemp("certificates"))
    ensure_certificates(files, ["mx.test"])
    return files


@pytest.fixture
def limits() -> Limits:
    """The limits of the site; a test that needs others overrides this fixture."""
    return Limits()


@pytest.fixture
async def site(
    sqlite_url: str, certificates: CertificateFiles, limits: Limits
) -> AsyncIterator[Site]:
    """A running reception, with all that follows from what it takes."""
    async with running_site(sqlite_url, certificates, limits) as running:
        yield running


@pytest.fixture
async def connect(site: Site) -> AsyncIterator[Connect]:
    """Connects to a listener by its name; the greeting has been read."""
    async with AsyncExitStack() as stack:

        async def connect(listener: str) -> Client:
            context = site.client_context() if listener == "submissions" else None
            client = await Client.connect(site.ports[listener], context)
            stack.push_async_callback(client.close)
            await client.reply()
            return client

        yield connect


@pytest.fixture
async def logged_in(site: Site, connect: Connect) -> Client:
    """Who sends."""
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")
    await client.login(USER, site.password)
    return client
