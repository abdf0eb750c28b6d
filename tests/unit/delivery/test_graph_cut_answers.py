"""Answers of Graph of which only the beginning arrives."""

import ssl

import pytest
from tests.support.smtp_peer import Peer, serve

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.certificates import CertificateFiles
from pillarbox.net.https import MAX_ANSWER_OCTETS, Answer
from pillarbox.net.https_session import HttpsSession
from pillarbox.net.tls import ClientContexts

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CUT = [b"Content-Length: 10\r\n\r\n{", CHUNKED, CHUNKED + b"zz\r\n"]
ENDLESS = b"Content-Length: %d\r\n\r\n" % (MAX_ANSWER_OCTETS + 1) + b"x" * (MAX_ANSWER_OCTETS + 1)


async def answered(
    octets: bytes, tls: ssl.SSLContext, certificates: CertificateFiles
) -> Answer | Failure:
    """What becomes of a request that is answered by these octets and the end of the connection."""

    async def script(peer: Peer) -> None:
        while await peer.line():
            pass
        peer.send_raw(octets)
        peer.cut()

    context = ClientContexts().get(
        verify=True, ca_file=str(certificates.ca_certificate), for_web=True
    )
    async with serve(script, tls=tls) as server:
        session = HttpsSession(context, connect_seconds=5, total_seconds=20)
        made = await session.request("POST", f"https://localhost:{server.port}/", headers={})
        assert not session.is_open
        await session.close()
    return made


@pytest.mark.parametrize("rest", [*CUT, ENDLESS])
async def test_a_success_counts_whatever_becomes_of_its_body(
    peer_tls: ssl.SSLContext, certificates: CertificateFiles, rest: bytes
) -> None:
    """The status says that the message was taken: to send it again would be a copy."""
    made = await answered(b"HTTP/1.1 202 Accepted\r\n" + rest, peer_tls, certificates)

    assert isinstance(made, Answer), made
    assert (made.status, made.text) == (202, "")


@pytest.mark.parametrize("rest", [*CUT, ENDLESS])
async def test_an_error_counts_with_its_body_alone(
    peer_tls: ssl.SSLContext, certificates: CertificateFiles, rest: bytes
) -> None:
    """Without the code in it nobody can say whether the message may be tried again."""
    made = await answered(b"HTTP/1.1 400 Bad Request\r\n" + rest, peer_tls, certificates)

    assert isinstance(made, Failure), made
    assert made.kind is FailureKind.CONFIRMATION_LOST
