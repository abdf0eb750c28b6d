"""What the doctor sees of a service and of where its mail leaves from (pillarbox.app.self_look)."""

import asyncio
import base64
from pathlib import Path

import pytest
from tests.support.mail_world import World
from tests.support.storing import now_ms, open_database
from tests.unit.net.test_clocks import TimeServer
from tests.unit.net.test_clocks import serving as serving_time

from pillarbox.app.self_look import SelfLooker
from pillarbox.config import load
from pillarbox.doctor.progress import Progress
from pillarbox.reception.own_look import OWN_LOOK_ADDRESS, address_of
from pillarbox.store.seal import new_master_key
from pillarbox.store.self_looks import SelfLook, record_look

CONFIG = """
host_name = "mail.corp.com"
data_directory = "."
master_key = "{key}"
dns_servers = ["127.0.0.1:{dns}"]
listeners = [{{ address = "127.0.0.1", port = 1, tls = "starttls" }}]

[self_check]
public_address = "11.9.9.9"
block_lists = ["bl.list.com"]
time_servers = ["127.0.0.1:{time}"]
"""


async def test_clock_and_address_are_looked_at(tmp_path: Path) -> None:
    """By the servers that the configuration names; another address than last time is told."""
    world = World()
    await world.start()
    world.dns("2.0.0.127.bl.list.com", "A", "127.0.0.2")
    world.dns("9.9.9.11.bl.list.com", "A", "127.0.0.4")
    world.dns("9.9.9.11.in-addr.arpa", "PTR", "out.corp.com.")
    world.dns("out.corp.com", "A", "11.9.9.9")
    database = open_database(f"sqlite:///{tmp_path / 'pillarbox.sqlite3'}")
    before = SelfLook(now_ms(), "11.9.9.8")
    await database.write(lambda c: record_look(c, "mail.corp.com", before))
    try:
        async with serving_time(TimeServer(behind=90)) as clock:
            file = tmp_path / "pillarbox.toml"
            key = base64.b64encode(new_master_key()).decode()
            file.write_text(CONFIG.format(key=key, dns=world.dns_server[1], time=clock))

            looker = SelfLooker(load(file), database, Progress())
            outcome = await looker.outcome(now_ms())
    finally:
        await database.close()
        await world.stop()

    found = {one.finding: one for one in outcome.findings}
    assert set(found) >= {
        "BLOCK-LISTED",
        "EHLO-NAME-UNKNOWN",
        "SELF-ADDRESS-CHANGED",
        "SELF-CLOCK-WRONG",
        "SELF-LISTENER-DOWN",
    }
    assert found["SELF-CLOCK-WRONG"].severity == "fail"
    assert "PTR-NONE" not in found
    assert outcome.address == "11.9.9.9"


async def test_what_is_away_is_named_itself(tmp_path: Path) -> None:
    """In the line of a command and in that of the daily look: not as a group of errors."""
    database = open_database(f"sqlite:///{tmp_path / 'pillarbox.sqlite3'}")
    file = tmp_path / "pillarbox.toml"
    key = base64.b64encode(new_master_key()).decode()
    config = CONFIG.format(key=key, dns=1, time=1)
    file.write_text(config.replace('data_directory = "."', 'data_directory = "gone"'))
    try:
        with pytest.raises(FileNotFoundError, match="gone"):
            await SelfLooker(load(file), database, Progress()).look()
    finally:
        await database.close()


async def test_look_by_ipv6_is_known_to_the_listeners(tmp_path: Path) -> None:
    """All of its sessions, though the loopback has one address alone."""
    seen: set[str] = set()

    def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, our_end = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        seen.add(address_of(peer, lambda: our_end))
        writer.close()

    server = await asyncio.start_server(closing, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    file = tmp_path / "pillarbox.toml"
    listener = f'listeners = [{{ address = "::1", port = {port}, tls = "starttls" }}]'
    file.write_text(f'host_name = "mail.corp.com"\n{listener}\n')
    database = open_database(f"sqlite:///{tmp_path / 'pillarbox.sqlite3'}")
    try:
        async with server:
            await SelfLooker(load(file), database, Progress())._listeners()
    finally:
        await database.close()

    assert seen == {OWN_LOOK_ADDRESS}


async def test_each_listener_is_looked_at_where_it_listens(tmp_path: Path) -> None:
    """Also two that share a port, and is shown by that address; no other one is tried."""
    reached: set[tuple[str, int]] = set()

    def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.add(writer.get_extra_info("sockname")[:2])
        writer.close()

    both = await asyncio.start_server(closing, "127.0.0.1", 0)
    shared = both.sockets[0].getsockname()[1]
    other = await asyncio.start_server(closing, "::1", shared)
    alone = await asyncio.start_server(closing, "::1", 0)
    lone = alone.sockets[0].getsockname()[1]
    doors = {("127.0.0.1", shared), ("::1", shared), ("::1", lone)}
    listeners = [f'{{ address = "{at}", port = {port} }}' for at, port in sorted(doors)]
    file = tmp_path / "pillarbox.toml"
    # A host may be called by one of its addresses.
    file.write_text(f'host_name = "192.0.2.7"\nlisteners = [{", ".join(listeners)}]\n')
    database = open_database(f"sqlite:///{tmp_path / 'pillarbox.sqlite3'}")
    try:
        async with both, other, alone:
            facts = await SelfLooker(load(file), database, Progress())._listeners()
    finally:
        await database.close()

    assert {(one.address, one.port) for one in facts.attempts} == doors
    assert reached == doors


async def test_no_port_is_tried_where_no_listener_has_tls(tmp_path: Path) -> None:
    """The name of the host may lead to another machine."""
    file = tmp_path / "pillarbox.toml"
    listener = '{ address = "127.0.0.1", port = 1, tls = "none", network_login = true }'
    file.write_text(f'host_name = "localhost"\nlisteners = [{listener}]\n')
    database = open_database(f"sqlite:///{tmp_path / 'pillarbox.sqlite3'}")
    try:
        facts = await SelfLooker(load(file), database, Progress())._listeners()
    finally:
        await database.close()

    assert facts.attempts == ()
