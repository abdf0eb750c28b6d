"""The emulator's replies against `explain`: two tables that were made apart from one another."""

from datetime import UTC, datetime

import pytest

from pillarbox.emulate.replies import REPLIES, Place, make_reply
from pillarbox.explain.replies import ReplyContext, explain_reply

PLACE = Place("emulate01.outlook.office365.example", "0123456789ABCDEF", datetime.now(UTC))
OFFICE = ReplyContext(host="smtp.office365.com")

OF_THE_STANDARD = {"unknown-mailbox": "rfc-x.1.1"}
"""Replies in whose words nothing is Microsoft's own."""


@pytest.mark.parametrize("name", [name for name, known in REPLIES.items() if known.row])
def test_each_reply_is_explained_by_its_row(name: str) -> None:
    """The number beside a text is the number of its explanation."""
    facts = {"login": "a@contoso.example", "sender": "b@contoso.example"}

    explanation = explain_reply(make_reply(name, PLACE, **facts), OFFICE)

    assert explanation is not None
    assert explanation.id == OF_THE_STANDARD.get(name, f"m365-{REPLIES[name].row:02}")
