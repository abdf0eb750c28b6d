"""How long a next hop may take for each step (RFC 5321 section 4.5.3.2)."""

from dataclasses import dataclass

from pillarbox.smtp.client_phase import Phase


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 section 4.5.3.2: "an SMTP client MUST provide a timeout mechanism", "per
    command"; the defaults are its minimums. `block` is for a piece of content to be taken, `end`
    for the reply to the whole of it."""

    connect: float = 30
    handshake: float = 30
    greeting: float = 300
    command: float = 300
    data: float = 120
    block: float = 180
    end: float = 600
    quit: float = 5

    def of(self, phase: Phase) -> float:
        """How long to wait for the server in this phase."""
        match phase:
            case Phase.CONFIRMATION | Phase.ABANDON:
                return self.end
            case Phase.DATA:
                return self.data
            case Phase.CONTENT:
                return self.block
            case Phase.GREETING:
                return self.greeting
            case Phase.QUIT:
                return self.quit
            case _:
                return self.command
