"""A message has arrived, by SMTP or Graph: what Microsoft says of it, and where it is kept."""

import asyncio
from dataclasses import dataclass

from pillarbox.emulate.headers import Addresses
from pillarbox.emulate.messages import Arrival, Message
from pillarbox.emulate.rules import check_authors, check_limits, may_send_as, shown_from
from pillarbox.emulate.world import Owner, World


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a message is not taken: the name of a reply, and the address that is meant, if one is."""

    name: str
    address: str = ""


def judge(world: World, owner: Owner, arrival: Arrival, addresses: Addresses) -> Denial | None:
    """Whether the mailbox may send this; where it may, its recipients count."""
    is_smtp = arrival.way == "smtp"
    if is_smtp and world.switches.is_at("mailbox_logon", "fails", owner.targets):
        return Denial("mailbox-logon")
    if arrival.sender and not may_send_as(world, owner, arrival.sender):
        return Denial("send-as", arrival.sender)
    name, address = check_authors(world, owner, addresses)
    name = name or check_limits(world, owner, addresses.authors[0], arrival.recipients)
    return Denial(name, address) if name else None


async def take(world: World, owner: Owner, arrival: Arrival, addresses: Addresses) -> Message:
    """Keep the message, as late as the limit by minute wants it; SMTP answers then only, Graph at
    once."""
    statistics = world.statistics[owner.mailbox.address]
    now = world.clock()
    accepted_at = world.paces[owner.mailbox.address].next(now)
    if accepted_at > now:
        statistics.delayed += 1
        if arrival.way == "smtp":
            await asyncio.sleep(accepted_at - now)
    message = world.messages.take(
        arrival,
        shown_from=shown_from(world, owner, addresses.authors[0]),
        accepted_at=accepted_at,
    )
    statistics.arrived.append(arrival.received_at)
    statistics.accepted += 1
    return message
