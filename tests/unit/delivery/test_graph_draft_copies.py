"""A draft that is gone, and what of its message stands in the mailbox under other ids."""

import json

import pytest
from tests.support.graphing import drafting
from tests.support.outgoing import DEFERRED, DELIVERED, states, stored

from pillarbox.delivery.graph_answer import GraphResults
from pillarbox.delivery.graph_content import LargeContent
from pillarbox.delivery.graph_draft import DraftAttempt
from pillarbox.delivery.graph_requests import GraphRequests
from pillarbox.emulate.config import SAMPLE_MAILBOX
from pillarbox.mail.envelope import RecipientState
from pillarbox.net.https import Answer
from pillarbox.store.drafts import Draft

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


class Mailbox(GraphRequests):
    """A mailbox that has no draft, makes none, and has copies that were sent."""

    copies = 0

    async def ask(self, method: str, path: str, **_: object) -> Answer:
        """As said."""
        if method == "POST":
            return Answer(500, {}, "")
        if "filter" not in path:
            return Answer(404, {}, "")
        return Answer(200, {}, json.dumps({"value": [{"isDraft": False}] * self.copies}))


@pytest.mark.parametrize(
    ("copies", "state"), [(0, DEFERRED), (1, DEFERRED), (2, DELIVERED)], ids=["none", "one", "both"]
)
async def test_a_copy_of_another_part_is_not_taken_for_this_one(
    copies: int, state: RecipientState
) -> None:
    """A message to many goes in parts with the same Message-ID: with two of them under way, one
    copy in Sent Items may be that of the other. A copy too many is better than a loss."""
    async with drafting() as far:
        drafts = far.settings.drafts
        assert drafts is not None
        for number in (0, 1):
            numbers = frozenset({number})
            made = Draft(1, f"AAMk{number}", SAMPLE_MAILBOX, numbers, is_complete=True)
            await drafts.add(made)
        message, source = stored(b"Subject: x\r\n\r\nx")
        message.queue_id, message.header_id = 1, "<x@here.test>"
        requests = Mailbox(far.hop, far.settings)
        requests.copies = copies
        attempt = DraftAttempt(
            SAMPLE_MAILBOX,
            requests,
            drafts,
            results=GraphResults("graph.test:443", [message.recipients[0].recipient]),
            message=message,
            recipients=message.recipients,
            content=LargeContent(message, source),
        )

        assert states(await attempt.run()) == {0: state}
