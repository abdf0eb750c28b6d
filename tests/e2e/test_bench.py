"""The benchmark of `make bench`, with few messages: what it counts is what came through."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bench import mx_load
from bench.generators import held_sessions
from bench.peers import Peer, running_peers
from bench.profiles import PROFILES, Door
from bench.rounds import MeasurementError, measure
from bench.run import main
from bench.sinks import Sink, sink
from bench.tables import usual_table

FEW = 0.01


@pytest.fixture(scope="module")
def next_hop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """Postfix's smtp-sink."""
    with sink(tmp_path_factory.mktemp("sink")) as hop:
        yield hop


@pytest.fixture(scope="module")
def peer(next_hop: Sink) -> Iterator[Peer]:
    """Pillarbox as it is measured."""
    with running_peers(next_hop, with_postfix=False) as peers:
        yield peers[0]


def test_each_way_in_is_measured(peer: Peer, next_hop: Sink) -> None:
    """smtp-source, our generator with STARTTLS and with TLS, and many recipients."""
    profiles = [PROFILES[name].scaled(FEW) for name in ("P1", "P3", "P4", "P8")]
    before = next_hop.count()

    found = {profile: {peer.title: measure(peer, profile, next_hop)} for profile in profiles}

    assert next_hop.count() - before == sum(profile.messages for profile in profiles)
    assert all(rounds[peer.title].through_rate > 0 for rounds in found.values())
    assert len(usual_table(found)) == 2 + len(profiles)


def test_what_is_refused_is_no_result(
    peer: Peer, next_hop: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate of refusals would look good."""
    monkeypatch.setattr(peer, "login", replace(peer.login, password="wrong"))

    with pytest.raises(MeasurementError, match=r"0 of 40 messages .*'535 "):
        measure(peer, PROFILES["P3"].scaled(FEW), next_hop)


def test_idle_sessions_stay_open(peer: Peer) -> None:
    """As many as were opened are there at the end."""
    with held_sessions(10, peer.ports[Door.TLS], peer.login) as held:
        held.open()

        assert held.end().ready == 10


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_each_kind_of_mx_host_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """All messages that hosts take or refuse come to their end."""
    mx_load.main(["--messages", "400", "--domains", "80"])

    printed = capsys.readouterr().out
    assert "400 messages accepted" in printed
    assert all(f"\n{kind}: " in printed for kind in ("good", "provider", "slow", "refusing"))


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_pillarbox_and_postfix_stand_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    """All profiles, as `make bench` prints them."""
    assert main(["--profiles", "all", "--rounds", "1", "--scale", str(FEW)]) == 0

    printed = capsys.readouterr().out
    assert "| profile | Postfix through/s | Pillarbox through/s | ratio |" in printed
    assert "| P7S: " in printed
