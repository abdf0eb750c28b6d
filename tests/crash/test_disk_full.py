"""T6: a disk that is really full, by mail or by somebody else's file, and has room again."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.crash.content_folder import content_files
from tests.crash.strace_service import Sent, WatchedPillarbox, check_delivered
from tests.e2e.next_hop import NextHop
from tests.e2e.programs import program, run
from tests.e2e.waiting import wait_until

MIB = 1024 * 1024
ROW_OCTETS = 200 * 1024
"""Such content is in the database; that of a MiB has a file."""
HEAL_SECONDS = 30.0

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 MiB."""
    if os.geteuid() != 0:
        pytest.fail("to mount a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "tmpfs":
        run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", folder])
    else:
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(128 * MIB)
        run([program("mkfs.ext4", "e2fsprogs"), "-q", "-m", "0", image])
        run(["mount", "-o", "loop", image, folder])
    yield folder
    run(["umount", "--lazy", folder])


@pytest.fixture
def service(small_disk: Path, tmp_path: Path) -> Iterator[WatchedPillarbox]:
    """A service on that disk that keeps 48 MiB in reserve; it is not started yet."""
    hop = NextHop()
    service = WatchedPillarbox(small_disk, hop)
    service.log_file = tmp_path / "service.log"
    _reserve(service, 48 * MIB)
    try:
        yield service
    finally:
        service.stop()
        hop.shut()


def _reserve(service: WatchedPillarbox, octets: int) -> None:
    text = service.config.read_text()
    line = "disk_reserve_octets = 0"
    assert line in text
    service.config.write_text(text.replace(line, f"disk_reserve_octets = {octets}"))


def _fill(file: Path, *, leave_octets: int = 0) -> None:
    """Take all the room but this."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while shutil.disk_usage(file.parent).free > leave_octets:
            stream.write(bytes(4096))


def _submit_until_refused(service: WatchedPillarbox, size_octets: int) -> list[Sent]:
    sent: list[Sent] = []
    while not sent or sent[-1].is_acknowledged:
        sent.append(service.submit(size_octets))
        assert len(sent) < 1000
    return sent


def _check_healed(service: WatchedPillarbox, sent: list[Sent]) -> None:
    """D1 and D2, and mail is taken again, by the worker that runs since the start."""
    sent.append(service.submit())
    assert sent[-1].is_acknowledged, sent[-1].text
    for one in sent:
        check_delivered(service.hop, one)
    assert len(service.events("worker.started")) == 1
    assert service.queue() == []
    wait_until(lambda: not content_files(service.database), HEAL_SECONDS, "no file is left")


@pytest.mark.parametrize("size", [ROW_OCTETS, MIB])
def test_filled_by_mail_it_heals_when_the_mail_is_delivered(
    service: WatchedPillarbox, size: int
) -> None:
    """452 4.3.1 at MAIL below the reserve. The database does not shrink, but has room inside; files
    of content go."""
    service.start()
    sent = _submit_until_refused(service, size)
    again = service.submit()
    service.hop.open()
    service.admin("queue", "retry", "--all")
    wait_until(lambda: not service.queue(), HEAL_SECONDS, "an empty queue")
    wait_until(service.takes_mail, HEAL_SECONDS, "room again")

    assert len(sent) > 10
    assert [sent[-1].code, again.code] == [452, 452]
    assert again.text.startswith("4.3.1")
    _check_healed(service, [*sent, again])


def test_filled_by_a_file_it_heals_when_the_file_goes(
    service: WatchedPillarbox, small_disk: Path
) -> None:
    """Below the reserve 452 at MAIL, while what was taken before is delivered and recorded."""
    service.start()
    before = service.submit()
    _fill(small_disk / "foreign", leave_octets=40 * MIB)
    wait_until(lambda: not service.takes_mail(), HEAL_SECONDS, "trouble")
    refused = service.submit()
    service.hop.open()
    service.admin("queue", "retry", "--all")
    wait_until(lambda: not service.queue(), HEAL_SECONDS, "an empty queue")
    (small_disk / "foreign").unlink()
    wait_until(service.takes_mail, HEAL_SECONDS, "room again")

    assert refused.code == 452
    assert refused.text.startswith("4.3.1")
    _check_healed(service, [before, refused])


def test_filled_to_the_last_octet_it_waits_for_room(
    service: WatchedPillarbox, small_disk: Path
) -> None:
    """Without a reserve the disk itself refuses; a result that can not be recorded waits, and the
    message is not delivered twice."""
    text = service.config.read_text()
    service.config.write_text(text.replace(f"= {48 * MIB}", "= 0"))
    service.start()
    service.hop.open()
    service.hop.hold(".")
    before = service.submit(2 * MIB)
    assert before.is_acknowledged
    assert service.hop.reached.wait(HEAL_SECONDS)
    _fill(small_disk / "foreign")
    refused = [service.submit(size) for size in (MIB, 1000, ROW_OCTETS, MIB)]
    service.hop.go_on()
    wait_until(lambda: service.hop.copies(before.marker.encode()), HEAL_SECONDS, "the delivery")
    (small_disk / "foreign").unlink()
    wait_until(service.takes_mail, HEAL_SECONDS, "room again")

    assert {one.code for one in refused} == {452}
    _check_healed(service, [before, *refused])
