"""The key of return addresses (mail.return_path): one for the service, in its database.

It is not sealed: a service without a master key has return paths, too, and who can read the
database reads all that a forged bounce could tell. docs/security.md says more.
"""

import secrets

from sqlalchemy import Connection, select

from pillarbox.mail.return_path import KEY_OCTETS
from pillarbox.store.schema import setting
from pillarbox.store.upsert import insert_or_update

_NAME = "return_path_key"


def ensure_return_key(connection: Connection) -> bytes:
    """The key, made when it is asked for the first time."""
    made = {"name": _NAME, "value": secrets.token_hex(KEY_OCTETS)}
    statement = insert_or_update(connection, setting).values(made)
    connection.execute(statement.on_conflict_do_nothing())
    value = connection.scalar(select(setting.c.value).where(setting.c.name == _NAME))
    return bytes.fromhex(str(value))
