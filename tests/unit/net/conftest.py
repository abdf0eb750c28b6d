"""A sign-in server with a certificate, and sources of tokens."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from tests.support.granting import MemoryGrants
from tests.support.issuer import CLIENT, TENANT, Issuer
from tests.support.tokens import SCOPE, SECRET, SourceMaker, Time

from pillarbox.net.oauth import GrantStore, TokenSource
from pillarbox.net.tls import ClientContexts
from pillarbox.oauth.sign_in import Access, Flow, SignIn


@pytest.fixture(scope="session")
def issuer_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with ca.pem, certificate.pem and key.pem of a sign-in server."""
    folder = tmp_path_factory.mktemp("issuer")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    return folder


@pytest.fixture
def issuer(issuer_ca: Path) -> Iterator[Issuer]:
    """A sign-in server."""
    with Issuer(issuer_ca / "certificate.pem", issuer_ca / "key.pem") as server:
        yield server


@pytest.fixture
def time() -> Time:
    """Time stands still."""
    return Time()


@pytest.fixture
async def make(time: Time) -> AsyncIterator[SourceMaker]:
    """Makes sources of tokens, one for each process; they are closed at the end."""
    async with AsyncExitStack() as stack:

        def source(grants: GrantStore | None = None, owner: str = "one") -> TokenSource:
            made = TokenSource(
                grants or MemoryGrants(),
                ClientContexts(),
                owner=owner,
                monotonic=time,
                wall=lambda: 0,
            )
            stack.push_async_callback(made.close)
            return made

        yield source


@pytest.fixture
def app(issuer: Issuer, issuer_ca: Path) -> Access:
    """An application of Microsoft's kind, with a secret."""
    sign_in = SignIn(
        Flow.CLIENT_SECRET,
        CLIENT,
        issuer.url,
        TENANT,
        secret=SECRET,
        ca_file=str(issuer_ca / "ca.pem"),
    )
    return Access(sign_in, SCOPE)


@pytest.fixture
def person(app: Access) -> Access:
    """The same for a person who signed in."""
    sign_in = replace(app.sign_in, flow=Flow.DEVICE_CODE, secret="", grant_id=7)
    return Access(sign_in, "https://outlook.office.com/SMTP.Send")


@pytest.fixture
def other(app: Access) -> Access:
    """Any other issuer, by a refresh token."""
    url = f"{app.sign_in.authority}/token"
    sign_in = replace(
        app.sign_in,
        flow=Flow.REFRESH_TOKEN,
        authority="",
        tenant_id="",
        token_url=url,
        grant_id=7,
    )
    return Access(sign_in, "https://mail.example/")
