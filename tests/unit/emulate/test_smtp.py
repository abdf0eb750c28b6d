"""The emulator's SMTP side, seen by real clients: what it offers and what it says."""

import asyncio
import re
import smtplib
import ssl

import pytest
from tests.e2e.programs import program, run
from tests.support.aiosmtplib_session import session
from tests.support.emulated import (
    MESSAGE,
    RECIPIENT,
    Client,
    app_token,
    client_context,
    emulating,
    submit,
)

from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_MAILBOX,
    SAMPLE_PASSWORD,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Fault, Stage
from pillarbox.emulate.replies import REPLIES, Grade

CAPABILITIES = ["SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES"]
MORE = ["8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8"]


async def test_it_offers_starttls_before_and_two_logins_after_tls() -> None:
    """AUTH is not offered in plain text, and PLAIN is never."""

    def look(emulator: Emulator) -> tuple[list[str], list[str]]:
        with Client(emulator, tls=False) as client:
            before = client.ehlo()
        with Client(emulator) as client:
            return before[1:], client.ehlo()[1:]

    async with emulating() as emulator:
        before, after = await asyncio.to_thread(look, emulator)

    assert before == [*CAPABILITIES, "STARTTLS", *MORE]
    assert after == [*CAPABILITIES, "AUTH LOGIN XOAUTH2", *MORE]


async def test_it_greets_like_microsoft() -> None:
    """Name, "Microsoft ESMTP MAIL Service", time and session."""
    async with emulating() as emulator:
        reader, writer = await asyncio.open_connection("localhost", emulator.smtp_port)
        greeting = (await reader.readline()).decode()
        writer.close()

    assert re.fullmatch(
        r"220 emulate01\.outlook\.office365\.example Microsoft ESMTP MAIL Service ready at "
        r"\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d \+0000 \[\w{16}\]\r\n",
        greeting,
    )


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("AUTH PLAIN AGEAYg==", "504 5.7.4 Unrecognized authentication type"),
        ("AUTH OAUTHBEARER bixhPWEs", "504 5.7.4 Unrecognized authentication type"),
        ("AUTH CRAM-MD5", "504 5.7.4 Unrecognized authentication type"),
        ("AUTH LOGIN !", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<a@b.example>", "530 5.7.57 Client not authenticated to send mail."),
        ("VRFY a@b.example", "252 2.1.5 Cannot VRFY user"),
        ("HELP", "214 2.0.0 Commands: HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT"),
        ("NOOP", "250 2.0.0 OK"),
        ("HELO client.example", "250 emulate01.outlook.office365.example Hello [127.0.0.1]"),
        ("BLARGH", "500 5.3.3 Unrecognized command"),
        ("RCPT TO:<a@b.example>", "503 5.5.2 Bad sequence of commands"),
        ("QUIT", "221 2.0.0 Service closing transmission channel"),
    ],
)
async def test_it_answers_commands_in_microsofts_words(line: str, reply: str) -> None:
    """Not in the words of the protocol core."""

    def talk(emulator: Emulator) -> str:
        with Client(emulator) as client:
            client.ehlo()
            return client.say(line)

    async with emulating() as emulator:
        said = await asyncio.to_thread(talk, emulator)

    assert said == reply


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("AUTH LOGIN", "504 5.7.4 Unrecognized authentication type"),
        ("MAIL FROM:<a@b.example>", "451 5.7.3 STARTTLS is required to send mail"),
    ],
)
async def test_nothing_goes_without_tls(line: str, reply: str) -> None:
    """Neither a login nor a message."""

    def talk(emulator: Emulator) -> str:
        with Client(emulator, tls=False) as client:
            client.ehlo()
            return client.say(line)

    async with emulating() as emulator:
        assert await asyncio.to_thread(talk, emulator) == reply


async def test_what_stands_behind_starttls_in_plain_text_is_never_read() -> None:
    """The connection ends: it could be an injected command."""
    async with emulating() as emulator:
        reader, writer = await asyncio.open_connection("localhost", emulator.smtp_port)
        writer.write(b"EHLO client.example\r\n")
        await reader.readuntil(b"250 SMTPUTF8\r\n")
        writer.write(b"STARTTLS\r\nEHLO injected.example\r\n")
        rest = await reader.read()
        writer.close()

    assert rest == b""


async def test_implicit_tls_is_answered_in_plain_text() -> None:
    """As on port 587, so that the client says "wrong version number"."""
    async with emulating() as emulator:
        with pytest.raises(ssl.SSLError, match=r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE"):
            await asyncio.to_thread(
                smtplib.SMTP_SSL,
                "localhost",
                emulator.smtp_port,
                timeout=20,
                context=client_context(emulator),
            )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_old_tls_is_told_so_after_the_handshake(version: ssl.TLSVersion) -> None:
    """421 4.7.66 to the first command, unless the tenant has opted in."""

    def talk(emulator: Emulator) -> str:
        context = client_context(emulator)
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
        with smtplib.SMTP("localhost", emulator.smtp_port, timeout=20) as client:
            client.ehlo()
            client.starttls(context=context)
            code, text = client.docmd("EHLO client.example")
            client.close()
            return f"{code} {text.decode()}"

    async with emulating() as emulator:
        refused = await asyncio.to_thread(talk, emulator)
        emulator.world.switches.change({"tls_legacy": "allow"})
        allowed = await asyncio.to_thread(talk, emulator)
        emulator.world.switches.change({"tls_legacy": "alert"})
        with pytest.raises(OSError, match=r"(?i)protocol|version"):
            await asyncio.to_thread(talk, emulator)

    assert refused == "421 4.7.66 TLS 1.0 and 1.1 are not supported"
    assert allowed.startswith("250 ")


# Real programs


async def test_swaks_sends_with_auth_login() -> None:
    """And with AUTH PLAIN it can not."""

    def send(emulator: Emulator, method: str, code: int) -> None:
        run(
            [
                *(program("swaks", "swaks"), "--server", "localhost"),
                *("--port", str(emulator.smtp_port), "--tls", "--tls-verify"),
                *("--tls-ca-path", emulator.ca_file, "--auth", method),
                *("--auth-user", SAMPLE_MAILBOX, "--auth-password", SAMPLE_PASSWORD),
                *("--from", SAMPLE_MAILBOX, "--to", RECIPIENT),
            ],
            code=code,
        )

    async with emulating() as emulator:
        await asyncio.to_thread(send, emulator, "LOGIN", 0)
        await asyncio.to_thread(send, emulator, "PLAIN", 28)

    (message,) = emulator.world.messages.all()
    assert message.arrival.mechanism == "LOGIN"
    assert b"This is a test mailing" in message.arrival.raw


async def test_aiosmtplib_sends_by_token() -> None:
    """The mailbox view has login, app, envelope and the very octets."""
    async with (
        emulating() as emulator,
        session(
            hostname="localhost",
            port=emulator.smtp_port,
            tls_context=client_context(emulator),
            start_tls=True,
        ) as client,
    ):
        await client.auth_xoauth2(SAMPLE_MAILBOX, app_token(emulator))
        await client.sendmail(SAMPLE_MAILBOX, [RECIPIENT, "two@fabrikam.example"], MESSAGE)

    (message,) = emulator.world.messages.all(SAMPLE_MAILBOX)
    facts = message.facts()
    assert message.arrival.raw == MESSAGE
    assert facts["recipients"] == [RECIPIENT, "two@fabrikam.example"]
    assert (facts["way"], facts["mechanism"], facts["login"]) == ("smtp", "XOAUTH2", SAMPLE_APP)
    assert str(facts["tls"]).startswith("TLSv1.")


async def test_a_bare_line_feed_is_refused() -> None:
    """5.6.11 Invalid characters."""
    async with emulating() as emulator:
        said = await submit(emulator, MESSAGE + b"bare\nline\r\n")

    assert said == "550 5.6.11 Invalid characters"


async def test_every_reply_can_be_ordered() -> None:
    """Whatever row of the table a test needs, a fault at the end of the content gives it."""
    said: dict[str, str] = {}

    def talk(emulator: Emulator) -> None:
        for name in REPLIES:
            with Client(emulator) as client:
                client.log_in()
                emulator.world.faults.order(Fault(stage=Stage.CONTENT, reply=name))
                said[name] = client.send()

    async with emulating() as emulator:
        await asyncio.to_thread(talk, emulator)

    for name, known in REPLIES.items():
        text = known.text.partition("{")[0]
        assert said[name].startswith(f"{known.code} {known.enhanced} {text}".rstrip()), name


def test_the_table_has_every_row_that_is_a_reply() -> None:
    """All but those that are no reply of a server: time-outs, TLS, names, no AUTH, slowness."""
    rows = {reply.row for reply in REPLIES.values()}

    assert rows - {0} == set(range(1, 65)) - {1, 2, 3, 4, 7, 9, 32}
    assert {reply.grade for reply in REPLIES.values()} == set(Grade)
