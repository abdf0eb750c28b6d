"""The words of a delivery report that explain a reply."""

from tests.support.queueing import NOW

from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.dsn_words import Action, ReportedRecipient, explain_report
from pillarbox.mail.envelope import Recipient
from pillarbox.mail.reply import reply


def test_cause_and_fix_stand_behind_the_answer() -> None:
    """The sender reads what is behind it and what he can do, and whom to give the rest to."""
    entry = ReportedRecipient(
        recipient=Recipient(0, parse_mailbox("bob@far.example")),
        action=Action.FAILED,
        reply=reply(550, "5.7.60", "Client does not have permissions to send as this sender"),
        remote_host="smtp.office365.com",
        attempted_at=NOW,
        cause="The mailbox may not send as that address.",
        fix="Add-RecipientPermission SENDER -Trustee MAILBOX",
    )

    text = explain_report("relay.example", 1, (entry,))

    order = [
        "smtp.office365.com answered:",
        "550 5.7.60",
        "What is behind it:",
        "The mailbox may not send as that address.",
        "What to do:",
        "For your administrator:",
        "Add-RecipientPermission SENDER -Trustee MAILBOX",
    ]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)
    assert all(len(line) <= 78 for line in text.split("\r\n"))
