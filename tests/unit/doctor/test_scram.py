"""The client's part of SCRAM against another implementation (pillarbox.doctor.scram)."""

import pytest
import scramp

from pillarbox.doctor.scram import ScramClient
from pillarbox.errors import RemoteProtocolError


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_proof_and_signature_are_those_of_the_standard(mechanism: str) -> None:
    """Either side believes the other, and a wrong password is refused."""
    made = scramp.ScramMechanism(mechanism)
    stored = made.make_auth_info("pass,=word", iteration_count=4096)
    server = made.make_server(lambda _: stored)
    client = ScramClient(mechanism, "user@corp.com", "pass,=word", "nonce")

    server.set_client_first(client.first().decode())
    server.set_client_final(client.final(server.get_server_first().encode()).decode())

    assert client.proves_itself(server.get_server_final().encode())
    assert not client.proves_itself(b"v=AAAA")


@pytest.mark.parametrize(
    "challenge",
    [b"", b"r=nonce", b"r=other,s=AAAA,i=4096", b"r=nonceX,s=AAAA,i=999999999", b"\xff"],
)
def test_challenge_of_a_liar_is_refused(challenge: bytes) -> None:
    """Another nonce, no salt, rounds that would keep the machine busy for hours."""
    client = ScramClient("SCRAM-SHA-256", "u", "p", "nonce")

    with pytest.raises(RemoteProtocolError):
        client.final(challenge)
