"""The answer "no" of a policy: what the client is told, and what only administrators may read."""

from collections.abc import Mapping
from dataclasses import field

from pillarbox.explain.refusals import Fact, Refusal
from pillarbox.mail.reply import Reply
from pillarbox.values import quick


@quick(frozen=True, slots=True)
class Denial:
    """A refusal with the facts for the places in its text and its private `cause`.

    The cause goes into the log and the session record; it never holds a secret.
    """

    refusal: Refusal
    cause: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def reply(self, session_id: str) -> Reply:
        """What the client reads."""
        return self.refusal.reply(session_id, **self.facts)
