"""Give up root for good, once the ports are bound."""

import grp
import os
import pwd
import sys
from pathlib import Path

from pillarbox.supervisor import exits


def drop_root(user: str, group: str) -> None:
    """Become `user` and `group` ("": the user's own group). Raises StartError.

    Not started as root: nothing to give up. Root without a user to become is refused only where
    one is named; a container may well have no other user.
    """
    if not user or os.geteuid() != 0:
        return
    try:
        account = pwd.getpwnam(user)
        group_id = grp.getgrnam(group).gr_gid if group else account.pw_gid
    except KeyError as error:
        hint = f"make the user: useradd --system --home-dir /var/lib/pillarbox {user}"
        raise exits.StartError(exits.CONFIG, f"user or group: {error.args[0]}", hint) from error
    os.initgroups(user, group_id)
    os.setresgid(group_id, group_id, group_id)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    os.environ["HOME"] = account.pw_dir


def check_program() -> None:
    """The user that we are now can run the Python and the package that the workers need."""
    package = Path(__file__)
    for path, mode in ((Path(sys.executable), os.X_OK), (package, os.R_OK)):
        if not os.access(path, mode):
            hint = "install Pillarbox where that user can reach it, in /opt/pillarbox say"
            text = f"{_user_name()} can not run {path}"
            raise exits.StartError(exits.NO_PERMISSION, text, hint)


def _user_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def check_data_directory(path: Path) -> None:
    """The data directory is there and can be written by the user that we are now."""
    if not path.is_dir():
        hint = f"make it: install -d -m 700 {path}, or start with `make run`"
        raise exits.StartError(exits.CONFIG, f"data_directory: {path} is not there", hint)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        user = _user_name()
        hint = f"chown -R {user} {path}"
        text = f"data_directory: {user} can not write in {path}"
        raise exits.StartError(exits.NO_PERMISSION, text, hint)


def check_database_file(database_url: str) -> None:
    """SQLite's file, if there is one already, can be used by the user that we are now. Raises
    StartError: a worker would take it for a database that is away, and be started for ever."""
    scheme, _, path = database_url.partition(":///")
    file = Path(path)
    # A link that leads nowhere yet is fine: SQLite makes what it leads to.
    if scheme != "sqlite" or not os.access(file, os.F_OK):
        return
    if not file.is_file():
        hint = f"name a file: sqlite:///{file / 'pillarbox.sqlite3'}"
        raise exits.StartError(exits.CONFIG, f"database_url: {file} is no file", hint)
    if not os.access(file, os.R_OK | os.W_OK):
        user = _user_name()
        text = f"database_url: {user} can not read and write {file}"
        raise exits.StartError(exits.NO_PERMISSION, text, f"chown {user} {file}")
