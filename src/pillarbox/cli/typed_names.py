"""Domains and addresses as people type them, read without the store: an error names which of them
is none."""

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, domain_key, parse_mailbox


def typed_domain(text: str) -> str:
    """A domain as it is compared. Raises Failure."""
    try:
        return domain_key(text)
    except AddressError as error:
        raise Failure(ExitCode.DATA, f"{text!r} is no domain: {error}") from error


def typed_mailbox(text: str) -> Mailbox:
    """An address. Raises Failure."""
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise Failure(ExitCode.DATA, f"{text!r} is no mail address: {error}") from error
