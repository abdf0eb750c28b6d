"""The documents by which clients set themselves up, by the names of the command line. Pure."""

from collections.abc import Callable, Mapping

from pillarbox.publish.apple_profile import apple_profile
from pillarbox.publish.autoconfig_document import autoconfig_document
from pillarbox.publish.autodiscover_document import autodiscover_document
from pillarbox.publish.client_settings import ClientSettings
from pillarbox.publish.mailboxes import MailboxServer
from pillarbox.publish.pacc_document import pacc_document


def _autoconfig(domain: str, settings: ClientSettings, mailboxes: MailboxServer | None) -> bytes:
    return autoconfig_document(domain, settings, mailboxes)


def _autodiscover(domain: str, settings: ClientSettings, mailboxes: MailboxServer | None) -> bytes:
    del domain
    return autodiscover_document(settings.username, settings, mailboxes)


def _apple(domain: str, settings: ClientSettings, mailboxes: MailboxServer | None) -> bytes | None:
    del domain
    return None if mailboxes is None else apple_profile(settings.username, settings, mailboxes)


_MAKERS: Mapping[str, Callable[[str, ClientSettings, MailboxServer | None], bytes | None]] = {
    "autoconfig": _autoconfig,
    "autodiscover": _autodiscover,
    "pacc": pacc_document,
    "apple": _apple,
}

DOCUMENT_NAMES = tuple(_MAKERS)


def make_document(
    name: str, domain: str, settings: ClientSettings, mailboxes: MailboxServer | None
) -> bytes | None:
    """A document for the account of `settings`; None where it can not say what there is: PACC
    without TLS at port 465, Apple's profile without a server for reading."""
    return _MAKERS[name](domain, settings, mailboxes)
