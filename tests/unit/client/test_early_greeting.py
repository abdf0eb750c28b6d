"""Servers whose greeting comes in one piece with the end of a handshake by TLS 1.2."""

import ssl

from tests.support.sending import Certified, Face
from tests.support.smtp_peer import Peer, serve


async def shake_hands(peer: Peer, context: ssl.SSLContext, words: bytes) -> None:
    """Shake hands and say this; the last flight and the words go out at once."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            peer.send_raw(outgoing.read())
            incoming.write(await peer.some())
        else:
            break
    tls.write(words)
    peer.send_raw(outgoing.read())
    while octets := await peer.some():
        incoming.write(octets)
        try:
            while command := tls.read(1000):
                tls.write(b"221 bye\r\n" if command.startswith(b"QUIT") else b"250 ok\r\n")
        except ssl.SSLWantReadError:
            peer.send_raw(outgoing.read())
        except ssl.SSLError:
            return


async def test_a_greeting_at_once_is_heard(face: Face, certified: Certified) -> None:
    """It was left where nobody looked before more came: both sides waited for each other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified.certificate, certified.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def script(peer: Peer) -> None:
        await shake_hands(peer, context, b"220 mx.test\r\n")

    async with serve(script) as server:
        client = face.client(server.port, scheme="smtps", tls="required", ca_file=certified.ca_file)
        assert (await face.check(client)).startswith("TLSv1.2")
        await face.close(client)
