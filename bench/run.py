"""Compares Pillarbox with Postfix on this machine: `make bench`, or python -m bench.run --help.

For each profile and round the services are measured one after the other, so that all see the same
machine; the medians of the rounds are printed as the tables of docs/performance.md.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.long_profiles import run_long
from bench.machine import describe
from bench.peers import Peer, running_peers
from bench.profiles import LONG_PROFILES, PROFILES, Profile
from bench.rounds import MeasurementError, Round, measure, middle, warm_up
from bench.sinks import Sink, sink
from bench.tables import long_table, usual_table
from tests.e2e.programs import SEARCH_PATH

ROUNDS = 3
LIMIT_NOTE = "* The load generator computed for 90 % of the time: the service may do more."


def _options(words: Sequence[str]) -> argparse.Namespace:
    known = [*PROFILES, *LONG_PROFILES]
    parser = argparse.ArgumentParser(
        prog="python -m bench.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(
            [f"  {profile.name:4} {profile.title}" for profile in PROFILES.values()]
            + [f"  {name:4} {title}" for name, title in LONG_PROFILES.items()]
        ),
    )
    parser.add_argument(
        "--profiles",
        default=",".join(PROFILES),
        metavar="P1,P2",
        help=f"what to measure (default: {','.join(PROFILES)}; or all)",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="F", help="times the messages and sessions"
    )
    parser.add_argument("--no-postfix", action="store_true", help="Pillarbox alone")
    parser.add_argument(
        "--own",
        action="store_true",
        help="our own load generator for the plain profiles too, which tells p99",
    )
    options = parser.parse_args(words)
    options.names = known if options.profiles == "all" else options.profiles.split(",")
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no such profile: {', '.join(unknown)}")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _missing() -> str:
    """What has to be installed first."""
    for name in ("smtp-source", "smtp-sink"):
        if shutil.which(name, path=SEARCH_PATH) is None:
            return f"{name} is missing: apt-get install postfix"
    return ""


def _with_postfix(options: argparse.Namespace) -> bool:
    if options.no_postfix:
        return False
    if os.geteuid() != 0:
        _say("Postfix can only be started by root: Pillarbox is measured alone.")
        return False
    return True


def _measure_all(
    profiles: Sequence[Profile], peers: Sequence[Peer], next_hop: Sink, *, rounds: int, own: bool
) -> dict[Profile, dict[str, Round]]:
    found = {}
    for profile in profiles:
        for peer in peers:
            warm_up(peer, profile, next_hop)
        done: dict[str, list[Round]] = {peer.title: [] for peer in peers}
        for number in range(1, rounds + 1):
            for peer in peers:
                one = measure(peer, profile, next_hop, own=own)
                done[peer.title].append(one)
                _say(f"{profile.name} round {number} {peer.title}: {one}")
        found[profile] = {name: middle(those) for name, those in done.items()}
    return found


def _usual(options: argparse.Namespace, folder: Path, *, with_postfix: bool) -> list[str]:
    profiles = [PROFILES[name].scaled(options.scale) for name in options.names if name in PROFILES]
    if not profiles:
        return []
    with (
        sink(folder) as next_hop,
        running_peers(next_hop, with_postfix=with_postfix) as peers,
    ):
        versions = ", ".join(f"{peer.title} {peer.version()}" for peer in peers)
        found = _measure_all(profiles, peers, next_hop, rounds=options.rounds, own=options.own)
    lines = [f"{versions}; medians of {options.rounds} rounds", "", *usual_table(found), ""]
    if any(one.generator_was_limit for rounds in found.values() for one in rounds.values()):
        lines += [LIMIT_NOTE, ""]
    return lines


def _long(options: argparse.Namespace, folder: Path, *, with_postfix: bool) -> list[str]:
    rows = []
    for name in (name for name in options.names if name in LONG_PROFILES):
        _say(f"{name} {LONG_PROFILES[name]}")
        rows += run_long(name, options.scale, folder, with_postfix=with_postfix)
    return [*long_table(rows), ""] if rows else []


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code is 1 where a service did not do what it should."""
    options = _options(words)
    if missing := _missing():
        _say(missing)
        return os.EX_UNAVAILABLE
    with_postfix = _with_postfix(options)
    print(describe(), flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as folder:
            for part in (_usual, _long):
                for line in part(options, Path(folder), with_postfix=with_postfix):
                    print(line, flush=True)
    except MeasurementError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
