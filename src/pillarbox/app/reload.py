"""SIGHUP: what changes at once, and what needs a restart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from pillarbox.config import Limits, Settings, load
from pillarbox.errors import ConfigError
from pillarbox.observe import log as logging
from pillarbox.observe.log import log
from pillarbox.reception.listener import Reception
from pillarbox.reception.services import Services

LIMITS_FROM_START = frozenset(
    {
        "content_memory_octets",
        "handshakes_per_address",
        "login_cache_seconds",
        "login_failure_window_seconds",
        "login_failures_per_account",
        "login_failures_per_address",
    }
)
"""Limits that what is counted in memory was made with."""


@dataclass(slots=True)
class Reloading:
    """Takes up a changed configuration in a running worker."""

    config_file: Path | None
    settings: Settings
    reception: Reception
    services_for: Callable[[Limits], Services]

    def reload(self) -> None:
        """Read the configuration and the certificates again; sessions that are open keep theirs."""
        self.reception.refresh_certificates()
        try:
            settings = load(self.config_file)
        except ConfigError as error:
            log.error("worker.reload_refused", problems=[str(each) for each in error.problems])
            return
        changes = compare(self.settings, settings)
        logging.configure(settings.log.level, settings.log.format)
        self.reception.take_up(self.services_for(settings.limits))
        log.info(
            "worker.reloaded",
            taken=sorted(changes.taken),
            needs_restart=sorted(changes.needs_restart),
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """The options that differ from those that the worker was started with."""

    taken: set[str]
    needs_restart: set[str]


def compare(old: Settings, new: Settings) -> Changes:
    """Say which options differ; `limits.sessions` for one inside a section."""
    changes = Changes(set(), set())
    for name in _differing(old, new):
        match name:
            case "log" | "master_key":
                # The seal looks for the key itself (store.seal).
                changes.taken.add(name)
            case "limits":
                for limit in _differing(old.limits, new.limits):
                    is_fixed = limit in LIMITS_FROM_START
                    (changes.needs_restart if is_fixed else changes.taken).add(f"limits.{limit}")
            case _:
                changes.needs_restart.add(name)
    return changes


def _differing(old: BaseModel, new: BaseModel) -> set[str]:
    fields = type(old).model_fields
    return {name for name in fields if getattr(old, name) != getattr(new, name)}
