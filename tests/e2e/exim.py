"""Exim, unpacked from its Debian package by scripts/tools.sh: it can not be installed beside
Postfix.

It takes mail after a login on a port with STARTTLS and on one with TLS, and keeps it in its queue.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.e2e.programs import END_SECONDS, ROOT, end_group, free_port, needed_file
from tests.e2e.waiting import wait_until

START_SECONDS = 60.0
UNPACKED = ROOT / ".tools/exim"
_REMEDY = "scripts/tools.sh"

_CONFIG = """\
keep_environment =
primary_hostname = exim.example
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
pid_file_path = {folder}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {starttls_port} : {tls_port}
tls_on_connect_ports = {tls_port}
tls_advertise_hosts = *
tls_certificate = {folder}/certificate.pem
tls_privatekey = {folder}/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = rcpt
host_lookup =
smtp_accept_max = 0
rfc1413_hosts =
queue_only
begin acl
rcpt:
  deny !authenticated = *
  accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{username}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{username}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
xoauth2:
  driver = plaintext
  public_name = XOAUTH2
  server_prompts = :
  server_condition = ${{if eq{{$auth1}}{{user={username}\\x01auth=Bearer {token}\\x01\\x01}}}}
  server_set_id = {username}
"""


_BOUNCING = """\
keep_environment =
primary_hostname = exim.example
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
pid_file_path = {folder}/pid
exim_path = {program}
local_interfaces = {address}
daemon_smtp_ports = {port}
acl_smtp_rcpt = accept
host_lookup =
rfc1413_hosts =
disable_ipv6
deliver_drop_privilege
begin routers
back:
  driver = manualroute
  domains = {back_domain}
  transport = back
  route_list = * 127.0.0.1
  self = send
nobody:
  driver = redirect
  data = :fail: Nobody of this name lives here
  allow_fail
begin transports
back:
  driver = smtp
  port = {back_port}
  hosts_try_fastopen =
  tls_verify_certificates =
  tls_try_verify_hosts =
"""
"""Takes mail for everybody, and finds out later that nobody is there."""


class Exim:
    """One instance with one user, who has a password and a token; `start` it."""

    address = "127.0.0.1"
    username = "app@exim.example"
    password = "exim-password"
    token = "exim-token"

    def __init__(self, certificate: Path, key: Path) -> None:
        assert os.geteuid() == 0, "Exim can only be started by root: run the tests as root"
        self._program = needed_file(UNPACKED / "usr/sbin/exim4", _REMEDY)
        self._wrapper = next((UNPACKED / "usr/lib").glob("*/libnss_wrapper.so"), None)
        assert self._wrapper, f"libnss_wrapper is missing: {_REMEDY}"
        self.starttls_port, self.tls_port = free_port(), free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="exim-"))
        self._folder.chmod(0o755)
        nobody = pwd.getpwnam("nobody")
        for source, name in ((certificate, "certificate.pem"), (key, "key.pem")):
            copy = Path(shutil.copyfile(source, self._folder / name))
            os.chown(copy, nobody.pw_uid, nobody.pw_gid)
        spool = self._folder / "spool"
        spool.mkdir()
        os.chown(spool, nobody.pw_uid, nobody.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it greets."""
        config = self._folder / "exim.conf"
        config.write_text(self._configuration())
        with (self._folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [self._program, "-C", config, "-bdf"],
                env={**os.environ, **self._users()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        wait_until(self._greets, START_SECONDS, "Exim starts")

    def stop(self) -> None:
        """End it and remove its folder."""
        if self._process is not None:
            end_group(self._process.pid)
            self._process.wait(END_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configuration(self) -> str:
        return _CONFIG.format(
            folder=self._folder,
            starttls_port=self.starttls_port,
            tls_port=self.tls_port,
            username=self.username,
            password=self.password,
            token=self.token,
        )

    def body_for(self, recipient: str) -> bytes:
        """The body of the message in the queue for a recipient, b"" while there is none."""
        for header in (self._folder / "spool/input").glob("*-H"):
            if recipient.encode() in header.read_bytes():
                content = header.with_name(header.name[:-1] + "D").read_bytes()
                # The first line is the name of the file.
                return content.partition(b"\n")[2].replace(b"\n", b"\r\n")
        return b""

    def _users(self) -> dict[str, str]:
        """The package makes this user, whom the program looks for first of all; here it is
        nobody, and the system has one user less."""
        nobody = pwd.getpwnam("nobody")
        users, groups = self._folder / "passwd", self._folder / "group"
        users.write_text(
            "root:x:0:0::/:/bin/sh\n"
            f"Debian-exim:x:{nobody.pw_uid}:{nobody.pw_gid}::/nonexistent:/bin/false\n"
        )
        groups.write_text(f"root:x:0:\nDebian-exim:x:{nobody.pw_gid}:\n")
        return {
            "LD_PRELOAD": str(self._wrapper),
            "NSS_WRAPPER_PASSWD": str(users),
            "NSS_WRAPPER_GROUP": str(groups),
        }

    def _greets(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._said()
        try:
            with socket.create_connection((self.address, self.starttls_port), 5) as connection:
                return connection.recv(4) == b"220 "
        except OSError:
            return False

    def _said(self) -> str:
        files = [self._folder / "stderr", *(self._folder / "spool").glob("*log")]
        return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())


class EximBouncing(Exim):
    """One at `address` and port `starttls_port` that takes mail from everybody and bounces it: what
    goes back to `back_domain` goes to a port of this machine."""

    back_domain = ""
    back_port = 0

    @property
    def log(self) -> str:
        """What it said and logged so far."""
        return self._said()

    def _configuration(self) -> str:
        # It starts itself for each delivery, in an environment that it has emptied, and as nobody:
        # the loader preloads nothing into a program that then becomes root again.
        copy = Path(shutil.copyfile(self._program, self._folder / "exim"))
        copy.chmod(0o755)
        again = self._folder / "again"
        names = " ".join(f"{name}={value}" for name, value in self._users().items())
        again.write_text(f'#!/bin/sh\nexec env {names} {copy} "$@"\n')
        again.chmod(0o755)
        return _BOUNCING.format(
            folder=self._folder,
            program=again,
            address=self.address,
            port=self.starttls_port,
            back_domain=self.back_domain,
            back_port=self.back_port,
        )
