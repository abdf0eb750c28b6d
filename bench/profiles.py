"""The loads that are compared: what is sent, over what, how much at once."""

from dataclasses import dataclass, replace
from enum import StrEnum

KIB = 1024
MIB = 1024 * KIB


class Door(StrEnum):
    """How a client comes in. The plain one takes loopback addresses without a login; the others
    ask for AUTH."""

    PLAIN = "plain"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Profile:
    """So many messages of `octets` over so many sessions at once, each with `per_session` of them.

    Each of the `recipients` of a message has a domain of its own.
    """

    name: str
    title: str
    door: Door
    messages: int
    sessions: int
    per_session: int = 1
    octets: int = 4 * KIB
    recipients: int = 1
    domain: str = "next.example"

    def scaled(self, factor: float) -> "Profile":
        """With so many times the messages, but a few at least."""
        return replace(self, messages=max(round(self.messages * factor), 2 * self.sessions))


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("P1", "plain, one 4 KiB message a session, 20 sessions", Door.PLAIN, 5000, 20),
        Profile("P2", "plain, 100 messages a session", Door.PLAIN, 5000, 20, 100),
        Profile("P3", "STARTTLS and AUTH, one message a session", Door.STARTTLS, 2000, 20),
        Profile("P4", "TLS and AUTH, 50 messages a session", Door.TLS, 5000, 20, 50),
        Profile("P5", "1 MiB, 10 sessions", Door.PLAIN, 300, 10, octets=MIB),
        Profile("P8", "20 recipients in 20 domains", Door.PLAIN, 500, 20, recipients=20),
        Profile("P9", "100 KiB, 20 messages a session", Door.PLAIN, 2000, 20, 20, 100 * KIB),
    )
}
"""What is measured unless other profiles are asked for."""

IDLE, DEAD, SLOW = "P6", "P7", "P7S"
LONG_PROFILES = {
    IDLE: "5,000 idle TLS sessions after AUTH, and new mail meanwhile",
    DEAD: "P2 without and with 20,000 messages queued for a next hop that answers 451",
    SLOW: "P7 while that next hop takes a second for each answer",
}
