"""A listener that takes only what comes back: what it takes, what follows, and what it refuses."""

import asyncio
from email import message_from_bytes
from typing import Any

import pytest
from sqlalchemy import delete
from tests.support import bounces
from tests.support.reception import RETURN_KEY, USER, Client, Site
from tests.unit.outcome.conftest import Connect
from tests.unit.outcome.returning import DOMAIN, send

from pillarbox.config import Limits
from pillarbox.mail.return_path import ReturnTag, feedback_address, return_address
from pillarbox.mail.returned import READ_OCTETS
from pillarbox.store.schema import content as stored_content
from pillarbox.store.schema_directory import suppression


async def test_a_bounce_is_taken_and_told(site: Site, logged_in: Client, connect: Connect) -> None:
    """When the 250 comes the effects are in the store: trace, suppression, a report to the sender;
    once, however often it is brought."""
    sent = await send(site, logged_in, connect)
    for _ in range(2):
        assert (await sent.back(bounces.report(bounces.POSTFIX))).startswith("250 ")

    (bounce,) = await sent.returned()
    assert (bounce.kind, bounce.remote_host) == ("failed", "inner.far.example")
    assert bounce.reply.startswith("550 5.1.1 <bob@inner.far.example>: Recipient")
    ((report, content),) = await sent.told()
    assert bounce.report_id == report.queue_id
    assert [one.recipient.forward_path.address for one in report.recipients] == [USER]
    text, status, header = _parts(content)
    assert "inner.far.example took it and reported later:" in text
    assert "Final-Recipient: rfc822;bob@far.example\r\nAction: failed\r\nStatus: 5.1.1" in status
    assert "Subject: Bill 7" in header
    assert [(one.address, one.origin) for one in await sent.suppressed()] == [
        ("bob@far.example", "bounce")
    ]


def _parts(content: bytes) -> list[str]:
    """The parts of a report."""
    boundary = content.partition(b'boundary="')[2].partition(b'"')[0]
    return [part.decode() for part in content.split(b"--" + boundary)[1:-1]]


async def test_the_header_in_a_report_counts_if_it_is_of_the_message(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Where our own copy is gone the sender gets back what the report has, and nothing that a
    stranger put there."""
    for header_id, is_given_back in (("m1@t1.test", True), ("m2@t1.test", False)):
        site.accepted.clear()
        sent = await send(site, logged_in, connect, f"{header_id[:2]}@far.example")
        await site.database.write(_forget_content)
        original = bounces.ORIGINAL.replace("m1@t1.test", header_id)
        await sent.back(bounces.report(bounces.EXCHANGE, original=original))

        ((_, content),) = await sent.told()
        assert (b"Subject: Bill 7" in content) is is_given_back


def _forget_content(connection: Any) -> None:
    connection.execute(delete(stored_content))


async def test_the_same_bounce_in_two_sessions_counts_once(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """At the same moment, too."""
    sent = await send(site, logged_in, connect)
    clients = [await connect("returns") for _ in range(4)]
    for client in clients:
        await client.command("EHLO mx.far.example")

    replies = await asyncio.gather(
        *(sent.back(bounces.report(bounces.POSTFIX), client=client) for client in clients)
    )

    assert {reply[:4] for reply in replies} == {"250 "}
    assert len(await sent.told()) == 1


@pytest.mark.parametrize("limits", [Limits(handshakes_per_address=3)])
async def test_servers_that_connect_anew_for_each_bounce_are_not_counted(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Attacks row 24: nobody logs in here, and what is taken gives the handshake back, once."""
    sent = await send(site, logged_in, connect)

    async def encrypted() -> Client:
        client = await connect("returns")
        assert (await client.starttls(site.client_context())).startswith("220 ")
        await client.command("EHLO mx.far.example")
        return client

    for _ in range(5):
        client = await encrypted()
        for _ in range(2):
            reply = await sent.back(bounces.report(bounces.POSTFIX), client=client)
            assert reply.startswith("250 ")
    for _ in range(3):
        assert (await sent.back(b"x", USER, client=await encrypted())).startswith("550 ")
    last = await connect("returns")
    assert (await last.command("STARTTLS")).startswith("421 4.7.0 ")


async def test_nobody_else_is_taken(site: Site, logged_in: Client, connect: Connect) -> None:
    """It can not be a relay: not for accounts, nor for return addresses of others or of nothing."""
    sent = await send(site, logged_in, connect)
    client = sent.client
    other = ReturnTag(sent.queue_id + 1, 0, is_shared=False)
    wrong = (
        USER,
        "postmaster",
        "bob@far.example",
        f"bob%far.example@{DOMAIN}",
        f'"bob@far.example"@{DOMAIN}',
        sent.address(domain="bounces.other.test").replace("bounces.other.test", DOMAIN),
        sent.address().replace(DOMAIN, "other.test"),
        return_address(RETURN_KEY, DOMAIN, other).address,
        sent.address(5),
    )
    await client.command("MAIL FROM:<>")
    for address in wrong:
        reply = await client.command(f"RCPT TO:<{address}>")
        assert reply.startswith("550 5.1.1 This port takes only reports"), address
    assert (await client.command("DATA")).startswith("503 ")
    assert (await client.command("AUTH PLAIN eA==")).startswith("502 ")

    assert len(site.accepted) == 1


async def test_what_is_offered(site: Site, connect: Connect) -> None:
    """STARTTLS, but no login and nothing that would have to be passed on. Any sender is heard."""
    client = await connect("returns")
    offered = await client.command("EHLO x")
    assert "STARTTLS" in offered
    assert not {"AUTH", "DSN", "BINARYMIME"} & set(offered.replace("-", " ").split())

    for taken_elsewhere in ("BODY=BINARYMIME", "REQUIRETLS"):
        reply = await client.command(f"MAIL FROM:<> {taken_elsewhere}")
        assert reply.startswith("555 5.5.4 "), taken_elsewhere

    await client.starttls(site.client_context())
    assert "STARTTLS" not in await client.command("EHLO x")
    assert (await client.command("MAIL FROM:<mailer@far.example>")).startswith("250 ")


async def test_a_shared_address_is_of_whom_the_report_names(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Who can read it may speak of those who went with it, and of nobody else."""
    sent = await send(site, logged_in, connect, "ann@far.example", "bob@far.example")
    shared = sent.address(shared=True)
    alone = sent.address(0)

    stranger = bounces.report(bounces.POSTFIX.replace("bob@far.example", "eve@far.example"))
    assert (await sent.back(bounces.report(bounces.POSTFIX), shared)).startswith("250 ")
    assert (await sent.back(stranger, shared)).startswith("250 ")
    assert (await sent.back(bounces.report(bounces.EXCHANGE), alone)).startswith("250 ")

    assert [one.kind for one in await sent.returned(1)] == ["failed"]
    assert [one.kind for one in (await sent.trace()).returned] == ["other"]
    # Forwarded to somebody whom only the report names: it is about the owner of the address.
    assert [one.reply[:10] for one in await sent.returned(0)] == ["550 5.1.10"]


async def test_a_text_names_one_of_several(site: Site, logged_in: Client, connect: Connect) -> None:
    """In its words, or in a field of Exim's."""
    for content in (bounces.QMAIL, bounces.EXIM):
        sent = await send(site, logged_in, connect, "ann@far.example", "bob@far.example")

        await sent.back(content, sent.address(shared=True))

        assert [one.kind for one in await sent.returned(1)] == ["failed"]
        assert not await sent.returned(0)
        site.accepted.clear()
        await site.change(_forget_suppressions)


async def test_a_part_of_an_address_names_nobody(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Somebody else has a longer one; the sender gets to read it himself."""
    for other in (b"jobob@far.example", b"bob@far.example.org", b"x.bob@far.example"):
        sent = await send(site, logged_in, connect, "ann@far.example", "bob@far.example")

        await sent.back(bounces.QMAIL.replace(b"bob@far.example", other), sent.address(shared=True))

        assert not await sent.returned(1), other
        assert not await sent.suppressed()
        assert [one.kind for one in (await sent.trace()).returned] == ["other"]


def _forget_suppressions(connection: Any) -> None:
    connection.execute(delete(suppression))


async def test_an_automatic_answer_goes_to_the_sender(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """As it would without a return path: unchanged, once of each recipient."""
    sent = await send(site, logged_in, connect)
    for _ in range(2):
        reply = await sent.back(bounces.VACATION, sender="bob@far.example")
        assert reply.startswith("250 ")

    ((passed_on, content),) = await sent.told()
    assert content == bounces.VACATION.replace(b"\n", b"\r\n")
    assert passed_on.prefix.startswith(b"Received: from mx.far.example ([127.0.0.1])\r\n")
    assert [one.recipient.forward_path.address for one in passed_on.recipients] == [USER]
    assert [one.kind for one in await sent.returned()] == ["auto-reply"]


async def test_what_is_no_report_is_refused(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Letters of people, what is too large for an answer, what runs in circles."""
    sent = await send(site, logged_in, connect)
    too_large = bounces.VACATION + b"x" * READ_OCTETS + b"\n"
    in_circles = b"Received: by x\n" * 101 + bounces.VACATION

    assert (await sent.back(bounces.HUMAN, sender="bob@far.example")).startswith("550 5.7.1 ")
    assert (await sent.back(too_large)).startswith("550 5.7.1 ")
    assert (await sent.back(in_circles)).startswith("554 5.4.6 ")

    assert not await sent.told()
    assert not await sent.returned()


_DELIVERED = "Final-Recipient: rfc822; bob@far.example\nAction: delivered\nStatus: 2.0.0\n"
_DELAYED = "Final-Recipient: rfc822; bob@far.example\nAction: delayed\nStatus: 4.4.1\n"


async def test_the_sender_is_told_what_he_asked_for(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """RFC 3461 section 4.1, as if it had come at once. It is known here in any case."""
    cases: tuple[tuple[str, str, list[str]], ...] = (
        ("", _DELIVERED, []),
        (" NOTIFY=SUCCESS", _DELIVERED, ["Your message was delivered"]),
        ("", _DELAYED, ["Your message is late, it is still being tried"]),
        (" NOTIFY=FAILURE", _DELAYED, []),
        (" NOTIFY=FAILURE", bounces.POSTFIX, ["Your message could not be delivered"]),
        (" NOTIFY=NEVER", bounces.POSTFIX, []),
    )
    for number, (notify, status, subjects) in enumerate(cases):
        site.accepted.clear()
        sent = await send(site, logged_in, connect, f"bob{number}@far.example", notify=notify)

        await sent.back(bounces.report(status))

        told = [message_from_bytes(content)["Subject"] for _, content in await sent.told()]
        assert told == subjects
        assert len(await sent.returned()) == 1


async def test_a_delay_behind_a_failure_is_not_told(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Who was told the worst is told no more."""
    sent = await send(site, logged_in, connect)
    for status in (bounces.POSTFIX, _DELAYED):
        await sent.back(bounces.report(status))

    assert len(await sent.told()) == 1
    assert [one.kind for one in await sent.returned()] == ["failed", "delayed"]


async def test_a_complaint_ends_mail_to_that_recipient(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """For good, with a reason of its own; the sender gets nothing."""
    sent = await send(site, logged_in, connect)

    assert (await sent.back(bounces.complaint())).startswith("250 ")

    (suppressed,) = await sent.suppressed()
    assert (suppressed.origin, suppressed.expires_at) == ("complaint", None)
    assert suppressed.reason == "complaint (abuse)"
    assert not await sent.told()
    (one,) = await sent.returned()
    assert (one.kind, one.reply) == ("complaint", "abuse")


async def test_a_feedback_loop_has_one_address(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """The complaint says itself about which message it is; only complaints are taken there."""
    sent = await send(site, logged_in, connect)
    feedback = feedback_address(RETURN_KEY, DOMAIN).address
    forged = sent.address().replace("-0-", "-1-")
    for path in (forged, "bob@far.example", ""):
        assert (await sent.back(bounces.complaint(path=path), feedback)).startswith("250 ")
    for content in (bounces.report(bounces.POSTFIX), bounces.VACATION, bounces.HUMAN):
        assert (await sent.back(content, feedback)).startswith("550 5.7.1 ")
    assert not await sent.returned()

    complaint = bounces.complaint(path=sent.address())
    assert (await sent.back(complaint, feedback)).startswith("250 ")

    assert [one.kind for one in await sent.returned()] == ["complaint"]
    assert [one.origin for one in await sent.suppressed()] == ["complaint"]
    assert not await sent.told()


async def test_other_feedback_suppresses_nobody(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """One says the contrary, the other says nothing of the recipient."""
    for feedback in ("not-spam", "virus"):
        site.accepted.clear()
        sent = await send(site, logged_in, connect)

        assert (await sent.back(bounces.complaint(feedback))).startswith("250 ")

        assert not await sent.suppressed()
        assert not await sent.told()


async def test_who_takes_a_complaint_back_can_complain_again(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """ "not-spam" about one of several is no complaint, so the first one still counts."""
    sent = await send(site, logged_in, connect, "ann@far.example", "bob@far.example")
    shared, to = sent.address(shared=True), "Original-Rcpt-To: <bob@far.example>\n"

    assert (await sent.back(bounces.complaint("not-spam", to=to), shared)).startswith("250 ")
    assert not await sent.suppressed()
    assert (await sent.back(bounces.complaint(to=to), shared)).startswith("250 ")

    assert [one.kind for one in await sent.returned(1)] == ["other", "complaint"]
    assert [one.address for one in await sent.suppressed()] == ["bob@far.example"]
    assert not await sent.told()


async def test_a_complaint_behind_another_kind_of_feedback_counts(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """A filter may say "virus" of a message before its recipient does not want it."""
    sent = await send(site, logged_in, connect)
    assert (await sent.back(bounces.complaint("virus"))).startswith("250 ")
    assert not await sent.suppressed()

    assert (await sent.back(bounces.complaint())).startswith("250 ")

    assert [one.address for one in await sent.suppressed()] == ["bob@far.example"]
    assert [one.reply for one in await sent.returned()] == ["virus", "abuse"]


async def test_a_report_on_a_report_has_nowhere_to_go(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """What we tell senders has no sender, so nothing of it comes back."""
    sent = await send(site, logged_in, connect)
    await sent.back(bounces.report(bounces.POSTFIX))
    ((report, _),) = await sent.told()

    tag = ReturnTag(report.queue_id, 0, is_shared=False)
    reply = await sent.back(b"x", return_address(RETURN_KEY, DOMAIN, tag).address)

    assert reply.startswith("550 5.1.1 ")
