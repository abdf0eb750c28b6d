"""As whom may an account send? The reverse-path and the author fields of a message.

Addresses are compared by `Mailbox.key`: case, Unicode form and the spelling of a domain do not
make another address. An account may use its own address, also with a "+tag" behind the local part,
and what was granted to it: addresses, "@domain" for every address of a domain, and "<>" for the
null reverse-path, which a mail server that submits its bounces needs. Whatever was granted, the
domain must be one that its tenant has now.
"""

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.message import HeaderBlock
from pillarbox.store.records import Account

NULL_GRANT = "<>"
"""The grant that allows the null reverse-path."""

MAX_AUTHOR_OCTETS = 16_384
"""Of From, Sender and all Resent fields together: two fields of the greatest length. Reading them
takes a microsecond an octet, in which nobody else is served."""


def may_send_as(account: Account, mailbox: Mailbox | None) -> bool:
    """Whether the account may use this address, or the null reverse-path (None)."""
    if mailbox is None:
        return NULL_GRANT in account.send_as
    key = mailbox.key
    local_part, _, domain = key.rpartition("@")
    if domain not in account.tenant.domains:
        return False
    if key in account.send_as or f"@{domain}" in account.send_as:
        return True
    own = account.address.key
    base, plus, _ = local_part.partition("+")
    return key == own or (bool(plus and base) and f"{base}@{domain}" == own)


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
    for body in header.from_fields:
        fault = _field_fault(account, body, "From")
        if fault:
            return fault
    for body in header.agent_fields:
        fault = _field_fault(account, body, "Sender or a Resent field")
        if fault:
            return fault
    return ""


def _field_fault(account: Account, body: bytes, name: str) -> str:
    try:
        mailboxes = parse_authors(body)
    except AddressError as error:
        return f"{name} is not valid: {error}"
    for mailbox in mailboxes:
        if not may_send_as(account, mailbox):
            return f"{name} names {mailbox.address}, which is not granted to the account"
    return ""
