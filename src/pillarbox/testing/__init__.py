"""Mail servers for tests: a real SMTP server and Microsoft 365, each in a thread of the test's own
process, on free ports of the loopback, with TLS.

    def test_report_is_mailed(smtp_server):        # a fixture of the pytest plugin
        mail_the_report(smtp_server.host, smtp_server.port)

        assert smtp_server.wait_for(subject="Report").recipients == ("boss@example.com",)

Without pytest: `with SmtpServer() as server`. Needs the extra `testing`. docs/testing.md tells all.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pillarbox.emulate.faults import Action, Fault, Stage
    from pillarbox.testing.inbox import NotReceived
    from pillarbox.testing.m365_server import M365Server
    from pillarbox.testing.received import Received
    from pillarbox.testing.smtp_server import SmtpServer

__all__ = ["Action", "Fault", "M365Server", "NotReceived", "Received", "SmtpServer", "Stage"]

_MODULES = {
    "Action": "pillarbox.emulate.faults",
    "Fault": "pillarbox.emulate.faults",
    "M365Server": "pillarbox.testing.m365_server",
    "NotReceived": "pillarbox.testing.inbox",
    "Received": "pillarbox.testing.received",
    "SmtpServer": "pillarbox.testing.smtp_server",
    "Stage": "pillarbox.emulate.faults",
}


def __getattr__(name: str) -> object:
    """Import what is used when it is used: pytest loads this package with every run."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
