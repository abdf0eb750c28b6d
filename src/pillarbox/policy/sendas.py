"""As whom may an account send? The reverse-path and the author fields of a message.

Addresses are compared by `Mailbox.key`: case, Unicode form and the spelling of a domain do not
make another address. An account may use its own address, also with a "+tag" behind the local part,
and what was granted to it: addresses, "@domain" for every address of a domain, and "<>" for the
null reverse-path, which a mail server that submits its bounces needs. Whatever was granted, the
domain must be one that its tenant has now.
"""

from functools import lru_cache

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.message import HeaderBlock
from pillarbox.store.records import Account

NULL_GRANT = "<>"
"""The grant that allows the null reverse-path."""

MAX_AUTHOR_OCTETS = 16_384
"""Of From, Sender and all Resent fields together: two fields of the greatest length. Reading them
takes a microsecond an octet, in which nobody else is served."""

_REMEMBERED = 1000
"""Author fields whose verdict is known: at most 16 MiB of them, by the bound above."""


def may_send_as(account: Account, mailbox: Mailbox | None) -> bool:
    """Whether the account may use this address, or the null reverse-path (None)."""
    if mailbox is None:
        return NULL_GRANT in account.send_as
    return _may_use(account.send_as, account.tenant.domains, account.address.address, mailbox)


def _may_use(send_as: frozenset[str], domains: frozenset[str], own: str, mailbox: Mailbox) -> bool:
    key = mailbox.key
    local_part, _, domain = key.rpartition("@")
    if domain not in domains:
        return False
    if key in send_as or f"@{domain}" in send_as:
        return True
    own_key = parse_mailbox(own).key
    base, plus, _ = local_part.partition("+")
    return key == own_key or (bool(plus and base) and f"{base}@{domain}" == own_key)


def author_fault(account: Account, header: HeaderBlock) -> str:
    """Why the author fields of a message are not for this account to use; "" if they are.

    A message without From passes: it gets one of the account's own.
    """
    if header.is_ambiguous:
        return "an author field has a form that programs read differently"
    # RFC 5322 3.6: From occurs exactly once, Sender at most once.
    if len(header.from_fields) > 1:
        return "the message has several From fields"
    octets = sum(map(len, header.from_fields)) + sum(map(len, header.agent_fields))
    if octets > MAX_AUTHOR_OCTETS:
        return "the author fields are too long"
    rights = account.send_as, account.tenant.domains, account.address.address
    for body in header.from_fields:
        fault = _field_fault(*rights, body, "From")
        if fault:
            return fault
    for body in header.agent_fields:
        fault = _field_fault(*rights, body, "Sender or a Resent field")
        if fault:
            return fault
    return ""


@lru_cache(_REMEMBERED)
def _field_fault(
    send_as: frozenset[str], domains: frozenset[str], own: str, body: bytes, name: str
) -> str:
    """What follows from these values alone, and they are the same from message to message."""
    try:
        mailboxes = parse_authors(body)
    except AddressError as error:
        return f"{name} is not valid: {error}"
    for mailbox in mailboxes:
        if not _may_use(send_as, domains, own, mailbox):
            return f"{name} names {mailbox.address}, which is not granted to the account"
    return ""
