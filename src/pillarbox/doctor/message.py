"""Asks the DNS of those who vouch for a message, and verifies its signatures. It judges nothing."""

import asyncio
import re
from dataclasses import dataclass, replace

from pillarbox.diagnosis.about_signatures import fault
from pillarbox.diagnosis.message_facts import (
    DkimResult,
    Message,
    MessageFacts,
    SenderFacts,
    SignatureFacts,
)
from pillarbox.diagnosis.message_form import author_domain, envelope_domain, signatures_of
from pillarbox.doctor.domain import DomainRequest, dmarc_records, selector_facts, spf_facts
from pillarbox.net.dmarc import walk
from pillarbox.net.dns import DnsResolver

MAX_HEADER_OCTETS = 100_000
"""Signatures of a larger header are not verified: the library takes the square of its size."""


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """What is known beside the message: the sender of the envelope, the address that it comes
    from; "" for what is not. `is_bulk`: it goes to many."""

    sender: str = ""
    address: str = ""
    is_bulk: bool = False


async def examine_message(
    message: Message, request: MessageRequest, resolver: DnsResolver | None
) -> MessageFacts:
    """All facts of a message; without a resolver nobody is asked."""
    author, envelope = author_domain(message), envelope_domain(message, request.sender)
    sender = SenderFacts(author, envelope, request.address)
    signatures = signatures_of(message)
    if resolver is None:
        unasked = tuple(replace(one, why="nobody was asked") for one in signatures)
        return MessageFacts(message, unasked, sender, request.is_bulk)
    async with asyncio.TaskGroup() as group:
        looks = [
            group.create_task(_verified(message, number, one, resolver))
            for number, one in enumerate(signatures)
        ]
        known = group.create_task(_sender(sender, resolver))
    verified = tuple(look.result() for look in looks)
    return MessageFacts(message, verified, known.result(), request.is_bulk)


async def _sender(sender: SenderFacts, dns: DnsResolver) -> SenderFacts:
    if sender.address and sender.envelope:
        spf = await spf_facts(DomainRequest(sender.envelope, address=sender.address), dns)
        sender = replace(sender, spf=spf.result if spf.records else "none")
    if sender.author:
        at, records = await dmarc_records(sender.author, dns)
        discovery = (await walk(dns, sender.author)).discovery
        sender = replace(sender, dmarc=records, dmarc_at=at, discovery=discovery)
    return sender


async def _verified(
    message: Message, number: int, one: SignatureFacts, dns: DnsResolver
) -> SignatureFacts:
    if fault(one):
        return replace(one, result=DkimResult.MALFORMED)
    key = await selector_facts(one.selector, one.domain, dns)
    if key is None:
        return replace(one, why="the DNS does not answer")
    if len(key.texts) != 1:
        return replace(one, key=key, result=DkimResult.NO_KEY)
    result, why = await asyncio.to_thread(_verify, message, number, replace(one, key=key))
    return replace(one, key=key, result=result, why=why)


def _verify(message: Message, number: int, one: SignatureFacts) -> tuple[DkimResult, str]:
    """The result for the signature of this number, by the library."""
    record = one.key.texts[0] if one.key else ""
    try:
        import dkim
    except ImportError:
        return DkimResult.UNKNOWN, "the library dkimpy is not installed here"
    if message.header_octets > MAX_HEADER_OCTETS:
        return DkimResult.UNKNOWN, "the header is too large"
    if not record.isascii():
        return DkimResult.NO_KEY, ""
    try:
        verifier = dkim.DKIM(_quick(message, one))
        fits = verifier.verify(number, lambda *_, **__: record.encode("ascii"))
    except dkim.KeyFormatError as exc:
        return DkimResult.NO_KEY, str(exc)[:200]
    except dkim.ValidationError as exc:
        if "body hash" in str(exc):
            return DkimResult.BODY_CHANGED, str(exc)[:200]
        if "x= value is past" in str(exc):
            return DkimResult.UNKNOWN, "it has ended"
        return DkimResult.MALFORMED, str(exc)[:200]
    except (dkim.DKIMException, ArithmeticError, LookupError, TypeError, ValueError) as exc:
        return DkimResult.UNKNOWN, f"the library can not read it ({type(exc).__name__})"
    return (DkimResult.PASS if fits else DkimResult.WRONG), ""


def _quick(message: Message, one: SignatureFacts) -> bytes:
    """The message for the library, which takes the square of the length of a run of blanks. To
    relaxed signatures a run is the same as one blank (RFC 6376 section 3.4.4)."""
    if one.tags.get("c", "").lower().partition("/")[2].strip() != "relaxed":
        return message.octets
    head = message.octets[: message.header_octets]
    return head + b"\r\n" + re.sub(rb"[ \t]+", b" ", message.body)
