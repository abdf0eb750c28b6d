"""Which mail the commands of the queue choose (pillarbox.cli.queue)."""

import pytest
from tests.support.storing import HOP, LEASE_MS, OWNER, Queue, make_message
from tests.unit.cli.conftest import Service

from pillarbox.store.lanes import Lanes

EX_USAGE = 64
EX_NO_SUCH = 67


@pytest.fixture
async def queue(service: Service) -> Queue:
    """A spool with a lane that somebody owns."""
    assert await Lanes(service.database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    return Queue(service.database)


async def test_a_next_hop_that_nobody_knows_is_67(service: Service, queue: Queue) -> None:
    """A name with a typing error is not one for which nothing waits."""
    await queue.put("bob@far.example")

    for what in ("list", "retry", "hold", "release", "bounce"):
        mistyped = service.run("queue", what, "--hop", HOP[:-1])

        assert mistyped.exit_code == EX_NO_SUCH, what
        assert f"there is no next hop '{HOP[:-1]}'; did you mean {HOP}?" in mistyped.stderr
        assert service.run("queue", what, "--hop", "mx:never.example").exit_code == 0


async def test_reports_are_chosen_by_the_sender_that_the_list_shows(
    service: Service, queue: Queue
) -> None:
    """Mail with the null reverse-path has nobody else."""
    await queue.put("bob@far.example")
    await queue.spool.put(make_message("eve@far.example", lanes=(queue.lane,), sender=""))

    [report] = service.json("queue", "list", "--sender", "<>")

    assert report["recipient"] == "eve@far.example"
    assert service.json("queue", "bounce", "--sender", "<>") == {"changed": 1}


async def test_an_option_that_is_empty_selects_nothing(service: Service, queue: Queue) -> None:
    """A variable of a script that was not set must not make it more mail than was meant."""
    await queue.put("bob@far.example")

    for option in ("--hop", "--sender", "--domain", "--tenant", "--state"):
        refused = service.run("queue", "bounce", "--domain", "far.example", option, "")

        assert refused.exit_code == EX_USAGE, option
        assert option in refused.stderr
    assert service.json("queue", "list")[0]["bounces"] is False
