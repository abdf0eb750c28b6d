"""What clients of a domain are told beside the server for sending."""

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from pillarbox.errors import DirectoryError
from pillarbox.publish.mailboxes import MailboxServer
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema_directory import domain


@dataclass(frozen=True, slots=True)
class PublishedDomain:
    """A domain that a tenant has. `mailboxes`: where its mail is read, if anybody has said so."""

    name: str
    mailboxes: MailboxServer | None


def published_domain(connection: Connection, name: str) -> PublishedDomain | None:
    """A domain by its lower-case A-label; None where no tenant has it."""
    row = connection.execute(select(domain.c.mailboxes).where(domain.c.name == name)).first()
    if row is None:
        return None
    return PublishedDomain(name, MailboxServer.from_url(row.mailboxes) if row.mailboxes else None)


def set_mailboxes(connection: Connection, name: str, mailboxes: MailboxServer | None) -> None:
    """Say where mail of the domain is read. Raises DirectoryError where no tenant has it."""
    values = {"mailboxes": mailboxes.url if mailboxes else None}
    changed = connection.execute(update(domain).where(domain.c.name == name).values(values))
    if changed.rowcount == 0:
        raise DirectoryError(f"no tenant has the domain {name} (`pillarbox domain list` shows all)")
    moved(connection, Part.DIRECTORY)
