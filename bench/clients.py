"""Compares the client library with smtplib, aiosmtplib and nodemailer: `make bench-clients`.

They send to a server that throws all away (bench/client_sink.py), one after the other in each
round; the medians of the rounds are printed as the tables of docs/performance.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import trustme
from bench.client_drivers import DRIVERS, Measured, Task
from bench.machine import describe, use_of

ROUNDS = 9
LIMIT = 0.9
"""Of a processor: a sink that computes for so much of the time may have been the limit."""

FEWER = {"nodemailer": 20}
"""It writes the end of the content apart, and where the kernel holds small packets back, as it does
by default, each message waits 40 ms for an acknowledgement: so many times fewer are enough."""

LIMIT_NOTE = "* The sink computed for 90 % of the time: the client may do more."
NODEMAILER = Path(__file__).parents[1] / "tests" / "clients" / "nodemailer_many.mjs"
_KIB, _MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """What is sent, and to what kind of server."""

    title: str
    messages: int
    octets: int = 4 * _KIB
    is_kept: bool = True
    is_composed: bool = False
    by_tls: bool = False
    is_extended: bool = True
    delay_ms: float = 0.0


PROFILES = {
    "C1": Profile("4 KiB, kept connection", 1000),
    "C2": Profile("4 KiB, kept, no PIPELINING or CHUNKING", 1000, is_extended=False),
    "C3": Profile("4 KiB, kept, TLS", 1000, by_tls=True),
    "C4": Profile("4 KiB, kept, an EmailMessage made each time", 300, is_composed=True),
    "C5": Profile("4 KiB, a connection for each", 300, is_kept=False),
    "C6": Profile("4 KiB, a connection for each, TLS", 100, is_kept=False, by_tls=True),
    "C7": Profile("5 MiB, kept", 8, 5 * _MIB),
    "C8": Profile("5 MiB, kept, no PIPELINING or CHUNKING", 8, 5 * _MIB, is_extended=False),
    "C9": Profile("5 MiB, kept, TLS", 8, 5 * _MIB, by_tls=True),
    "C10": Profile("4 KiB, kept, answers after 5 ms", 100, delay_ms=5),
    "C11": Profile(
        "4 KiB, kept, answers after 5 ms, no PIPELINING or CHUNKING",
        *(100, 4 * _KIB),
        is_extended=False,
        delay_ms=5,
    ),
}


@dataclass(frozen=True, slots=True)
class Round:
    """One client in one round; `sink_share`: of the time, the sink computed so much."""

    messages: int
    measured: Measured
    sink_share: float


class DriverError(Exception):
    """A client did not send what it should."""


@contextmanager
def _sink(profile: Profile, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-m", "bench.client_sink", "--delay", str(profile.delay_ms)]
    argv += ["--extended"] * profile.is_extended
    if profile.by_tls:
        argv += ["--certificate", str(folder / "certificate.pem"), "--key", str(folder / "key.pem")]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.communicate(timeout=60)


def _make_certificate(folder: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))


def _drive(client: str, task: Task, sink_pid: int) -> Round:
    fewer = max(task.messages // FEWER.get(client, 1), min(task.messages, 10))
    task = replace(task, messages=fewer, warm_up=max(fewer // 20, 1))
    words = [json.dumps(asdict(task))]
    if client == "nodemailer":
        argv = ["node", str(NODEMAILER), *words]
    else:
        argv = [sys.executable, "-m", "bench.client_drivers", client, *words]
    computed = use_of(sink_pid).cpu_seconds
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DriverError(f"{client}: {done.stderr.strip().splitlines()[-1:]}")
    measured = Measured(**json.loads(done.stdout))
    # The sink computed for the messages that were not counted, too.
    seconds = measured.seconds * (1 + task.warm_up / task.messages)
    share = (use_of(sink_pid).cpu_seconds - computed) / seconds
    return Round(task.messages, measured, share)


def measure(profile: Profile, clients: Sequence[str], rounds: int) -> dict[str, list[Round]]:
    """Let the clients send in turn. Raises DriverError."""
    found: dict[str, list[Round]] = {client: [] for client in clients}
    with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as name:
        folder = Path(name)
        _make_certificate(folder)
        with _sink(profile, folder) as sink:
            assert sink.stdout is not None
            task = Task(
                int(sink.stdout.readline()),
                profile.messages,
                0,
                profile.octets,
                is_kept=profile.is_kept,
                is_composed=profile.is_composed,
                ca_file=str(folder / "ca.pem") if profile.by_tls else "",
            )
            for number in range(1, rounds + 1):
                for client in clients:
                    one = _drive(client, task, sink.pid)
                    found[client].append(one)
                    rate = one.messages / one.measured.seconds
                    print(
                        f"{profile.title} round {number} {client}: {rate:,.0f}/s",
                        *("(sink at its limit)",) * (one.sink_share > LIMIT),
                        file=sys.stderr,
                    )
    return found


def table(profile: Profile, found: dict[str, list[Round]]) -> list[str]:
    """The medians, as a table of Markdown."""
    lines = [
        f"**{profile.title}**",
        "",
        "| client | messages/s | CPU µs a message | peak MiB | CPU of the sink |",
        "|---|---:|---:|---:|---:|",
    ]
    for client, rounds in found.items():
        rate = median(one.messages / one.measured.seconds for one in rounds)
        cpu = median(one.measured.cpu_seconds / one.messages for one in rounds)
        peak = median(one.measured.peak_octets for one in rounds)
        share = median(one.sink_share for one in rounds)
        mark = "*" * (share > LIMIT)
        lines.append(
            f"| {client} | {rate:,.0f}{mark} | {cpu * 1e6:,.0f} | {peak / _MIB:.0f}"
            f" | {share * 100:.0f} % |"
        )
    return [*lines, ""]


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:4} {profile.title}" for name, profile in PROFILES.items()),
    )
    parser.add_argument(
        "--profiles", default=",".join(PROFILES), metavar="C1,C2", help="default: all"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--scale", type=float, default=1.0, metavar="F", help="times the messages")
    options = parser.parse_args(words)
    options.names = options.profiles.split(",")
    if unknown := [name for name in options.names if name not in PROFILES]:
        parser.error(f"no such profile: {', '.join(unknown)}")
    return options


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code is 1 where a client did not do what it should."""
    options = _options(words)
    clients = list(DRIVERS)
    if shutil.which("node") is None or not (NODEMAILER.parent / "node_modules").is_dir():
        print("nodemailer is missing (scripts/tools.sh): it is left out", file=sys.stderr)
    else:
        clients.insert(2, "nodemailer")
    print(describe(), f"{options.rounds} rounds", "", sep="\n", flush=True)
    try:
        for name in options.names:
            profile = PROFILES[name]
            scaled = max(round(profile.messages * options.scale), 1)
            profile = replace(profile, messages=scaled)
            found = measure(profile, clients, options.rounds)
            print(*table(profile, found), sep="\n", flush=True)
    except DriverError as error:
        print(error, file=sys.stderr)
        return 1
    print(LIMIT_NOTE)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
