"""What each client of Python does in a measurement: python -m bench.client_drivers CLIENT TASK.

The task comes as JSON. What is told is the time, the CPU time and the peak memory of this process,
as JSON. Opening a kept connection and the first messages over it are not counted.
"""

import asyncio
import json
import smtplib
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from pathlib import Path

SENDER, RECIPIENT = "app@sender.example", "ann@recipient.example"
_LINE = "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ .,;:!?\r\n"
_HEADER = f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: benchmark\r\n\r\n"

Once = Callable[[int], None]
OnceAsync = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Task:
    """So many messages to a server on this machine. `ca_file`: by TLS. `is_kept`: over one
    connection. `is_composed`: an EmailMessage made each time, in place of octets."""

    port: int
    messages: int
    warm_up: int
    octets: int
    is_kept: bool
    is_composed: bool
    ca_file: str = ""

    def content(self) -> bytes:
        """The message."""
        lines = max(self.octets - len(_HEADER), 0) // len(_LINE) + 1
        return (_HEADER + _LINE * lines).encode()

    def compose(self) -> EmailMessage:
        """The same with the email package."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = SENDER, RECIPIENT, "benchmark"
        message.set_content((_LINE * (self.octets // len(_LINE))).replace("\r\n", "\n"))
        return message

    def context(self) -> ssl.SSLContext:
        """How the server is verified."""
        return ssl.create_default_context(cafile=self.ca_file)


@dataclass(slots=True)
class Measured:
    """What it took."""

    seconds: float
    cpu_seconds: float
    peak_octets: int


def _peak_octets() -> int:
    """Of this program alone; getrusage() would tell what the process was before it, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


def _measure(once: Once, task: Task) -> Measured:
    once(task.warm_up)
    begun, computed = time.perf_counter(), time.process_time()
    once(task.messages)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - computed
    return Measured(seconds, cpu, _peak_octets())


async def _measure_async(once: OnceAsync, task: Task) -> Measured:
    await once(task.warm_up)
    begun, computed = time.perf_counter(), time.process_time()
    await once(task.messages)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - computed
    return Measured(seconds, cpu, _peak_octets())


def by_smtplib(task: Task) -> Measured:
    """The standard library."""
    context = task.context() if task.ca_file else None
    content = task.content()

    def opened() -> smtplib.SMTP:
        if context is not None:
            return smtplib.SMTP_SSL("127.0.0.1", task.port, context=context)
        return smtplib.SMTP("127.0.0.1", task.port)

    def send(client: smtplib.SMTP) -> None:
        if task.is_composed:
            client.send_message(task.compose())
        else:
            client.sendmail(SENDER, [RECIPIENT], content)

    with ExitStack() as stack:
        kept = stack.enter_context(opened()) if task.is_kept else None

        def once(messages: int) -> None:
            for _ in range(messages):
                if kept is not None:
                    send(kept)
                else:
                    with opened() as client:
                        send(client)

        return _measure(once, task)


async def _by_aiosmtplib(task: Task) -> Measured:
    import aiosmtplib

    context = task.context() if task.ca_file else None
    content = task.content()

    def made() -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=task.port,
            use_tls=context is not None,
            tls_context=context,
            start_tls=False,
        )

    async def send(client: aiosmtplib.SMTP) -> None:
        if task.is_composed:
            await client.send_message(task.compose())
        else:
            await client.sendmail(SENDER, [RECIPIENT], content)

    kept = made()
    if task.is_kept:
        await kept.connect()

    async def once(messages: int) -> None:
        for _ in range(messages):
            if task.is_kept:
                await send(kept)
            else:
                async with made() as client:
                    await send(client)

    return await _measure_async(once, task)


def by_aiosmtplib(task: Task) -> Measured:
    """The usual one for asyncio, with its own loop."""
    return asyncio.run(_by_aiosmtplib(task))


def _pillarbox(task: Task) -> dict[str, object]:
    import pillarbox

    pool = pillarbox.Pool(messages=1_000_000_000 if task.is_kept else 1, age=3600)
    return {
        "server": f"{'smtps' if task.ca_file else 'smtp'}://127.0.0.1:{task.port}",
        "tls": "required" if task.ca_file else "opportunistic",
        "ca_file": task.ca_file,
        "pool": pool,
    }


def by_pillarbox(task: Task, *, together: bool = False) -> Measured:
    """send() for each message, or send_all() for all."""
    import pillarbox

    content = task.content()
    with pillarbox.connect(**_pillarbox(task)) as client:  # type: ignore[arg-type]

        def once(messages: int) -> None:
            if together:
                mails = (
                    task.compose()
                    if task.is_composed
                    else pillarbox.Mail(content, SENDER, RECIPIENT)
                    for _ in range(messages)
                )
                assert all(result.is_complete for result in client.send_all(mails))
                return
            for _ in range(messages):
                if task.is_composed:
                    client.send(task.compose())
                else:
                    client.send(content, sender=SENDER, recipients=RECIPIENT)

        return _measure(once, task)


async def _by_pillarbox_async(task: Task, *, together: bool) -> Measured:
    import pillarbox

    content = task.content()
    async with pillarbox.connect_async(**_pillarbox(task)) as client:  # type: ignore[arg-type]

        async def once(messages: int) -> None:
            if together:
                mails = (
                    task.compose()
                    if task.is_composed
                    else pillarbox.Mail(content, SENDER, RECIPIENT)
                    for _ in range(messages)
                )
                async for result in client.send_all(mails):
                    assert result.is_complete
                return
            for _ in range(messages):
                if task.is_composed:
                    await client.send(task.compose())
                else:
                    await client.send(content, sender=SENDER, recipients=RECIPIENT)

        return await _measure_async(once, task)


DRIVERS: dict[str, Callable[[Task], Measured]] = {
    "smtplib": by_smtplib,
    "aiosmtplib": by_aiosmtplib,
    "pillarbox": by_pillarbox,
    "pillarbox, send_all": lambda task: by_pillarbox(task, together=True),
    "pillarbox async": lambda task: asyncio.run(_by_pillarbox_async(task, together=False)),
    "pillarbox async, send_all": lambda task: asyncio.run(_by_pillarbox_async(task, together=True)),
}


def main(words: list[str]) -> None:
    """Carry out one task."""
    name, task = words
    print(json.dumps(asdict(DRIVERS[name](Task(**json.loads(task))))))


if __name__ == "__main__":
    main(sys.argv[1:])
