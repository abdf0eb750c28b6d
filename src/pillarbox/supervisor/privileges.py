"""Give up root for good, once the ports are bound."""

import grp
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pillarbox.supervisor import exits


def drop_root(user: str, group: str) -> None:
    """Become `user` and `group` ("": the user's own group). Raises StartError.

    Not started as root: nothing to give up. Root without a user to become is refused only where
    one is named; a container may well have no other user.
    """
    if not user or os.geteuid() != 0:
        return
    account, group_id = find_user(user, group)
    _become(account, group_id, saved=(account.pw_uid, group_id))
    os.environ["HOME"] = account.pw_dir


def find_user(user: str, group: str) -> tuple[pwd.struct_passwd, int]:
    """The account, and the id of the group ("": the user's own). Raises StartError."""
    try:
        account = pwd.getpwnam(user)
    except KeyError as error:
        hint = f"make the user: useradd --system --home-dir /var/lib/pillarbox {user}"
        raise exits.StartError(exits.CONFIG, f"user: there is no user {user}", hint) from error
    try:
        return account, grp.getgrnam(group).gr_gid if group else account.pw_gid
    except KeyError as error:
        hint = f"make the group: groupadd --system {group}"
        raise exits.StartError(exits.CONFIG, f"group: there is no group {group}", hint) from error


def is_user(user: str) -> bool:
    """Whether this process runs as that user."""
    try:
        return pwd.getpwnam(user).pw_uid == os.geteuid()
    except KeyError:
        return False


@contextmanager
def as_user(user: str, group: str) -> Iterator[None]:
    """Look at things as the service will, where root does; then we are root again. Raises
    StartError."""
    if not user or os.geteuid() != 0:
        yield
        return
    account, group_id = find_user(user, group)
    groups, group_ids, home = os.getgroups(), os.getresgid(), os.environ.get("HOME")
    try:
        _become(account, group_id, saved=(0, 0))
        os.environ["HOME"] = account.pw_dir
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(*group_ids)
        if os.getgroups() != groups:
            os.setgroups(groups)
        os.environ.pop("HOME", None)
        os.environ.update({} if home is None else {"HOME": home})


def _become(account: pwd.struct_passwd, group_id: int, *, saved: tuple[int, int]) -> None:
    """`saved`: the user and the group that one can become again."""
    user_id, name = account.pw_uid, account.pw_name
    try:
        os.initgroups(name, group_id)
        os.setresgid(group_id, group_id, saved[1])
        os.setresuid(user_id, user_id, saved[0])
    except PermissionError as error:
        hint = (
            "leave it the capabilities SETUID and SETGID, or start it as that user without `user`"
        )
        text = f"user: this root may not become {name}"
        raise exits.StartError(exits.NO_PERMISSION, text, hint) from error


def check_program() -> None:
    """The user that we are now can run the Python and the package that the workers need."""
    package = Path(__file__)
    for path, mode in ((Path(sys.executable), os.X_OK), (package, os.R_OK)):
        if not os.access(path, mode):
            hint = "install Pillarbox where that user can reach it, in /opt/pillarbox say"
            text = f"{_user_name()} can not run {path}"
            raise exits.StartError(exits.NO_PERMISSION, text, hint)


def _user_name() -> str:
    """Its number where it has no name, as it may be in a container."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


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
    """SQLite's file, if there is one already, and its folder can be used by the user that we are
    now. Raises StartError: a worker would take it for a database that is away, and be started for
    ever."""
    scheme, _, path = database_url.partition(":///")
    file = Path(path)
    if scheme != "sqlite":
        return
    user = _user_name()
    if os.access(file, os.F_OK):
        if not file.is_file():
            hint = f"name a file: sqlite:///{file / 'pillarbox.sqlite3'}"
            raise exits.StartError(exits.CONFIG, f"database_url: {file} is no file", hint)
        if not os.access(file, os.R_OK | os.W_OK):
            text = f"database_url: {user} can not read and write {file}"
            raise exits.StartError(exits.NO_PERMISSION, text, f"chown {user} {file}")
    # Its log stands beside it, also where a link leads to it.
    folder = file.resolve().parent
    if not folder.is_dir():
        hint = f"make it: install -d -m 700 -o {user} {folder}"
        raise exits.StartError(exits.CONFIG, f"database_url: {folder} is not there", hint)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        text = f"database_url: {user} can not write in {folder}, where the database is"
        raise exits.StartError(exits.NO_PERMISSION, text, f"chown {user} {folder}")
