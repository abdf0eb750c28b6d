"""Mail hosts of the Internet, by programs of others: Postfix, Exim and OpenSMTPD.

All keep what comes for anybody. `messages_for` gives the text of each message for a recipient, with
the Received field that the host put on top: it says whether TLS was used.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Protocol

from tests.e2e.exim import UNPACKED as EXIM
from tests.e2e.postfix import KeepingPostfix
from tests.e2e.programs import end_group, needed_file
from tests.e2e.waiting import wait_until
from tests.world.network import TOOLS, address, address6, on_the_internet, start_there

START_SECONDS = 60.0
USERS = ("opensmtpd", "opensmtpq", "Debian-exim")
"""Those that the packages of Exim and OpenSMTPD make."""

_REMEDY = "make world"


class MailHost(Protocol):
    """What all three are."""

    def messages_for(self, recipient: str) -> list[str]:
        """The messages that came for a recipient."""
        ...


def _greets(host: str) -> bool:
    try:
        with socket.create_connection((host, 25), 5) as connection:
            return connection.recv(4) == b"220 "
    except OSError:
        return False


def _wait_for(host: str, log: Path) -> None:
    try:
        wait_until(partial(_greets, host), START_SECONDS, f"{host} greets")
    except AssertionError as error:
        error.add_note(log.read_text() if log.exists() else "")
        raise


class PostfixHost(KeepingPostfix):
    """One Postfix at several addresses, each with a certificate of its own, and one at which it is
    careful with strangers: who comes for the first time is to come again."""

    def __init__(self) -> None:
        super().__init__("postfix.host.example")
        self.launcher = on_the_internet([])
        self._addresses: list[str] = []
        self.main += [
            "inet_interfaces = all",
            "inet_protocols = all",
            "mynetworks = 0.0.0.0/0 [::]/0",
            "smtpd_relay_restrictions = permit_mynetworks, reject",
            "smtpd_tls_security_level = may",
            "smtpd_tls_loglevel = 1",
            # Else it asks the DNS of the machine for each client.
            "smtpd_client_event_limit_exceptions = static:all",
            "postscreen_access_list =",
            "postscreen_greet_wait = 1s",
            "postscreen_bare_newline_enable = yes",
        ]

    def at(self, number: int, certificate: Path, *, is_awaited: bool = True) -> None:
        """Listen at the addresses of this number, with a file of a key and a chain. The first
        connection starts a process, which is awaited for all or not."""
        for host in (address(number), f"[{address6(number)}]"):
            self.master += [
                f"{host}:25 inet n - n - - smtpd",
                f"  -o smtpd_tls_chain_files={certificate}",
            ]
        if is_awaited:
            self._addresses.append(address(number))

    def careful_at(self, number: int) -> None:
        """Put off whoever is not known yet (postscreen after its tests of the protocol)."""
        self.master += [
            f"{address(number)}:25 inet n - n - 1 postscreen",
            "smtpd pass - - n - - smtpd -o smtpd_tls_security_level=none",
            "dnsblog unix - - n - 0 dnsblog",
            "tlsproxy unix - - n - 0 tlsproxy",
        ]

    def start_host(self) -> None:
        """Start, and wait until all certificates can be had."""
        self.start([])
        for host in self._addresses:
            _wait_for(host, self.folder / "mail.log")

    def messages_for(self, recipient: str) -> list[str]:
        """See MailHost."""
        return [kept.octets.decode() for kept in self.kept_for(recipient)]


_EXIM = """\
keep_environment =
primary_hostname = exim.host.example
spool_directory = {folder}
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
local_interfaces = {host} : {refusing}
daemon_smtp_ports = 25
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {certificate}
acl_smtp_connect = connect
acl_smtp_rcpt = accept
host_lookup =
rfc1413_hosts =
queue_only
begin acl
connect:
  deny condition = ${{if eq{{$received_ip_address}}{{{refusing}}}}}
       message = No service here
  accept
"""


class EximHost:
    """Exim at one address; at another one it refuses everybody in its greeting (554)."""

    def __init__(self, number: int, refusing: int, certificate: Path) -> None:
        self._program = needed_file(EXIM / "usr/sbin/exim4", _REMEDY)
        self._host = address(number)
        self._folder = _folder_of("Debian-exim", "exim-")
        config = self._folder / "exim.conf"
        config.write_text(
            _EXIM.format(
                folder=self._folder,
                host=self._host,
                refusing=address(refusing),
                certificate=certificate,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it greets."""
        argv: list[str | Path] = [self._program, "-C", self._folder / "exim.conf", "-bdf"]
        self._process = start_there(argv, self._folder / "stderr")
        _wait_for(self._host, self._folder / "stderr")

    def stop(self) -> None:
        """End it and remove its folder."""
        _end(self._process)
        shutil.rmtree(self._folder)

    def messages_for(self, recipient: str) -> list[str]:
        """See MailHost. Header and body are files of its queue."""
        headers = (file.read_text() for file in (self._folder / "input").glob("*-H"))
        return [text for text in headers if f"\n{recipient}\n" in text]


_OPENSMTPD = """\
pki own cert "{certificate}"
pki own key "{certificate}"
listen on {plain} port 25
listen on {tls} port 25 tls pki own
action keep mda "/bin/sh {folder}/keep.sh" virtual {{ "@" = nobody }}
match from any for any action keep
"""


class OpenSmtpdHost:
    """OpenSMTPD at two addresses: at the first one it has no TLS."""

    def __init__(self, plain: int, tls: int, certificate: Path) -> None:
        self._program = needed_file(TOOLS / "usr/sbin/smtpd", _REMEDY)
        self._addresses = address(plain), address(tls)
        self._folder = _folder_of("nobody", "opensmtpd-")
        certificate.chmod(0o600)
        script = f'cd {self._folder} && cat >"new.$$" && mv "new.$$" "$RECIPIENT,$$"\n'
        (self._folder / "keep.sh").write_text(script)
        text = _OPENSMTPD.format(
            certificate=certificate,
            plain=self._addresses[0],
            tls=self._addresses[1],
            folder=self._folder,
        )
        (self._folder / "smtpd.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it greets. Its folders are those of the package."""
        Path("/var/lib/opensmtpd/empty").mkdir(parents=True)
        Path("/var/spool/smtpd").mkdir(mode=0o711)
        argv: list[str | Path] = [self._program, "-d", "-f", self._folder / "smtpd.conf"]
        self._process = start_there(argv, self._folder / "stderr")
        for host in self._addresses:
            _wait_for(host, self._folder / "stderr")

    def stop(self) -> None:
        """End it and remove its folder."""
        _end(self._process)
        shutil.rmtree(self._folder)

    def messages_for(self, recipient: str) -> list[str]:
        """See MailHost."""
        return [file.read_text() for file in self._folder.glob(f"{recipient},*")]


def _folder_of(user: str, prefix: str) -> Path:
    """A new folder of a user, that others may read."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    return folder


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        end_group(process.pid)
        process.wait()
