"""Which threads of a worker write files of content: each thread's calls are counted for itself."""

from dataclasses import dataclass
from pathlib import Path

from tests.crash.content_folder import content_files
from tests.crash.strace_attach import attached
from tests.crash.strace_calls import parse
from tests.crash.strace_service import MIDDLE_OCTETS, Sent, WatchedPillarbox
from tests.e2e.waiting import wait_until

GONE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Threads:
    """The threads of the worker that runs. `sent` has shown which is which, and is delivered; the
    next message whose content goes to a file at once finds the same thread for that."""

    of_content: frozenset[int]
    others: frozenset[int]
    sent: Sent


def threads_of(service: WatchedPillarbox, trace: Path) -> Threads:
    """Find out."""
    with attached(trace, service.worker, trace="fdatasync") as tracer:
        sent = service.submit(MIDDLE_OCTETS)
        assert sent.is_acknowledged, sent.text
        wait_until(lambda: is_gone(service, sent), GONE_SECONDS, "the end of its file")
    # Nothing else but files of content is synced so.
    of_content = frozenset(call.thread for call in parse(tracer.lines()))
    assert of_content
    tasks = {int(task.name) for task in Path(f"/proc/{service.worker}/task").iterdir()}
    return Threads(of_content, frozenset(tasks - of_content), sent)


def is_gone(service: WatchedPillarbox, sent: Sent) -> bool:
    """Whether the content of an acknowledged message has no file, or none any more."""
    return sent.text.split()[-1] not in content_files(service.database)
