"""Postfix from the system's package, as instances of our own in folders of their own.

One kind is the next hop behind Pillarbox: it keeps the octets of every message that it gets. The
other is a client of Pillarbox: what it is given it hands on with TLS and a login.
"""

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.e2e.letters import Kept, Upstream
from tests.e2e.programs import end_group, free_port, program, run
from tests.e2e.sasl_server import SaslServer
from tests.e2e.waiting import wait_until

START_SECONDS = 60.0
SMART_HOST_USER = "relay@hop.example"
SMART_HOST_PASSWORD = "hop Pa:ss/w%rd+1"

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/q
data_directory = {folder}/d
command_directory = {commands}
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
myhostname = {name}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
append_dot_mydomain = no
biff = no
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_relay_restrictions =
message_size_limit = 100000000
queue_minfree = 0
local_header_rewrite_clients =
always_add_missing_headers = no
message_drop_headers =
smtputf8_enable = yes
"""
"""No name is looked up, and no header field but Received is added, changed or taken away."""

_MASTER = """\
pickup    unix  n  -  n  60     1  pickup
cleanup   unix  n  -  n  -      0  cleanup
qmgr      unix  n  -  n  300    1  qmgr
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
rewrite   unix  -  -  n  -      -  trivial-rewrite
bounce    unix  -  -  n  -      0  bounce
defer     unix  -  -  n  -      0  bounce
trace     unix  -  -  n  -      0  bounce
proxymap  unix  -  -  n  -      -  proxymap
smtp      unix  -  -  n  -      -  smtp
showq     unix  n  -  n  -      -  showq
error     unix  -  -  n  -      -  error
retry     unix  -  -  n  -      -  error
anvil     unix  -  -  n  -      1  anvil
scache    unix  -  -  n  -      1  scache
postlog   unix-dgram n - n  -   1  postlogd
"""


class Postfix:
    """One instance: `main` and `master` are further lines of main.cf and master.cf."""

    def __init__(self, name: str) -> None:
        assert os.geteuid() == 0, "Postfix can only be started by root: run the tests as root"
        self._program = program("postfix", "postfix")
        # A path of its own: the queue's must be short, and other users must be able to pass.
        self.folder = Path(tempfile.mkdtemp(prefix="pf-"))
        self.folder.chmod(0o755)
        self.name = name
        self.main: list[str] = []
        self.master: list[str] = []
        self.launcher: list[str] = []
        """What the program is started by: words before its own."""
        self._master_pid = 0

    @property
    def log(self) -> str:
        """What the instance logged so far."""
        file = self.folder / "mail.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def owned_by(self, user: str, name: str) -> Path:
        """Make a folder for a user."""
        made = self.folder / name
        made.mkdir()
        os.chown(made, pwd.getpwnam(user).pw_uid, -1)
        return made

    def start(self, ports: Sequence[int]) -> None:
        """Start and wait until all `ports` greet."""
        config = self.folder / "c"
        config.mkdir(exist_ok=True)
        (self.folder / "q").mkdir()
        self.owned_by("postfix", "d")
        settings = run(["postconf", "-d", "-h", "command_directory", "daemon_directory"]).stdout
        commands, daemons = settings.decode().split()
        text = _MAIN.format(folder=self.folder, name=self.name, commands=commands, daemons=daemons)
        (config / "main.cf").write_text(_overridden(text.splitlines(), self.main))
        (config / "master.cf").write_text(_MASTER + "\n".join(self.master) + "\n")
        # The master process makes itself the leader of a new group.
        run([*self.launcher, self._program, "-c", config, "start"], seconds=START_SECONDS)
        self._master_pid = int((self.folder / "q/pid/master.pid").read_text())
        for port in ports:
            wait_until(partial(_greets, port), START_SECONDS, f"{self.name} starts")

    def stop(self) -> None:
        """End the instance and remove its folder."""
        if self._master_pid:
            end_group(self._master_pid)
        shutil.rmtree(self.folder, ignore_errors=True)


def _overridden(usual: Sequence[str], more: Sequence[str]) -> str:
    """Lines of main.cf; `more` count. A name that stands twice would be told to the log by each
    process."""
    ours = {line.partition("=")[0].strip() for line in more}
    kept = [line for line in usual if line.partition("=")[0].strip() not in ours]
    return "".join(f"{line}\n" for line in (*kept, *more))


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False


class KeepingPostfix(Postfix):
    """Keeps what comes for everybody; a kind of it says on which ports."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._kept = self.owned_by("nobody", "kept")
        script = self.folder / "keep.sh"
        script.write_text('cat >"new.$$" && mv "new.$$" "$1,$2"\n')
        self.main += ["default_transport = keep", "keep_destination_recipient_limit = 1"]
        self.master += [
            "keep unix - n n - 4 pipe",
            f"  user=nobody directory={self._kept} null_sender=",
            f"  argv=/bin/sh {script} ${{recipient}} ${{queue_id}}",
        ]

    def kept_for(self, recipient: str) -> list[Kept]:
        """What came for a recipient so far."""
        return [
            Kept(recipient, file.read_bytes().replace(b"\n", b"\r\n"))
            for file in sorted(self._kept.iterdir())
            if file.name.partition(",")[0] == recipient
        ]


class PostfixNextHop(KeepingPostfix):
    """Takes mail for everybody on `port`, with neither TLS nor login, and keeps it.

    `starttls_port` and `tls_port` take it only encrypted and after a login. `refused@` any domain
    is no recipient.
    """

    def __init__(self, name: str, certificate: Path, key: Path) -> None:
        super().__init__(name)
        self.port, self.starttls_port, self.tls_port = free_port(), free_port(), free_port()
        self._logins = SaslServer(self.folder / "login", {SMART_HOST_USER: SMART_HOST_PASSWORD})
        self.main += [
            "smtpd_recipient_restrictions = check_recipient_access"
            " inline:{ { refused@ = 550 5.1.1 Nobody of this name lives here } },"
            " permit_mynetworks, reject",
            f"smtpd_tls_cert_file = {certificate}",
            f"smtpd_tls_key_file = {key}",
            "smtpd_tls_session_cache_database =",
            "smtpd_sasl_type = dovecot",
            f"smtpd_sasl_path = {self.folder}/login",
        ]
        with_login = (
            "  -o smtpd_sasl_auth_enable=yes",
            "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject",
        )
        self.master += [
            f"127.0.0.1:{self.port} inet n - n - - smtpd",
            f"127.0.0.1:{self.starttls_port} inet n - n - - smtpd",
            "  -o smtpd_tls_security_level=encrypt",
            *with_login,
            f"127.0.0.1:{self.tls_port} inet n - n - - smtpd",
            "  -o smtpd_tls_wrappermode=yes",
            *with_login,
        ]

    def start_hop(self) -> None:
        """Start and wait until its ports greet; the one with TLS has no greeting before that."""
        self.start([self.port, self.starttls_port])

    def stop(self) -> None:
        """End the instance and remove its folder."""
        super().stop()
        self._logins.stop()

    def allow_login(self, username: str, password: str) -> None:
        """From now on this login is right too."""
        self._logins.passwords[username] = password

    def wait_for(self, recipient: str, seconds: float = 15.0) -> Kept:
        """The one message for a recipient."""
        found = wait_until(
            lambda: self.kept_for(recipient), seconds, f"mail for {recipient}\n{self.log[-3000:]}"
        )
        assert len(found) == 1
        return found[0]


class PostfixClient(Postfix):
    """Takes mail on a port for each upstream and hands it on there."""

    def __init__(self, name: str, upstreams: Sequence[Upstream]) -> None:
        super().__init__(name)
        self.port_for = {upstream.port: free_port() for upstream in upstreams}
        passwords = self.folder / "passwords"
        passwords.write_text(
            "".join(f"[localhost]:{u.port} {u.username}:{u.password}\n" for u in upstreams)
        )
        self.main += [
            f"smtp_sasl_password_maps = texthash:{passwords}",
            "smtpd_recipient_restrictions = permit_mynetworks, reject",
        ]
        for upstream in upstreams:
            door = f"door{upstream.port}"
            level = "smtp_tls_wrappermode=yes" if upstream.implicit_tls else "smtp_use_tls=yes"
            self.master += [
                f"127.0.0.1:{self.port_for[upstream.port]} inet n - n - - smtpd",
                f"  -o content_filter={door}:[localhost]:{upstream.port}",
                f"{door} unix - - n - - smtp",
                "  -o smtp_tls_security_level=verify",
                f"  -o {level}",
                f"  -o smtp_tls_CAfile={upstream.ca_file}",
                "  -o smtp_sasl_auth_enable=yes",
                "  -o smtp_sasl_security_options=noanonymous",
            ]

    def start_client(self) -> None:
        """Start and wait until its ports greet."""
        self.start(list(self.port_for.values()))


class PostfixBouncing(Postfix):
    """Takes mail from everybody and hands it to a server within, which may refuse it. What goes
    back to `back_domain` goes to another port of this machine."""

    def __init__(self, name: str, *, inner_port: int, back_domain: str, back_port: int) -> None:
        super().__init__(name)
        back = f"inline:{{ {{ {back_domain} = smtp:[127.0.0.1]:{back_port} }} }}"
        self.main += [
            f"default_transport = smtp:[127.0.0.1]:{inner_port}",
            f"transport_maps = {back}",
            "smtp_tls_security_level = may",
            "smtpd_recipient_restrictions = permit_mynetworks, reject",
        ]

    def start_bouncing(self, port: int) -> None:
        """Start at this port and wait until it greets."""
        self.master += [f"127.0.0.1:{port} inet n - n - - smtpd"]
        self.start([port])
