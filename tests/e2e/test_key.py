"""The master key is changed while the service runs, and the change is killed in the middle."""

import smtplib
import ssl
import subprocess
import sys
from collections import deque
from pathlib import Path

from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox

SECONDS = 30.0


def _route(service: Pillarbox, hop: NextHop, ca: Path) -> None:
    """To a next hop that wants a login."""
    hop.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    hop.tls.load_cert_chain(ca / "certificate.pem", ca / "key.pem")
    hop.offers_login = True
    hop.replies["AUTH"] = deque([b"235 2.7.0 Welcome\r\n"] * 9)
    hop.open()
    where = ("--smarthost", f"localhost:{hop.port}", "--tls", "tls")
    words = ("route", "add", *where, "--ca-file", str(ca / "ca.pem"), "--user", "relay")
    service.admin(*words, "--password-file", "-", stdin="s3cret\n")


def _send(service: Pillarbox, hop: NextHop, mark: str) -> None:
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=20) as client:
        client.login(service.username, service.password)
        text = f"From: {service.username}\r\nSubject: {mark}\r\n\r\nHello\r\n"
        client.sendmail(service.username, ["bob@next.example"], text)
    hop.wait_for(mark.encode(), SECONDS)


def _rotate_and_die(service: Pillarbox) -> None:
    """SIGKILL when the values are sealed again and both keys are still in the file."""
    argv = [sys.executable, "-m", "pillarbox", "key", "rotate", "--config", str(service.config)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "values are sealed" in line:
                process.kill()
    assert len(_keys(service)) == 2


def _keys(service: Pillarbox) -> list[str]:
    return (service.folder / "master.key").read_text().split()


def test_mail_flows_while_the_key_is_changed(
    service: Pillarbox, next_hop: NextHop, hop_ca: Path
) -> None:
    """The running service opens the password of the smart host with whatever key it is sealed."""
    [old] = _keys(service)
    _route(service, next_hop, hop_ca)
    _send(service, next_hop, "with the old key")

    _rotate_and_die(service)
    _send(service, next_hop, "with both keys")
    service.admin("key", "rotate")
    [new] = _keys(service)
    _send(service, next_hop, "with the new key")

    assert new != old
    assert [line["use"] for line in service.admin_json("key", "show")] == ["seals"]
    assert not service.events("scheduler.tenant_unreadable")
    for key in (old, new):
        assert key not in service.log
