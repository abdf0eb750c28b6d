"""`pillarbox doctor self`: the service on this machine, asked and looked at from beside it."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.progress_line import progress_line
from pillarbox.cli.readyz import SilenceFailure, ask
from pillarbox.diagnosis.facts import Facts

if TYPE_CHECKING:
    from pillarbox.config import Settings
    from pillarbox.store.self_looks import SelfLook

LAST = "last"


def look_at_service(cli: Cli, since: str) -> Facts:
    """All facts; with `since` those findings are known that the daily look had before then.
    Raises Failure, ConfigError and SpoolUnavailable where there is nothing to see."""
    from pillarbox.app.self_look import SelfLooker
    from pillarbox.store.self_looks import last_look

    settings = cli.settings()
    silence, problems = _readiness(settings)
    with cli.database() as database:
        before = database.read_now(lambda c: last_look(c, settings.host_name))
        known = _known(before, since) if since else frozenset()
        with progress_line("looking at this service") as progress:
            facts = asyncio.run(SelfLooker(settings, database, progress).look())
    if facts.service is None:
        return facts
    service = replace(facts.service, silence=silence, problems=problems)
    return replace(facts, service=service, known=known)


def _known(before: "SelfLook", since: str) -> frozenset[tuple[str, str]]:
    """What is not told again. Raises Failure."""
    if since == LAST:
        return frozenset((one.finding, one.place) for one in before.findings)
    try:
        moment = datetime.fromisoformat(since).astimezone().timestamp() * 1000
    except ValueError as exc:
        hint = "write it as 2026-11-26 or 2026-11-26T09:30, or leave it out: since the last look"
        raise Failure(ExitCode.DATA, f"{since} is no time ({hint})") from exc
    old = (one for one in before.findings if one.since_at < moment)
    return frozenset((one.finding, one.place) for one in old)


def _readiness(settings: "Settings") -> tuple[str, tuple[str, ...]]:
    """Why it is silent, or what it says is wrong. Without the endpoint nothing is known."""
    if not settings.metrics.address:
        return "", ()
    try:
        ready, problems = ask(settings.metrics.address, settings.metrics.port)
    except SilenceFailure as failure:
        return failure.why, ()
    return "", () if ready else tuple(problems) or ("it does not say why",)
