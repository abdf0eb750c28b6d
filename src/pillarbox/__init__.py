"""Pillarbox: the SMTP submission service for every application, server and device."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pillarbox.client.discovery import discover, discover_async

__version__ = "0.1.0"

__all__ = ["__version__", "discover", "discover_async"]

_LAZY = frozenset({"discover", "discover_async"})


def __getattr__(name: str) -> object:
    """Import what is seldom used when it is used: the command line begins quickly without it."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pillarbox.client import discovery

    return getattr(discovery, name)
