"""Recipients that a tenant does not send to, as sessions meet them."""

from tests.support.reception import MESSAGE, USER, Client, Site

from pillarbox.mail.address import parse_mailbox
from pillarbox.policy.clock import timestamp
from pillarbox.store.admin.tenants import find_tenant_id
from pillarbox.store.suppressions import add_suppression, remove_suppression

BOB = parse_mailbox("bob@example.net")


async def test_a_suppressed_recipient_is_refused_with_the_way_out(
    site: Site, logged_in: Client
) -> None:
    """It alone: the message goes to the others. Taken again once somebody allows it, in a session
    that is open."""
    await site.change(
        lambda c: add_suppression(
            c, find_tenant_id(c, "default"), BOB, "left", now=timestamp(), expires_at=None
        )
    )
    await logged_in.command(f"MAIL FROM:<{USER}>")
    refused = await logged_in.command("RCPT TO:<BOB@example.NET>")
    assert refused.startswith("550 5.7.1 ")
    assert "pillarbox suppression remove ADDRESS" in refused
    assert (await logged_in.command("RCPT TO:<ann@example.net>")).startswith("250 ")
    assert (await logged_in.command("DATA")).startswith("354 ")
    logged_in.send(MESSAGE + b".\r\n")
    assert (await logged_in.reply()).startswith("250 ")

    await site.change(
        lambda c: remove_suppression(c, find_tenant_id(c, "default"), BOB, now=timestamp())
    )
    assert (await logged_in.message(MESSAGE, "bob@example.net")).startswith("250 ")

    addresses = [
        [one.recipient.forward_path.address for one in message.recipients]
        for message in site.accepted
    ]
    assert addresses == [["ann@example.net"], ["bob@example.net"]]
