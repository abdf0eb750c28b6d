"""Senders, limits and faults of the emulator's SMTP side."""

import asyncio
import smtplib
import socket
import time

import pytest
from tests.support.emulated import (
    MESSAGE,
    RECIPIENT,
    Client,
    emulating,
    submit,
)

from pillarbox.emulate.config import (
    SAMPLE_MAILBOX,
    SAMPLE_PASSWORD,
    SAMPLE_SHARED,
    EmulatorConfig,
    Limits,
    Mailbox,
    Tenant,
    sample_tenant,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Action, Fault, Stage

# Senders


async def test_an_alias_is_rewritten_to_the_primary_address() -> None:
    """Unless the organisation lets aliases stand; addresses of others with Send As stay."""
    alias = "scanner@contoso.example"
    message = MESSAGE.replace(SAMPLE_MAILBOX.encode(), alias.encode())
    other = MESSAGE.replace(SAMPLE_MAILBOX.encode(), SAMPLE_SHARED.encode())

    async with emulating() as emulator:
        await submit(emulator, message, sender=alias)
        await submit(emulator, other)
        emulator.world.switches.change({"send_from_alias": "on"})
        await submit(emulator, message, sender=alias)

    shown = [message.shown_from for message in emulator.world.messages.all()]
    assert shown == [SAMPLE_MAILBOX, SAMPLE_SHARED, alias]


@pytest.mark.parametrize(
    ("sender", "author", "reply"),
    [
        (SAMPLE_SHARED, SAMPLE_SHARED, "250 2.0.0 OK"),
        ("boss@contoso.example", SAMPLE_MAILBOX, "554 5.2.252 SendAsDenied; printer@contoso"),
        (SAMPLE_MAILBOX, "boss@contoso.example", "554 5.2.252 SendAsDenied; printer@contoso"),
    ],
)
async def test_send_as_is_a_right(sender: str, author: str, reply: str) -> None:
    """Both the reverse-path and From need it; the refusal comes after the content."""
    message = MESSAGE.replace(SAMPLE_MAILBOX.encode(), author.encode())

    async with emulating() as emulator:
        said = await submit(emulator, message, sender=sender)
        emulator.world.switches.change({"send_as": "missing"})
        without = await submit(emulator, message, sender=sender)

    assert said.startswith(reply)
    assert without.startswith("554 5.2.252 SendAsDenied;")


async def test_a_foreign_sender_can_be_refused_at_mail() -> None:
    """The other form that is seen: 550 5.7.60."""
    async with emulating({"send_as_refusal": "mail"}) as emulator:
        said = await submit(emulator, sender="boss@contoso.example")

    assert said == "550 5.7.60 SMTP; Client does not have permissions to send as this sender"


@pytest.mark.parametrize(
    ("field", "reply"),
    [
        (b"X-From: printer@contoso.example", "550 5.7.512"),
        (b"From: printer@contoso.example, alerts@contoso.example", "550 5.1.20"),
    ],
)
async def test_a_message_needs_one_author(field: bytes, reply: str) -> None:
    """No From, and several without Sender."""
    message = MESSAGE.replace(b"From: printer@contoso.example", field)

    async with emulating() as emulator:
        assert (await submit(emulator, message)).startswith(reply)


# Faults


@pytest.mark.parametrize("stage", [s for s in Stage if s is not Stage.REQUEST])
async def test_a_fault_gives_its_reply_at_its_stage(stage: Stage) -> None:
    """Once, and the next try works."""

    def talk(emulator: Emulator) -> str:
        try:
            with Client(emulator) as client:
                reply = client.log_in()
                return client.send() if reply[0] == "2" else reply
        except smtplib.SMTPResponseException as error:
            return f"{error.smtp_code} {error.smtp_error.decode()}"  # type: ignore[union-attr]

    async with emulating() as emulator:
        emulator.world.faults.order(Fault(stage=stage, reply="451 4.7.0 Not now"))
        first = await asyncio.to_thread(talk, emulator)
        second = await asyncio.to_thread(talk, emulator)

    if stage is not Stage.EHLO:
        assert first == "451 4.7.0 Not now"
    assert second.startswith("250 2.0.0 OK")


async def test_a_cut_after_the_message_was_taken_leaves_the_client_in_doubt() -> None:
    """It is in the mailbox, marked as not answered."""
    async with emulating() as emulator:
        emulator.world.faults.order(Fault(stage=Stage.TAKEN, action=Action.CUT))
        with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
            await submit(emulator)

    (message,) = emulator.world.messages.all()
    assert not message.is_answered


async def test_a_cut_before_leaves_nothing() -> None:
    """The content came, and was not taken."""
    async with emulating() as emulator:
        emulator.world.faults.order(Fault(stage=Stage.CONTENT, action=Action.CUT))
        with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
            await submit(emulator)

    assert emulator.world.messages.all() == []


async def test_a_server_that_hangs_never_answers() -> None:
    """The client gives up by its own time-out."""

    def talk(emulator: Emulator) -> None:
        with socket.create_connection(("localhost", emulator.smtp_port), timeout=0.2) as peer:
            peer.recv(100)

    async with emulating() as emulator:
        emulator.world.faults.order(Fault(stage=Stage.CONNECT, action=Action.HANG))
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(talk, emulator)


async def test_a_percentage_is_the_same_in_every_run() -> None:
    """The seed decides, so a failure can be repeated."""
    fault = Fault(stage=Stage.MAIL, reply="try-later", percent=50, times=None)
    runs = []

    for _ in range(2):
        async with emulating() as emulator:
            emulator.world.faults.order(fault)
            hits = [emulator.world.faults.take("smtp", Stage.MAIL) for _ in range(40)]
            runs.append([hit is not None for hit in hits])

    assert runs[0] == runs[1]
    assert 10 < sum(runs[0]) < 30


# Limits


async def test_the_fourth_connection_of_a_mailbox_is_refused() -> None:
    """432 4.3.2 after the content; the three before it go on, and it may once one of them ends."""

    def talk(emulator: Emulator) -> list[str]:
        clients = [Client(emulator) for _ in range(4)]
        for client in clients:
            client.log_in()
        said = [client.send() for client in clients]
        clients[0].say("QUIT")
        with clients[0], clients[1], clients[2], clients[3] as last:
            return [*said, last.send()]

    async with emulating() as emulator:
        said = await asyncio.to_thread(talk, emulator)

    assert [reply[:3] for reply in said] == ["250", "250", "250", "432", "250"]
    assert said[3] == (
        "432 4.3.2 Concurrent connections limit exceeded. Visit"
        " https://aka.ms/concurrent_sending for more information."
        " [Hostname=emulate01.outlook.office365.example]"
    )
    assert emulator.world.statistics[SAMPLE_MAILBOX].most_connections == 4


async def test_what_comes_too_fast_is_answered_late() -> None:
    """One a second: each answer waits for its second, and the statistics say when they came."""
    async with emulating(messages=1, messages_seconds=1.0) as emulator:
        answers = []
        for _ in range(3):
            assert (await submit(emulator)).startswith("250")
            answers.append(time.time())

    messages = emulator.world.messages.all()
    facts = emulator.world.statistics[SAMPLE_MAILBOX].facts(1.0)
    for before, message, answered in zip(messages, messages[1:], answers[1:], strict=False):
        assert message.accepted_at - before.accepted_at > 0.999
        assert answered >= message.accepted_at - 0.001
    assert facts["accepted"] == 3
    assert facts["arrived_at"] == [message.arrival.received_at for message in messages]


async def test_recipients_of_a_day_are_counted() -> None:
    """The message that passes the limit is refused whole."""
    async with emulating(recipients_a_day=2) as emulator:
        said = [await submit(emulator) for _ in range(3)]

    assert [reply[:3] for reply in said] == ["250", "250", "554"]
    assert said[2].endswith("STOREDRV.Submission.Exception:SubmissionQuotaExceededException")


async def test_a_day_is_a_sliding_one() -> None:
    """24 hours after the first message there is room again."""
    now = [1_800_000_000.0]

    config = EmulatorConfig(limits=Limits(recipients_a_day=1))
    async with Emulator(config, clock=lambda: now[0]) as emulator:
        said = [await submit(emulator), await submit(emulator)]
        now[0] += 86_401
        said.append(await submit(emulator))

    assert [reply[:3] for reply in said] == ["250", "554", "250"]


async def test_a_tenant_has_a_limit_of_external_recipients() -> None:
    """500 x licences^0.7 + 9500 a day for all mailboxes together; its own domains do not count."""
    config = EmulatorConfig(tenants=(sample_tenant().model_copy(update={"licences": 1}),))

    async with Emulator(config) as emulator:
        world = emulator.world
        world.externals(config.tenants[0]).add(9_999, world.clock())
        said = [
            await submit(emulator),
            await submit(emulator),
            await submit(emulator, to="colleague@contoso.example"),
        ]

    assert [reply[:11] for reply in said] == ["250 2.0.0 O", "550 5.7.233", "250 2.0.0 O"]


async def test_onmicrosoft_senders_reach_few_outside() -> None:
    """A sender in onmicrosoft.com has a limit of its own for external recipients."""
    address = "app@contoso.onmicrosoft.com"
    tenant = Tenant(
        id="t",
        domains=("contoso.onmicrosoft.com",),
        mailboxes=(Mailbox(address=address, password=SAMPLE_PASSWORD),),
    )
    config = EmulatorConfig(tenants=(tenant,), limits=Limits(onmicrosoft_recipients=1))
    message = MESSAGE.replace(SAMPLE_MAILBOX.encode(), address.encode())

    def talk(emulator: Emulator) -> list[str]:
        with Client(emulator) as client:
            client.log_in(address)
            return [client.send(message, address) for _ in range(2)]

    async with Emulator(config) as emulator:
        said = await asyncio.to_thread(talk, emulator)

    assert said[0].startswith("250")
    assert said[1].startswith("550 5.7.236")


async def test_sizes_and_recipients_of_a_message_are_limited() -> None:
    """By SIZE at MAIL, by what comes, and by the number of RCPT."""

    def talk(emulator: Emulator) -> list[str]:
        with Client(emulator) as client:
            client.log_in()
            declared = client.say(f"MAIL FROM:<{SAMPLE_MAILBOX}> SIZE=2000")
            sent = client.send(MESSAGE + b"x" * 2000 + b"\r\n")
            client.say(f"MAIL FROM:<{SAMPLE_MAILBOX}>")
            return [declared, sent, *(client.say(f"RCPT TO:<{RECIPIENT}>") for _ in range(3))]

    async with emulating(message_octets=1000, recipients_a_message=2) as emulator:
        said = await asyncio.to_thread(talk, emulator)

    too_large = "552 5.3.4 Message size exceeds fixed maximum message size"
    assert said[:2] == [too_large, too_large]
    assert [reply[:9] for reply in said[2:]] == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]
