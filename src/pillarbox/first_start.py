"""The first start: `python -m pillarbox.first_start FOLDER` makes a data folder and all in it.

Master key, configuration, authority and certificate, database, the tenant `default` with a domain
and a first account. What is there already is kept, so every start may begin with it. It shows the
settings card; the password stands on it only when the account was just made.
"""

import base64
import os
import sys
from pathlib import Path

from pillarbox.config import Settings, load
from pillarbox.config.client import CA_NAME, TLS_FOLDER, client_settings
from pillarbox.errors import PillarboxError, SpoolTrouble, SpoolUnavailable
from pillarbox.files import replace_file
from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.policy.clock import timestamp
from pillarbox.publish.card import render_card, render_settings
from pillarbox.publish.literals import shell_literal
from pillarbox.store.admin.first_account import FirstAccount, ensure_first_account
from pillarbox.store.database import Database
from pillarbox.store.seal import new_master_key

CONFIG_NAME = "pillarbox.toml"
KEY_NAME = "master.key"
CA_KEY_NAME = "ca.key"

FIRST_ACCOUNT = "first@pillarbox.example"
"""Unless PILLARBOX_FIRST_ACCOUNT names another. The domain is reserved (RFC 2606): mail from it
comes to nobody."""

FIRST_ACCOUNT_VARIABLE = "PILLARBOX_FIRST_ACCOUNT"

CONFIG_TEXT = """\
# Pillarbox on this machine. docs/configuration.md tells all options; each has a good default.
# Relative paths are relative to this folder. `pillarbox check-config` says what is wrong.

data_directory = "."

# Seals the passwords of smart hosts in the database. Keep a copy of it elsewhere.
master_key_file = "master.key"

# The name of this host in the DNS, for greetings and settings cards. Default: `uname -n`.
# host_name = "mail.example.org"

# Whom to become after the ports are bound, when started as root.
# user = "pillarbox"

# SQLite in this folder, unless a PostgreSQL database is named:
# database_url = "postgresql://user:password@host/database"

# For other machines: address = "*" and the usual ports 587 and 465.
[[listeners]]
name = "submission"
address = "127.0.0.1"
port = 1587
tls = "starttls"

[[listeners]]
name = "submissions"
address = "127.0.0.1"
port = 1465
tls = "tls"

# A certificate that every client trusts already; else one of our own is made in tls/.
# [tls]
# certificate = "/etc/letsencrypt/live/mail.example.org/fullchain.pem"
# key = "/etc/letsencrypt/live/mail.example.org/privkey.pem"

# [limits]
# message_octets = 52428800
# recipients = 1000

# /metrics and /readyz
# [metrics]
# address = "127.0.0.1"
# port = 9587

# [log]
# level = "info"
"""


def prepare(folder: Path, *, address: str, now: int) -> str:
    """Make what is missing in the data folder; the settings card.

    Raises ConfigError and the other errors of ours, OSError where nothing can be written.
    """
    make_files(folder)
    settings = load(folder / CONFIG_NAME)
    make_certificates(settings)
    account = make_first_account(settings, address, now)
    if account is None:
        return ""
    shown = client_settings(settings, account.address, password=account.password)
    if account.password:
        return render_card(shown)
    snippets = f"pillarbox settings {shell_literal(account.address)}"
    return f"{render_settings(shown)}\nSnippets: {snippets}\n"


def make_files(folder: Path) -> None:
    """The folder itself, for its owner only, with master key and configuration."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = base64.b64encode(new_master_key()) + b"\n"
    _create(folder / KEY_NAME, key, mode=0o600)
    _create(folder / CONFIG_NAME, CONFIG_TEXT.encode(), mode=0o640)


def make_certificates(settings: Settings) -> None:
    """Authority and server certificate, unless the configuration names a certificate elsewhere."""
    folder = settings.data_directory / TLS_FOLDER
    if settings.tls.certificate.parent != folder:
        return
    files = CertificateFiles(
        folder / CA_NAME, folder / CA_KEY_NAME, settings.tls.certificate, settings.tls.key
    )
    ensure_certificates(files, [settings.host_name])


def make_first_account(settings: Settings, address: str, now: int) -> FirstAccount | None:
    """Bring the tables up to date and see that there is an account; None: there are only
    tenants. Raises SpoolUnavailable, DirectoryError."""
    database = Database.open(settings.database_url, reserve_octets=settings.disk_reserve_octets)
    try:
        database.migrate()
        return database.write_now(lambda c: ensure_first_account(c, address, now=now))
    finally:
        database.close_now()


def _create(path: Path, octets: bytes, *, mode: int) -> None:
    """Write a file unless it is there."""
    if not path.exists():
        replace_file(path, octets, mode=mode)


def main() -> int:
    """Prepare the folder that the command line names; the exit code is one of sysexits.h."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
    address = os.environ.get(FIRST_ACCOUNT_VARIABLE) or FIRST_ACCOUNT
    try:
        card = prepare(folder, address=address, now=timestamp())
    except SpoolUnavailable as error:
        hint = "see whether database_url names the right file or host"
        sys.stderr.write(f"pillarbox: the database can not be used: {error.cause} ({hint})\n")
        return os.EX_IOERR if error.trouble is SpoolTrouble.BAD else os.EX_TEMPFAIL
    except PillarboxError as error:
        sys.stderr.write(f"pillarbox: {error}\n")
        return os.EX_CONFIG
    except OSError as error:
        sys.stderr.write(f"pillarbox: {error.filename or folder}: {error.strerror}\n")
        return os.EX_CANTCREAT
    sys.stdout.write(card)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
