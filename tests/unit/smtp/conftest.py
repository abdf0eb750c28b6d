"""Sessions of the server's protocol object in the states that tests begin with."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict, Unpack

import pytest
from tests.support.smtp_session import SESSION_ID, SETTINGS, Driver

from pillarbox.smtp.server import ServerProtocol


class Changes(TypedDict, total=False):
    """Settings that may differ from SETTINGS."""

    size_limit_octets: int
    recipient_limit: int
    mail_limit: int
    starttls: bool
    require_tls: bool
    error_limit: int
    idle_limit: int
    login_mechanisms: tuple[str, ...]
    requiretls: bool
    is_open: bool


class Sessions:
    """Makes sessions in the states that tests begin with."""

    def silent(self) -> ServerProtocol:
        """A session that has not been greeted."""
        return ServerProtocol(SETTINGS, session_id=SESSION_ID)

    def connected(
        self, *, tls: str = "", trusted: bool = False, **settings: Unpack[Changes]
    ) -> Driver:
        """Greeted by the server, nothing said by the client. `settings` differ from SETTINGS."""
        driver = Driver(replace(SETTINGS, **settings), tls=tls, trusted=trusted)
        assert driver.greet() == b"220 mx.test ESMTP Pillarbox\r\n"
        return driver

    def encrypted(self, **settings: Unpack[Changes]) -> Driver:
        """After TLS and EHLO, not logged in."""
        driver = self.connected(tls="TLSv1.3 TEST", **settings)
        driver.send(b"EHLO client.test\r\n")
        return driver

    def logged_in(self, **settings: Unpack[Changes]) -> Driver:
        """After TLS, EHLO and AUTH."""
        driver = self.encrypted(**settings)
        reply = driver.send(b"AUTH PLAIN AHUAcA==\r\n")
        assert reply == b"235 2.7.0 Logged in\r\n"
        return driver

    def ready(self, **settings: Unpack[Changes]) -> Driver:
        """After EHLO in plain text, allowed to send by its network address."""
        driver = self.connected(trusted=True, **settings)
        driver.send(b"EHLO client.test\r\n")
        return driver

    def in_transaction(self, mail: bytes = b"", **settings: Unpack[Changes]) -> Driver:
        """After MAIL and one RCPT; `mail` is what stands behind the reverse-path."""
        driver = self.ready(**settings)
        replies = driver.codes(b"MAIL FROM:<a@a.test>%b\r\nRCPT TO:<b@b.test>\r\n" % mail)
        assert replies == [250, 250]
        return driver


@pytest.fixture
def sessions() -> Sessions:
    """A maker of sessions."""
    return Sessions()


def _cuts(octets: bytes) -> list[list[bytes]]:
    whole = [octets]
    single = [octets[index : index + 1] for index in range(len(octets))]
    halves = [[octets[:index], octets[index:]] for index in range(1, len(octets))]
    return [whole, single, *halves]


@pytest.fixture
def cuts() -> Callable[[bytes], list[list[bytes]]]:
    """All the ways that count in which octets arrive: at once, singly, in two pieces."""
    return _cuts
