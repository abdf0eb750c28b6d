"""Real mail clients deliver through Pillarbox to a Postfix behind it, octets unchanged."""

import smtplib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.clients import CLIENTS
from tests.e2e.letters import Letter, assert_same_text, assert_unchanged
from tests.e2e.postfix import PostfixClient, PostfixNextHop
from tests.e2e.service import Pillarbox

PORTS = pytest.mark.parametrize("implicit_tls", [False, True], ids=["587", "465"])


@pytest.fixture(scope="module")
def routed(service: Pillarbox, postfix: PostfixNextHop) -> Pillarbox:
    """A service whose mail goes to the Postfix."""
    service.admin("route", "add", "--smarthost", f"127.0.0.1:{postfix.port}", "--tls", "none")
    return service


@pytest.fixture(scope="module")
def postfix_client(routed: Pillarbox) -> Iterator[PostfixClient]:
    """Another Postfix, which sends through Pillarbox."""
    doors = [routed.door(implicit_tls=implicit) for implicit in (False, True)]
    client = PostfixClient("client.sender.example", doors)
    try:
        client.start_client()
        yield client
    finally:
        client.stop()


def _letter(client: str) -> Letter:
    marker = f"{client}-{uuid4().hex[:12]}"
    return Letter(marker, f"{marker}@next.example")


@PORTS
@pytest.mark.parametrize("client", list(CLIENTS))
def test_a_client_delivers_its_octets_unchanged(
    routed: Pillarbox, postfix: PostfixNextHop, client: str, *, implicit_tls: bool, tmp_path: Path
) -> None:
    """The message arrives as the client sent it, below the fields that servers add."""
    letter = _letter(client)

    sent = CLIENTS[client](letter, routed.door(implicit_tls=implicit_tls), tmp_path)

    kept = postfix.wait_for(letter.recipient)
    if sent is None:
        assert_same_text(letter, kept)
    else:
        assert_unchanged(sent, kept)


@PORTS
def test_a_postfix_delivers_its_octets_unchanged(
    routed: Pillarbox, postfix: PostfixNextHop, postfix_client: PostfixClient, *, implicit_tls: bool
) -> None:
    """A Postfix with Pillarbox as its relayhost: login, verified certificate, same octets."""
    letter = _letter("postfix")
    port = postfix_client.port_for[routed.door(implicit_tls=implicit_tls).port]

    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail(letter.sender, letter.recipient, letter.octets, ["BODY=8BITMIME"])

    assert_unchanged(letter.octets, postfix.wait_for(letter.recipient))


def test_a_postfix_sends_several_messages_in_one_connection(
    routed: Pillarbox, postfix: PostfixNextHop, postfix_client: PostfixClient
) -> None:
    """What a mail server has in its queue comes one after the other, each with its octets."""
    letters = [_letter(f"burst{number}") for number in range(10)]
    port = postfix_client.port_for[routed.door(implicit_tls=False).port]

    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        for letter in letters:
            client.sendmail(letter.sender, letter.recipient, letter.octets, ["BODY=8BITMIME"])

    for letter in letters:
        assert_unchanged(letter.octets, postfix.wait_for(letter.recipient))
