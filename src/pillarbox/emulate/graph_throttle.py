"""How Graph throttles an app at a mailbox: parallel requests, requests and octets in a while.

Each refusal tells when to come again, and it is counted who comes sooner.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from pillarbox.emulate.graph_errors import GraphError
from pillarbox.emulate.messages import MailboxStatistics
from pillarbox.emulate.windows import Window
from pillarbox.emulate.world import World

RETRY_AFTER = "Retry-After"


class _Use:
    """What one app does at one mailbox."""

    def __init__(self, world: World) -> None:
        limits = world.limits
        self.running = 0
        self.requests = Window(limits.graph_requests, limits.graph_requests_seconds)
        self.upload = Window(limits.graph_upload_octets, limits.graph_upload_seconds)
        self.retry_at = 0.0


class Throttle:
    """All apps and mailboxes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._uses: dict[tuple[str, str], _Use] = {}

    def use(self, app_id: str, mailbox: str) -> _Use:
        """What is known of an app at a mailbox."""
        return self._uses.setdefault((app_id, mailbox), _Use(self._world))

    def forget(self) -> None:
        """Begin anew."""
        self._uses.clear()

    def arrived(self, app_id: str, mailbox: str) -> None:
        """A request is here: is it sooner than the app was told?"""
        if self._world.clock() < self.use(app_id, mailbox).retry_at:
            self._statistics(mailbox).too_early += 1

    @contextmanager
    def under_way(self, app_id: str, mailbox: str) -> Iterator[None]:
        """While a request runs. Raises GraphError where there are too many, or were."""
        use, statistics = self.use(app_id, mailbox), self._statistics(mailbox)
        now, limits = self._world.clock(), self._world.limits
        fits = use.requests.fits(1, now)
        # Requests that are refused count against the quota as well.
        use.requests.add(1, now)
        if not fits:
            self._refuse("requests", use.requests.room_at(1, now) - now)
        if self._running(app_id, use) >= limits.graph_parallel:
            self._refuse("parallel", limits.graph_retry_seconds)
        use.running += 1
        statistics.began()
        try:
            yield
        finally:
            use.running -= 1
            statistics.parallel_requests -= 1

    def upload(self, app_id: str, mailbox: str, octets: int) -> None:
        """So many octets have come. Raises GraphError where that is too much."""
        window, now = self.use(app_id, mailbox).upload, self._world.clock()
        if not window.fits(octets, now):
            self._refuse("upload", window.room_at(octets, now) - now)
        window.add(octets, now)

    def answered(self, app_id: str, mailbox: str, status: int, headers: Mapping[str, str]) -> None:
        """An answer goes out, with Retry-After perhaps."""
        if status == 429:
            self._statistics(mailbox).throttled += 1
        value = headers.get(RETRY_AFTER)
        if value:
            self.use(app_id, mailbox).retry_at = _retry_at(value, self._world.clock())

    def headers(self, seconds: float) -> dict[str, str]:
        """Retry-After in the form that the switch names, never sooner than in so many seconds."""
        if self._world.switches.is_at("retry_after", "seconds"):
            return {RETRY_AFTER: str(max(1, math.ceil(seconds)))}
        moment = datetime.fromtimestamp(math.ceil(self._world.clock() + seconds), UTC)
        return {RETRY_AFTER: format_datetime(moment, usegmt=True)}

    def _statistics(self, mailbox: str) -> MailboxStatistics:
        return self._world.statistics[mailbox]

    def _running(self, app_id: str, use: _Use) -> int:
        if self._world.switches.is_at("graph_parallel", "mailbox"):
            return use.running
        return sum(each.running for (app, _), each in self._uses.items() if app == app_id)

    def _refuse(self, name: str, seconds: float) -> None:
        raise GraphError(name, self.headers(seconds))


def _retry_at(value: str, now: float) -> float:
    if value.isdigit():
        return now + int(value)
    return parsedate_to_datetime(value).timestamp()
