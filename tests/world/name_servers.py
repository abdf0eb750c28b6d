"""NSD, who has the zones of the Internet, and Unbound, whom Pillarbox asks and who validates."""

import subprocess
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
from tests.e2e.programs import end_group, needed_file
from tests.e2e.waiting import wait_until
from tests.world.network import TOOLS, start_here, start_there
from tests.world.zones import Names

START_SECONDS = 60.0
_REMEDY = "make world"

_NSD = """\
server:
  ip-address: {address}
  username: root
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  server-count: 1
remote-control:
  control-enable: no
"""

_UNBOUND = """\
server:
  interface: 127.0.0.1
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  val-log-level: 2
  root-hints: "{folder}/root.hints"
  trust-anchor-file: "{folder}/root.anchor"
  module-config: "validator iterator"
  do-ip6: no
remote-control:
  control-enable: no
"""


class NameServers:
    """Both; `start` them, and `stop` them at the end whatever happens."""

    def __init__(self, folder: Path, names: Names, address: str) -> None:
        self._folder = folder
        self._names = names
        self._address = address
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start, and wait until a name is validated."""
        folder, lines = self._folder, [_NSD.format(folder=self._folder, address=self._address)]
        for number, (name, text) in enumerate(self._names.texts.items()):
            (folder / f"{number}.zone").write_text(text)
            lines.append(f'zone:\n  name: "{name}"\n  zonefile: "{number}.zone"\n')
        (folder / "nsd.conf").write_text("".join(lines))
        (folder / "root.hints").write_text(
            f". 3600 NS ns.example.\nns.example. 3600 A {self._address}\n"
        )
        (folder / "root.anchor").write_text(self._names.anchor)
        (folder / "unbound.conf").write_text(_UNBOUND.format(folder=folder))
        nsd = needed_file(TOOLS / "usr/sbin/nsd", _REMEDY)
        unbound = needed_file(TOOLS / "usr/sbin/unbound", _REMEDY)
        self._processes = [
            start_there([nsd, "-d", "-c", folder / "nsd.conf"], folder / "nsd.log"),
            start_here([unbound, "-d", "-c", folder / "unbound.conf"], folder / "unbound.log"),
        ]
        wait_until(self._answers, START_SECONDS, "the DNS answers")

    def stop(self) -> None:
        """End both."""
        for process in self._processes:
            end_group(process.pid)
            process.wait()

    @property
    def log(self) -> str:
        """What both said."""
        return "\n".join(file.read_text() for file in self._folder.glob("*.log"))

    def _answers(self) -> bool:
        for process in self._processes:
            assert process.poll() is None, self.log
        question = dns.message.make_query("example.", "SOA")
        question.flags |= dns.flags.AD
        try:
            answer = dns.query.udp(question, "127.0.0.1", timeout=2)
        except (dns.exception.DNSException, OSError):
            return False
        return answer.rcode() == dns.rcode.NOERROR and bool(answer.flags & dns.flags.AD)
