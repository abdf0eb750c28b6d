"""What signing costs: Pillarbox without DKIM keys, with RSA 2048, and with RSA 2048 and Ed25519.

    python -m bench.dkim [--rounds N] [--scale F]

Three services take turns at P2, each with a sink as next hop; the medians of the rounds count.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.machine import describe
from bench.peers import PillarboxPeer
from bench.profiles import PROFILES
from bench.rounds import Round, measure, middle, warm_up
from bench.sinks import Sink, sink

from pillarbox.mail.dkim import Algorithm

PROFILE = "P2"
KEYS: dict[str, tuple[Algorithm, ...]] = {
    "without keys": (),
    "RSA 2048": (Algorithm.RSA,),
    "RSA 2048 and Ed25519": (Algorithm.RSA, Algorithm.ED25519),
}


class SigningPeer(PillarboxPeer):
    """Signs what its account sends with keys of these algorithms."""

    def sign(self, algorithms: tuple[Algorithm, ...]) -> None:
        """Make the keys and use them, whatever DNS says."""
        domain = self.username.partition("@")[2]
        for algorithm in algorithms:
            selector = algorithm.value.partition("-")[0]
            words = (domain, "--selector", selector, "--algorithm", algorithm.value)
            self.admin("dkim", "create", *words)
            self.admin("dkim", "activate", domain, selector)


@contextmanager
def signing_peers(folder: Path, next_hop: Sink) -> Iterator[dict[str, SigningPeer]]:
    """One running service for each set of keys, by its name."""
    with ExitStack() as at_end:
        peers = {}
        for number, (name, algorithms) in enumerate(KEYS.items()):
            place = folder / str(number)
            place.mkdir()
            peer = SigningPeer(place)
            peer.set_up(next_hop, None)
            peer.sign(algorithms)
            at_end.callback(peer.stop)
            peer.start()
            peers[name] = peer
        yield peers


def compare(rounds: int, scale: float) -> dict[str, Round]:
    """The medians, by the name of the set of keys. Raises MeasurementError."""
    profile = PROFILES[PROFILE].scaled(scale)
    done: dict[str, list[Round]] = {name: [] for name in KEYS}
    with tempfile.TemporaryDirectory(prefix="pillarbox-dkim-") as name:
        folder = Path(name)
        with sink(folder) as next_hop, signing_peers(folder, next_hop) as peers:
            for peer in peers.values():
                warm_up(peer, profile, next_hop)
            for _ in range(rounds):
                for title, peer in peers.items():
                    done[title].append(measure(peer, profile, next_hop))
                    print(f"{title}: {done[title][-1]}", file=sys.stderr, flush=True)
    return {title: middle(those) for title, those in done.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, metavar="F")
    options = parser.parse_args()
    print(describe())
    found = compare(options.rounds, options.scale)
    base = next(iter(found.values())).cpu_ms
    print("\n| keys | through/s | CPU ms a message | more |\n|---|---:|---:|---:|")
    for title, one in found.items():
        more = f"{one.cpu_ms - base:+.2f}"
        print(f"| {title} | {one.through_rate:,.0f} | {one.cpu_ms:.2f} | {more} |")


if __name__ == "__main__":
    main()
