"""The replies that our emulator of Microsoft 365 gives: both tables say the same of each."""

import pytest

from pillarbox.emulate.replies import REPLIES, KnownReply
from pillarbox.explain.replies import ReplyContext, explain_reply, explain_text
from pillarbox.mail.reply import Reply
from pillarbox.smtp.client_replies import ReplyParser, to_reply

FAILURES = {name: known for name, known in REPLIES.items() if known.row}
TRAILER = "[AM0PR01CA0001.eurprd01.prod.exchangelabs.com 2026-11-20T10:00:00.000Z 08DE0000]"


@pytest.mark.parametrize("known", FAILURES.values(), ids=FAILURES)
def test_emulated_reply_is_explained_by_the_row_of_its_number(known: KnownReply) -> None:
    """As it comes over the wire, and as people paste it with what Microsoft puts behind it."""
    parser = ReplyParser()
    parser.feed(Reply(known.code, known.enhanced, (known.text,)).encode())
    raw = parser.next_reply()
    assert raw is not None
    answer = to_reply(raw)

    met = explain_reply(answer, ReplyContext(host="smtp.office365.com"))
    pasted = explain_text(f"{answer} {TRAILER}")

    row_id = f"m365-{known.row:02}"
    assert met is not None
    assert pasted is not None
    assert (met.id, pasted.id) == (row_id, row_id)
