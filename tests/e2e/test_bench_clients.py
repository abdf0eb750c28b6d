"""The benchmark of `make bench-clients`, with few messages: what each client sends has arrived."""

from dataclasses import replace

import pytest
from bench.client_drivers import DRIVERS
from bench.clients import PROFILES, DriverError, measure, table
from tests.e2e.clients import SCRIPTS
from tests.e2e.programs import needed_file


def test_each_client_is_measured() -> None:
    """By TLS, with a connection for each message."""
    needed_file(SCRIPTS / "node_modules/nodemailer", "cd tests/clients && npm ci")
    clients = [*DRIVERS, "nodemailer"]
    profile = replace(PROFILES["C6"], messages=2)

    found = measure(profile, clients, 1)

    rounds = [one for ones in found.values() for one in ones]
    assert len(rounds) == len(clients)
    assert all(one.measured.seconds > 0 and one.measured.peak_octets > 2**20 for one in rounds)
    assert len(table(profile, found)) == 5 + len(clients)


def test_a_client_that_fails_is_no_result() -> None:
    """A rate of nothing would look good."""
    profile = replace(PROFILES["C1"], messages=1)

    with pytest.raises(DriverError, match="KeyError: 'nobody'"):
        measure(profile, ["nobody"], 1)
