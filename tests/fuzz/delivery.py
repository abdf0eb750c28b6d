"""What next hops answer, against the client's protocol; and both protocols joined back to back."""

import base64

from tests.fuzz.draw import Draw
from tests.support.smtp_session import SETTINGS, Driver
from tests.support.wire import cut, is_bare

from pillarbox.errors import RemoteProtocolError
from pillarbox.explain.failures import explain
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, Ret
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_login import Token
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_replies import (
    KEPT_CHARACTERS,
    KEPT_LINES,
    MAX_LINE_OCTETS,
    MAX_REPLY_LINES,
    RawReply,
    ReplyParser,
)

TLS = "TLSv1.3 TEST"
USER, PASSWORD = "route@a.test", "Pw-of-the-route"
_SECRETS = (PASSWORD, base64.b64encode(PASSWORD.encode()).decode())

_KINDS = (
    ClientSettings("me.test"),
    ClientSettings("me.test", starttls=True),
    ClientSettings("me.test", username=USER, password=PASSWORD),
    ClientSettings("me.test", starttls=True, username=USER, password=PASSWORD),
)
_TOKEN = ClientSettings("me.test", username=USER, token=Token(PASSWORD, "hop.test", 587))
_TOKEN_FROM = 240
_ENVELOPES = (
    Envelope(None),
    Envelope(parse_mailbox("a@a.test"), Body.EIGHT_BIT, ret=Ret.FULL, envid="x+2By"),
    Envelope(parse_mailbox("a@a.test"), Body.BINARY),
    Envelope(parse_mailbox("é@a.test"), Body.EIGHT_BIT, smtputf8=True),
)
_RECIPIENTS = (
    Recipient(0, parse_mailbox("b@b.test"), Notify.SUCCESS | Notify.DELAY, "rfc822;x+2By"),
    Recipient(1, parse_mailbox('"c d"@c.test')),
    Recipient(2, parse_mailbox("e@[IPv6:::1]"), Notify.NEVER),
)


class _Shell:
    """Drives the client as delivery does, and checks what must hold after every step."""

    def __init__(self, settings: ClientSettings, envelope: Envelope, recipients: int) -> None:
        self.core = ClientProtocol(settings)
        self._settings = settings
        self._envelope = envelope
        self._recipients = _RECIPIENTS[:recipients]
        self._content_sent = False
        self._chunks = 0

    def receive(self, octets: bytes) -> None:
        """One read, and all that follows from it."""
        core = self.core
        was_closed = core.is_closed
        core.receive(octets)
        if was_closed:
            assert core.data_to_send() == b""
            return
        if core.is_closed:
            # Nothing after the end but a good-bye.
            assert core.data_to_send() in (b"", b"QUIT\r\n")
            assert core.data_to_send() == b""
        self._check_memory(len(octets))
        self._check_outcomes()
        self._act()
        said = core.data_to_send()
        assert said == b"" or said.endswith(b"\r\n")
        if self._settings.starttls and not core.tls:
            assert said.startswith((b"EHLO ", b"STARTTLS\r\n", b"QUIT\r\n")) or said == b""

    def _act(self) -> None:
        core = self.core
        match core.phase:
            case Phase.READY if core.is_ready and core.transactions < 3:
                core.begin(self._envelope, self._recipients, size=6)
                self._content_sent = False
                self._chunks = 0
            case Phase.READY if core.is_ready:
                core.quit()
            case Phase.CONTENT if core.takes_chunks:
                self._chunks += 1
                self._content_sent = self._chunks == 2
                core.chunk(b"abc", last=self._content_sent)
            case Phase.CONTENT:
                self._content_sent = True
                core.content(b"abc\r\n")
                core.end_content()
            case Phase.HANDSHAKE:
                assert self._settings.starttls
                core.tls_started(TLS)
            case _:
                assert core.is_waiting or core.phase in (Phase.READY, Phase.CLOSED)

    def _check_memory(self, piece: int) -> None:
        parser = self.core._parser
        assert len(parser._lines) <= MAX_REPLY_LINES
        if not self.core.is_closed:
            assert len(parser._buffer) - parser._start <= MAX_LINE_OCTETS
        assert len(parser._buffer) <= MAX_LINE_OCTETS + piece

    def _check_outcomes(self) -> None:
        """One outcome for each recipient; delivered only where the content went out."""
        core = self.core
        if core.failure is not None:
            explanation = explain(core.failure, hop="hop.test:25")
            assert explanation.reply.code >= 400
            assert not self._tells_secrets(str(explanation.reply))
        if not core.transactions:
            return
        verdicts = core.verdicts()
        assert len(verdicts) == len(self._recipients)
        if core.phase in (Phase.READY, Phase.CLOSED):
            assert core.failure is not None or None not in verdicts
        for verdict in verdicts:
            if verdict is not None:
                assert verdict.code >= 400 or (verdict.code < 300 and self._content_sent)
                assert len(verdict.lines) <= KEPT_LINES
                assert all(line.isprintable() for line in verdict.lines)
                assert all(len(line) <= KEPT_CHARACTERS for line in verdict.lines)
                assert not self._tells_secrets(str(verdict))

    def _tells_secrets(self, text: str) -> bool:
        return self._settings.username != "" and any(secret in text for secret in _SECRETS)


def client(octets: bytes) -> None:
    """Any replies in any pieces: each recipient has its outcome, and memory has bounds."""
    draw = Draw(octets)
    kind = draw.number(256)
    settings = _TOKEN if kind >= _TOKEN_FROM else _KINDS[kind % len(_KINDS)]
    shell = _Shell(settings, _ENVELOPES[draw.number(4)], 1 + draw.number(3))
    by_lines, end = draw.flag(), draw.number(3)
    sizes = draw.sizes()
    stream = draw.rest()
    pieces = stream.splitlines(keepends=True) if by_lines else cut(stream, sizes)
    for piece in pieces:
        shell.receive(piece)
    if end == 1:
        shell.core.connection_lost()
    elif end == 2:
        shell.core.timed_out()
    if end:
        shell.receive(b"")
        assert shell.core.is_closed
    assert _parse([stream]) == _parse(cut(stream, sizes))


def _parse(pieces: list[bytes]) -> tuple[list[RawReply], str]:
    parser = ReplyParser()
    replies: list[RawReply] = []
    for piece in pieces:
        parser.feed(piece)
        try:
            while (raw := parser.next_reply()) is not None:
                replies.append(raw)
        except RemoteProtocolError as error:
            return replies, str(error)
    return replies, ""


def pair(octets: bytes) -> None:
    """Client and server back to back: what was sent is what arrives, whatever it is."""
    draw = Draw(octets)
    settings = _KINDS[draw.number(4)]
    envelope = _ENVELOPES[draw.number(4)]
    recipients = _RECIPIENTS[: 1 + draw.number(3)]
    blocks, pieces = draw.sizes(), draw.sizes()
    content = draw.rest()
    if envelope.body is not Body.BINARY and is_bare(content):
        content = content.replace(b"\r", b"").replace(b"\n", b"\r\n")
    client = ClientProtocol(settings)
    server = Driver(
        SETTINGS,
        tls=TLS if settings.username and not settings.starttls else "",
        trusted=not settings.username,
    )
    client.receive(server.greet())
    _talk(client, server)
    assert client.is_ready
    for number in range(2):
        client.begin(envelope, recipients, size=len(content))
        _talk(client, server)
        assert client.phase is Phase.CONTENT
        _send_content(client, server, cut(content, blocks), pieces)
        assert [verdict and verdict.code for verdict in client.verdicts()] == [250] * len(
            recipients
        )
        whole = content.endswith(b"\r\n") or not content or envelope.body is Body.BINARY
        expected = content if whole else content + b"\r\n"
        assert len(server.messages) == number + 1
        assert server.messages[-1] == (envelope, list(recipients), expected)
    if settings.username:
        assert [(login.username, login.password) for login in server.logins] == [(USER, PASSWORD)]
    client.quit()
    _talk(client, server)
    assert client.is_closed
    assert client.failure is None
    assert server.protocol.closing
    assert server.protocol.refusals == []


def _talk(client: ClientProtocol, server: Driver) -> None:
    """Until neither has anything to say."""
    while said := client.data_to_send():
        client.receive(server.send(said))
        if client.phase is Phase.HANDSHAKE:
            client.tls_started(TLS)


def _send_content(
    client: ClientProtocol, server: Driver, blocks: list[bytes], sizes: list[int]
) -> None:
    if client.takes_chunks:
        for index, block in enumerate(blocks or [b""]):
            octets = b"".join(client.chunk(block, last=index >= len(blocks) - 1))
            for piece in cut(octets, sizes):
                client.receive(server.send(piece))
        return
    octets = b"".join([client.content(block) for block in blocks]) + client.end_content()
    for piece in cut(octets, sizes):
        client.receive(server.send(piece))
