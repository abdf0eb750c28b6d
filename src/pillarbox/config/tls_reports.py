"""The section about reports on TLS."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from pillarbox.config.section import Section
from pillarbox.errors import AddressError
from pillarbox.mail.address import parse_mailbox

_LINE_CHARACTERS = 200


def _address(text: str) -> str:
    """Check that a text is an address of ASCII, or empty."""
    try:
        is_good = not text or parse_mailbox(text).is_ascii
    except AddressError:
        is_good = False
    if not is_good:
        raise ValueError(f"{text!r} is no address like name@example.org")
    return text


def _line(text: str) -> str:
    """Check that a text is one line."""
    if not text.isprintable() or len(text) > _LINE_CHARACTERS:
        raise ValueError(f"is no line of at most {_LINE_CHARACTERS} characters")
    return text


Address: TypeAlias = Annotated[str, AfterValidator(_address)]


class TlsReports(Section):
    """Reports to other domains on TLS with their mail hosts (TLS-RPT, RFC 8460); with `contact`
    they are sent."""

    contact: Address = ""
    """Whom others may write to about a report; "": nothing is counted, and no report is sent."""
    from_address: Address = ""
    """Who sends the reports by mail; default: `contact`. Its domain has to be one of a tenant: its
    routes take the reports, and its keys sign them."""
    organization: Annotated[str, AfterValidator(_line)] = ""
    """Who reports, for people; default: host_name."""
