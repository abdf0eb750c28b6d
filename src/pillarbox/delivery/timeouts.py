"""How long a next hop may take for each step (RFC 5321 section 4.5.3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pillarbox.smtp.client_phase import Phase


@dataclass(frozen=True)
class Timeouts:
    """Seconds. RFC 5321 section 4.5.3.2: "an SMTP client MUST provide a timeout mechanism", "per
    command"; the defaults are its minimums. `block` is for a piece of content to be taken, `end`
    for the reply to the whole of it, `quit` for replies without which all is decided, too. `late`:
    see `opening`."""

    connect: float = 30
    handshake: float = 30
    greeting: float = 300
    command: float = 300
    data: float = 120
    block: float = 180
    end: float = 600
    quit: float = 5
    late: float = 60

    def opening(self, waited: float) -> float:
        """How long a server may take until a transaction can begin, where `waited` was spent on
        others of the same next hop. One that hangs has what the RFC says; after that each further
        one is only asked whether it is well: nobody waits half an hour for six that hang."""
        full = self.greeting + self.command
        return full if waited < self.greeting else min(self.late, full)

    @cached_property
    def by_phase(self) -> Mapping[Phase, float]:
        """How long to wait for the server in each phase."""
        return dict.fromkeys(Phase, self.command) | {
            Phase.GREETING: self.greeting,
            Phase.DATA: self.data,
            Phase.CONTENT: self.block,
            Phase.CONFIRMATION: self.end,
            Phase.ABANDON: self.end,
            Phase.RESET: self.quit,
            Phase.PROOF: self.quit,
            Phase.QUIT: self.quit,
        }
