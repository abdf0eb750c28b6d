"""Delivery with an access token: got, refused and fetched anew, or not to be had."""

import ssl
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.support.granting import MemoryGrants
from tests.support.issuer import CLIENT, TENANT, TOKEN, Issuer
from tests.support.outgoing import DEFERRED, DELIVERED, attempt, message, states
from tests.support.smtp_peer import Peer, Script, serve

from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.net.certificates import CertificateFiles
from pillarbox.net.oauth import TokenSource
from pillarbox.net.tls import ClientContexts
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.route import Microsoft365
from pillarbox.smtp.client_login import Token, xoauth2

MAILBOX = "alerts@contoso.example"


class Time:
    """A clock that goes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture
def issuer(certificates: CertificateFiles) -> Iterator[Issuer]:
    """A sign-in server."""
    with Issuer(certificates.certificate, certificates.key) as server:
        yield server


@pytest.fixture
def time() -> Time:
    """Time stands still."""
    return Time()


@pytest.fixture
async def couriers(time: Time) -> AsyncIterator[Couriers]:
    """Makes couriers that know where tokens come from."""
    tokens = TokenSource(
        MemoryGrants(), ClientContexts(), owner="me", monotonic=time, wall=lambda: 0
    )
    settings = SessionSettings("me.test", ClientContexts(), Timeouts(quit=2), tokens=tokens)
    yield Couriers(settings)
    await tokens.close()


def hop_at(port: int, issuer: Issuer, certificates: CertificateFiles) -> Microsoft365:
    """A mailbox of Microsoft 365 on this machine."""
    ca_file = str(certificates.ca_certificate)
    sign_in = SignIn(
        Flow.CLIENT_SECRET, CLIENT, issuer.url, TENANT, secret="s3cret-4711", ca_file=ca_file
    )
    return Microsoft365(
        MAILBOX, Cloud.WORLDWIDE, sign_in, host="localhost", port=port, ca_file=ca_file
    )


def exchange(tls: ssl.SSLContext, *answers: tuple[str, str]) -> list[Script]:
    """As smtp.office365.com: one connection for each token and the answer to it."""

    def script(token: str, answer: str) -> Script:
        async def talk(peer: Peer) -> None:
            await peer.greet("STARTTLS", "8BITMIME", "SMTPUTF8")
            await peer.expect("STARTTLS")
            peer.send("220 2.0.0 SMTP server ready")
            await peer.start_tls(tls)
            await peer.hello("AUTH LOGIN XOAUTH2", "8BITMIME", "PIPELINING")
            said = await peer.expect("AUTH XOAUTH2 ")
            assert b64encode(xoauth2(MAILBOX, Token(token))).decode() == said.split()[2]
            peer.send(answer)
            if answer.startswith("235"):
                await peer.take_message()
            await peer.until_closed()

        return talk

    return [script(token, answer) for token, answer in answers]


OK = "235 2.7.0 Authentication successful"
NO = "535 5.7.3 Authentication unsuccessful [host]"


async def test_a_message_goes_out_with_a_token(
    couriers: Couriers, issuer: Issuer, peer_tls: ssl.SSLContext, certificates: CertificateFiles
) -> None:
    """STARTTLS, then the login with the token that the issuer gave."""
    async with serve(*exchange(peer_tls, ("access-1", OK))) as server:
        courier = couriers.courier_for(hop_at(server.port, issuer, certificates))

        result = await attempt(courier, message())
        await courier.close()

    assert states(result) == {0: DELIVERED}
    assert issuer.count(TOKEN) == 1


async def test_a_refused_token_is_replaced_once(
    couriers: Couriers,
    issuer: Issuer,
    peer_tls: ssl.SSLContext,
    certificates: CertificateFiles,
    time: Time,
) -> None:
    """One that was revoked meanwhile costs a connection and no delay."""
    script = exchange(peer_tls, ("access-1", OK), ("access-1", NO), ("access-2", OK))
    async with serve(*script) as server:
        courier = couriers.courier_for(hop_at(server.port, issuer, certificates))
        first = await attempt(courier, message())
        await courier.close()
        time.now += 120

        second = await attempt(courier, message())
        await courier.close()

    assert states(first) == states(second) == {0: DELIVERED}


async def test_a_new_token_that_is_refused_is_not_asked_for_again(
    couriers: Couriers, issuer: Issuer, peer_tls: ssl.SSLContext, certificates: CertificateFiles
) -> None:
    """A permission is missing: the mail waits, and the reply names the check."""
    async with serve(*exchange(peer_tls, ("access-1", NO))) as server:
        courier = couriers.courier_for(hop_at(server.port, issuer, certificates))

        result = await attempt(courier, message(recipients=2))

    assert states(result) == {0: DEFERRED, 1: DEFERRED}
    assert result.hop_failure is not None
    assert "pillarbox m365 check" in str(result.hop_failure)
    assert "535 5.7.3 Authentication unsuccessful" in str(result.hop_failure)
    assert issuer.count(TOKEN) == 1
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        ((401, {"error": "invalid_client", "error_codes": [7000222]}), "--client-secret-file"),
        ((503, "busy"), "tried again"),
        ((400, {"error": "invalid_grant", "error_codes": [53003]}), "sign-in log"),
    ],
)
async def test_without_a_token_the_mail_waits(
    couriers: Couriers,
    issuer: Issuer,
    certificates: CertificateFiles,
    answer: tuple[int, object],
    fix: str,
) -> None:
    """Nothing of the sign-in makes a message fail for good (smtp-oauth-relay, 1c); nobody is
    connected to."""
    issuer.answers[TOKEN] = deque([answer])
    courier = couriers.courier_for(hop_at(1, issuer, certificates))

    result = await attempt(courier, message())

    assert states(result) == {0: DEFERRED}
    assert result.hop_failure is not None
    assert fix in str(result.hop_failure)
    assert "s3cret" not in str(result.hop_failure) + repr(result)
