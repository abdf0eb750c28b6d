"""The configuration: what a process needs to start. `load` reads it into frozen `Settings`."""

from pillarbox.config.load import load, secret_file
from pillarbox.config.settings import (
    Delivery,
    Limits,
    Listener,
    Log,
    Metrics,
    Publishing,
    SelfCheck,
    Settings,
    Tls,
)
from pillarbox.config.tls_reports import TlsReports

__all__ = [
    "Delivery",
    "Limits",
    "Listener",
    "Log",
    "Metrics",
    "Publishing",
    "SelfCheck",
    "Settings",
    "Tls",
    "TlsReports",
    "load",
    "secret_file",
]
