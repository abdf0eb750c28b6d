"""The client against servers of five makers: each port, mode and mechanism.

docs/client.md shows the outcome as a table.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import product, starmap
from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.letters import BODY, Letter
from tests.e2e.postfix import PostfixNextHop
from tests.e2e.servers import (
    PASSWORD_MECHANISMS,
    TOKEN_MECHANISMS,
    Server,
    aiosmtpd_server,
    emulator_server,
    exim_server,
    pillarbox_server,
    postfix_server,
)
from tests.e2e.waiting import wait_until
from tests.support.sending import Face
from tests.support.token_issuer import running_issuer

from pillarbox.client import (
    CertificateError,
    ClientError,
    LoginError,
    Mail,
    OAuth2,
    Password,
    Timeouts,
    TlsMissing,
    WrongTlsMode,
)

SECONDS = 60.0

USUAL, IMPATIENT = Timeouts(), Timeouts(reply=6)
"""A server may be silent for half of the time for a reply, at most five seconds, before the client
looks whether it waits for TLS."""

MECHANISMS = (*PASSWORD_MECHANISMS, *TOKEN_MECHANISMS)
OFFERED = {
    "pillarbox": set(MECHANISMS),
    "emulator": {"LOGIN", "XOAUTH2"},
    "postfix": {"PLAIN", "LOGIN"},
    "exim": {"PLAIN", "LOGIN", "XOAUTH2"},
    "aiosmtpd": {"PLAIN", "LOGIN", "XOAUTH2"},
}
"""By server."""

WITH_TLS_PORT = [name for name in OFFERED if name != "emulator"]
DOORS = [
    *((name, "submission") for name in OFFERED),
    *((name, "smtps") for name in WITH_TLS_PORT),
]
"""Server, and the scheme that is right for one of its ports."""

BY_DOOR = [(*door, mechanism) for door in DOORS for mechanism in MECHANISMS]


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, postfix: PostfixNextHop, hop_ca: Path
) -> Iterator[dict[str, Server]]:
    """All of them, by name."""
    folder = tmp_path_factory.mktemp("pillarbox")
    with ExitStack() as stack:
        issuer = stack.enter_context(running_issuer(tmp_path_factory.mktemp("issuer")))
        started = {
            "pillarbox": stack.enter_context(pillarbox_server(folder, issuer, postfix)),
            "emulator": stack.enter_context(emulator_server()),
            "postfix": postfix_server(postfix, hop_ca / "ca.pem"),
            "exim": stack.enter_context(exim_server(hop_ca)),
            "aiosmtpd": stack.enter_context(aiosmtpd_server(hop_ca)),
        }
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        # In place of the roots of the system, which take longer to read than a message to send.
        patch.setenv("SSL_CERT_FILE", str(issuer.ca_file))
        yield started


@pytest.fixture(params=[False, True], ids=["blocking", "async"])
def face(request: pytest.FixtureRequest) -> Face:
    """The blocking client, and the asynchronous one."""
    return Face(is_async=request.param)


def _port(server: Server, scheme: str) -> int:
    """The port for which a scheme is right."""
    return server.tls_port if scheme == "smtps" else server.starttls_port


async def _send(
    face: Face,
    server: Server,
    url: tuple[str, int],
    auth: Password | OAuth2,
    *,
    trusted: bool = True,
    patience: Timeouts = USUAL,
) -> str:
    """Send a letter over scheme and port; for whom it was. Raises ClientError."""
    scheme, port = url
    marker = uuid4().hex
    letter = Letter(marker, f"{marker}@next.example", server.sender)
    result = await face.send_one(
        port,
        letter.octets,
        scheme=scheme,
        host="localhost",
        tls="required",
        timeout=patience,
        ca_file=str(server.ca_file) if trusted else "",
        auth=auth,
        sender=letter.sender,
        recipients=[letter.recipient],
    )
    assert result.is_complete
    return letter.recipient


@pytest.mark.parametrize(
    ("name", "scheme", "mechanism"), [case for case in BY_DOOR if case[2] in OFFERED[case[0]]]
)
async def test_what_is_right_delivers(
    servers: dict[str, Server], face: Face, name: str, scheme: str, mechanism: str
) -> None:
    """The server has the whole body, octet for octet."""
    server = servers[name]

    recipient = await _send(face, server, (scheme, _port(server, scheme)), server.auth(mechanism))

    arrived = await asyncio.to_thread(
        wait_until, lambda: server.body_for(recipient), SECONDS, f"mail for {recipient}"
    )
    assert arrived.endswith(BODY.encode())


@pytest.mark.parametrize("name", list(OFFERED))
async def test_messages_sent_ahead_arrive(
    servers: dict[str, Server], face: Face, name: str
) -> None:
    """Each of them, and one whose sender Pillarbox refuses spoils no other."""
    server = servers[name]
    letters = [
        Letter(marker, f"{marker}@next.example", server.sender)
        for marker in (uuid4().hex for _ in range(5))
    ]
    mails = [Mail(each.octets, each.sender, each.recipient) for each in letters]
    client = face.client(
        server.starttls_port,
        scheme="submission",
        host="localhost",
        tls="required",
        ca_file=str(server.ca_file),
        auth=server.auth("LOGIN"),
    )
    if name == "pillarbox":
        mails[2] = replace(mails[2], sender="stranger@elsewhere.example")
        letters.pop(2)

    results = await face.send_all(client, mails)
    await face.close(client)

    refused = [result for result in results if result.error is not None]
    assert [one.code for result in refused for one in result] == [550] * (name == "pillarbox")
    for letter in letters:
        arrived = await asyncio.to_thread(
            wait_until, partial(server.body_for, letter.recipient), SECONDS, letter.recipient
        )
        assert arrived.endswith(BODY.encode())


@pytest.mark.parametrize(
    ("name", "scheme", "mechanism"), [case for case in BY_DOOR if case[2] not in OFFERED[case[0]]]
)
async def test_a_mechanism_that_the_server_lacks_is_told(
    servers: dict[str, Server], face: Face, name: str, scheme: str, mechanism: str
) -> None:
    """No other one takes its place."""
    server = servers[name]

    with pytest.raises(LoginError) as raised:
        await _send(face, server, (scheme, _port(server, scheme)), server.auth(mechanism))

    assert raised.value.code == "login-not-offered"
    assert not raised.value.is_transient


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", list(OFFERED))
async def test_tls_on_a_starttls_port_is_told(
    servers: dict[str, Server], face: Face, name: str, mechanism: str
) -> None:
    """The fix is the URL that is right."""
    server = servers[name]

    with pytest.raises(WrongTlsMode) as raised:
        await _send(face, server, ("smtps", server.starttls_port), server.auth(mechanism))

    assert raised.value.code == "not-tls"
    assert f"submission://localhost:{server.starttls_port}" in raised.value.fix


async def test_starttls_on_a_tls_port_is_told(servers: dict[str, Server]) -> None:
    """All at once, since each of them is a silence first."""

    async def outcome(face: Face, name: str, mechanism: str) -> str:
        server = servers[name]
        with pytest.raises(ClientError) as raised:
            await _send(
                *(face, server, ("submission", server.tls_port), server.auth(mechanism)),
                patience=IMPATIENT,
            )
        assert f"smtps://localhost:{server.tls_port}" in raised.value.fix
        return raised.value.code

    faces = [Face(is_async=False), Face(is_async=True)]
    cases = list(product(faces, WITH_TLS_PORT, MECHANISMS))
    with ThreadPoolExecutor(len(cases)) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        outcomes = await asyncio.gather(*starmap(outcome, cases))

    told = {case[1:]: code for case, code in zip(cases, outcomes, strict=True)}
    assert set(outcomes) == {"tls-first"}, told


@pytest.mark.parametrize(("name", "scheme"), DOORS)
async def test_an_unknown_authority_is_told(
    servers: dict[str, Server], face: Face, name: str, scheme: str
) -> None:
    """The login does not leave."""
    server = servers[name]

    with pytest.raises(CertificateError) as raised:
        await _send(
            *(face, server, (scheme, _port(server, scheme)), server.auth("LOGIN")), trusted=False
        )

    assert raised.value.code == "certificate-not-trusted"


@pytest.mark.parametrize(
    ("name", "scheme", "mechanism"), [case for case in BY_DOOR if case[2] in OFFERED[case[0]]]
)
async def test_a_wrong_secret_is_told(
    servers: dict[str, Server], face: Face, name: str, scheme: str, mechanism: str
) -> None:
    """The server's words are in the error."""
    server = servers[name]
    auth = server.auth(mechanism, "wrong-one")

    with pytest.raises(LoginError) as raised:
        await _send(face, server, (scheme, _port(server, scheme)), auth)

    is_token = mechanism in TOKEN_MECHANISMS
    assert raised.value.code == ("token-refused" if is_token else "login-refused")
    assert raised.value.reply is not None
    assert raised.value.reply.code == 535


async def test_a_port_without_tls_is_told(
    servers: dict[str, Server], postfix: PostfixNextHop, face: Face
) -> None:
    """Neither login nor message leave in the clear."""
    server = servers["postfix"]

    with pytest.raises(TlsMissing) as raised:
        await _send(face, server, ("submission", postfix.port), server.auth("PLAIN"))

    assert raised.value.code == "tls-missing"
