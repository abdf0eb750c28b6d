"""Microsoft 365 for tests, in a thread of the program that tests: the emulator (docs/emulator.md)
with the looks of the SMTP server for tests."""

import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_MAILBOX,
    SAMPLE_PASSWORD,
    SAMPLE_SECRET,
    SAMPLE_SHARED,
    SAMPLE_TENANT,
    EmulatorConfig,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.messages import Message
from pillarbox.testing.background import in_background
from pillarbox.testing.inbox import Inbox
from pillarbox.testing.orders import Orders
from pillarbox.testing.received import Received


class M365Server(Inbox, Orders):
    """`with M365Server() as server`, or the fixture `m365_server`.

    `port` stands for smtp.office365.com:587, `authority_url` for https://login.microsoftonline.com,
    `graph_url` for https://graph.microsoft.com; all show a certificate of `ca_file`. There is a
    sample tenant, app and mailbox. `set_switches` is what an admin changes; `emulator` is the rest.
    """

    host = "localhost"
    tenant_id = SAMPLE_TENANT
    client_id = SAMPLE_APP
    client_secret = SAMPLE_SECRET
    mailbox = SAMPLE_MAILBOX
    shared_mailbox = SAMPLE_SHARED
    password = SAMPLE_PASSWORD

    def __init__(
        self, config: EmulatorConfig | None = None, *, switches: Mapping[str, str] | None = None
    ) -> None:
        self.emulator = Emulator(config or EmulatorConfig(switches=switches or {}))
        Inbox.__init__(self)
        Orders.__init__(self, self.emulator.world.faults)
        self.emulator.world.messages.listener = self._arrived
        self._stack = ExitStack()

    @property
    def port(self) -> int:
        """The port that stands for smtp.office365.com:587."""
        return self.emulator.smtp_port

    @property
    def authority_url(self) -> str:
        """What stands for https://login.microsoftonline.com, without the tenant."""
        return self.emulator.authority_url

    @property
    def token_url(self) -> str:
        """The token endpoint of the sample tenant."""
        return f"{self.authority_url}/{self.tenant_id}/oauth2/v2.0/token"

    @property
    def graph_url(self) -> str:
        """What stands for https://graph.microsoft.com."""
        return self.emulator.graph_url

    @property
    def ca_file(self) -> Path:
        """The authority to trust, in PEM."""
        return self.emulator.ca_file

    def ssl_context(self) -> ssl.SSLContext:
        """For a client: trusts this server's authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def set_switches(self, **positions: str) -> None:
        """Set switches of docs/emulator.md by name, as an admin does. Raises SwitchError."""
        self.emulator.world.switches.change(positions)

    def __enter__(self) -> Self:
        self._stack.enter_context(in_background(self.emulator))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _arrived(self, message: Message) -> None:
        arrival = message.arrival
        self.put(
            Received(
                raw=message.seen,
                sender=arrival.sender,
                recipients=arrival.recipients,
                login=arrival.login,
                mechanism=arrival.mechanism,
                tls=arrival.tls,
            )
        )
