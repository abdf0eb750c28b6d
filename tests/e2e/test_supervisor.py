"""The service as a whole: it starts, survives its workers, reloads, drains and ends."""

import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.programs import free_port
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

from pillarbox.net.certificates import CertificateFiles, make_ca, make_server_certificate

SOON_SECONDS = 8.0
"""Less than the lease of a lane: who is faster did not wait for it to end."""

LETTER = "From: {0}\r\nTo: someone@example.net\r\nSubject: {1}\r\n\r\nHello\r\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Pillarbox]:
    """A service of this test alone, not started yet."""
    folder = tmp_path / "data"
    folder.mkdir()
    pillarbox = Pillarbox(folder)
    yield pillarbox
    pillarbox.stop()


def _connect(service: Pillarbox, ca_file: Path | None = None) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", service.starttls_port, timeout=60)
    client.starttls(context=ssl.create_default_context(cafile=ca_file or service.ca_file))
    client.login(service.username, service.password)
    return client


def _send(service: Pillarbox, subject: str) -> None:
    with _connect(service) as client:
        letter = LETTER.format(service.username, subject)
        client.sendmail(service.username, ["someone@example.net"], letter)


def _wait_captured(service: Pillarbox, count: int) -> None:
    """Wait until so many messages are captured, sooner than a lease ends."""

    def is_there() -> bool:
        attempts = service.events("delivery.attempt")
        return sum("captured:1" in attempt["states"] for attempt in attempts) >= count

    wait_until(is_there, SOON_SECONDS, f"{count} captured\n{service.log[-3000:]}")


def _wait_event(service: Pillarbox, name: str, count: int = 1) -> dict[str, object]:
    wait_until(lambda: len(service.events(name)) >= count, SOON_SECONDS, f"{name}\n{service.log}")
    return service.events(name)[count - 1]


def _worker(service: Pillarbox) -> int:
    _wait_event(service, "service.ready")
    return int(service.events("worker.started")[-1]["pid"])


def _supervisor(service: Pillarbox) -> int:
    _wait_event(service, "service.ready")
    return int(service.events("service.ready")[-1]["pid"])


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_dead_worker_is_replaced_and_mail_goes_on(service: Pillarbox) -> None:
    """The successor serves the same ports and takes over the lanes at once."""
    service.start()
    _send(service, "before")
    _wait_captured(service, 1)
    first = _worker(service)

    os.kill(first, signal.SIGKILL)
    _wait_event(service, "worker.ready", 2)
    _send(service, "after")

    _wait_captured(service, 2)
    assert _worker(service) != first
    assert service.events("worker.died")[0]["cause"] == "signal SIGKILL"


def test_a_connection_waits_for_the_next_worker(service: Pillarbox) -> None:
    """The sockets belong to the supervisor: nobody is refused while a worker is replaced."""
    service.start()
    os.kill(_worker(service), signal.SIGKILL)
    _wait_event(service, "worker.died")

    with socket.create_connection(("127.0.0.1", service.starttls_port), timeout=60) as client:
        greeting = client.recv(100)

    assert greeting.startswith(b"220 ")


def test_a_killed_service_goes_on_at_once(service: Pillarbox) -> None:
    """Killed as a whole and started again: mail does not wait until leases end."""
    service.start()
    _send(service, "before")
    _wait_captured(service, 1)

    service.kill()
    service.start()
    _send(service, "after")

    _wait_captured(service, 2)


def test_a_worker_ends_with_its_supervisor(service: Pillarbox) -> None:
    """No worker is left behind that nobody could stop; the next service starts."""
    service.start()
    worker = _worker(service)

    os.kill(_supervisor(service), signal.SIGKILL)

    wait_until(lambda: not _is_running(worker), SOON_SECONDS, "the end of the worker")
    service.kill()
    service.start()
    _send(service, "after")


def test_sigterm_drains(service: Pillarbox) -> None:
    """An open session is told 421 4.3.2, the process ends with 0 and gives its lanes back."""
    service.start()
    client = _connect(service)

    os.kill(_supervisor(service), signal.SIGTERM)

    assert client.file is not None
    assert client.file.readline().startswith(b"421 4.3.2 ")
    client.close()
    assert service.stop() == 0
    assert service.events("service.ended")[0]["exit_code"] == 0
    assert not _is_running(_worker(service))


def test_a_second_interrupt_ends_at_once(service: Pillarbox) -> None:
    """Who presses Ctrl-C twice does not want to wait for an attempt or a session."""
    text = service.config.read_text()
    service.config.write_text(text.replace("drain_seconds = 5", "drain_seconds = 600"))
    service.start()
    client = _connect(service)
    supervisor = _supervisor(service)
    os.kill(_worker(service), signal.SIGSTOP)

    os.kill(supervisor, signal.SIGINT)
    _wait_event(service, "service.draining")
    os.kill(supervisor, signal.SIGINT)

    wait_until(lambda: not _is_running(supervisor), SOON_SECONDS, "the end")
    client.close()


def test_sighup_takes_up_limits(service: Pillarbox) -> None:
    """New sessions have the new limits; what needs a restart is said."""
    service.start()
    text = service.config.read_text().replace("drain_seconds = 5", "drain_seconds = 6")
    service.config.write_text(f"{text}\n[limits]\nmessage_octets = 100000\n")

    os.kill(_supervisor(service), signal.SIGHUP)

    reloaded = _wait_event(service, "worker.reloaded")
    assert reloaded["taken"] == ["limits.message_octets"]
    assert reloaded["needs_restart"] == ["drain_seconds"]
    with _connect(service) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "100000"


def test_sighup_with_a_wrong_configuration_changes_nothing(service: Pillarbox) -> None:
    """The problems are logged, the service goes on as it was."""
    service.start()
    service.config.write_text(service.config.read_text() + "\n[limits]\nrecipients = 1\n")

    os.kill(_supervisor(service), signal.SIGHUP)

    refused = _wait_event(service, "service.reload_refused")
    assert refused["problems"] == ["limits.recipients: is less than 100 (hint: 100 or more)"]
    _send(service, "after")


def test_sighup_takes_up_a_certificate(service: Pillarbox, tmp_path: Path) -> None:
    """New sessions get the new certificate, open ones stay."""
    service.start()
    before = _connect(service)
    files = CertificateFiles.in_folder(service.folder / "tls")
    ca = make_ca()
    pair = make_server_certificate(ca, ["127.0.0.1"])
    other_ca = tmp_path / "other-ca.pem"
    other_ca.write_bytes(ca.certificate)
    for name, octets in (("certificate.pem", pair.certificate), ("key.pem", pair.key)):
        beside = files.certificate.with_name(f"{name}.new")
        beside.write_bytes(octets)
        beside.replace(files.certificate.with_name(name))

    os.kill(_supervisor(service), signal.SIGHUP)
    _wait_event(service, "worker.reloaded")

    with _connect(service, other_ca) as after:
        assert after.noop()[0] == 250
    assert before.noop()[0] == 250
    before.quit()


def test_systemd_is_told_when_mail_is_taken(
    service: Pillarbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """READY=1 comes when the listeners are open, STOPPING=1 at the end."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", address)

        service.start()
        assert systemd.recv(200).startswith(b"READY=1\n")

        service.stop()
        assert systemd.recv(200) == b"STOPPING=1"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _can_run(user: str) -> bool:
    """Whether a user may run the Python of this environment."""
    try:
        subprocess.run([sys.executable, "-c", "import pillarbox"], user=user, cwd="/", check=True)
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_root_is_given_up_before_mail_is_taken(open_folder: Path) -> None:
    """The ports are bound as root; supervisor and worker run as the user. Where that user may
    not run this Python (it lies in a home of root, say), the service ends and says so."""
    service = Pillarbox(open_folder)
    service.config.write_text(f'user = "nobody"\n{service.config.read_text()}')
    subprocess.run(["chown", "-R", "nobody", str(open_folder)], check=True)
    if not _can_run("nobody"):
        done = _serve(service.config)
        assert done.returncode == os.EX_NOPERM
        assert f"nobody can not run {sys.executable}" in done.stderr
        return
    service.start()
    try:
        for pid in (_supervisor(service), _worker(service)):
            status = Path(f"/proc/{pid}/status").read_text()
            [uids] = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
            assert len(set(uids)) == 1
            assert uids[0] != "0"
        _send(service, "as nobody")
        _wait_captured(service, 1)
    finally:
        service.stop()


BECOME_NOBODY = """
import os, pwd, sys
from pathlib import Path
from pillarbox.supervisor.service import serve
nobody = pwd.getpwnam("nobody")
os.setresgid(*[nobody.pw_gid] * 3)
os.setresuid(*[nobody.pw_uid] * 3)
sys.exit(serve(Path(sys.argv[1])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("user", "is_said"), [("daemon", True), ("nobody", False), ("", False)])
def test_a_user_that_can_not_be_taken_is_said(
    open_folder: Path, *, user: str, is_said: bool
) -> None:
    """Only root becomes another user; who is it already needs no word. It ends soon, as the data
    folder is not his."""
    config = open_folder / "pillarbox.toml"
    config.write_text(
        f'user = "{user}"\ndata_directory = "."\nmetrics.address = ""\n'
        f'[[listeners]]\naddress = "127.0.0.1"\nport = {free_port()}\n'
    )

    argv = [sys.executable, "-c", BECOME_NOBODY, str(config)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert "service.can_not_start" in done.stderr
    assert ("service.user_not_taken" in done.stderr) is is_said


def _serve(config: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pillarbox", "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_configuration_ends_with_78(service: Pillarbox) -> None:
    """EX_CONFIG, and all problems on the terminal."""
    service.config.write_text("workers = 0\nhost = 'x'\n")

    done = _serve(service.config)

    assert done.returncode == os.EX_CONFIG
    assert "workers: is less than 1" in done.stderr
    assert "host: is no option" in done.stderr


def test_a_port_in_use_ends_with_69(service: Pillarbox) -> None:
    """EX_UNAVAILABLE, and which port it is."""
    with socket.create_server(("127.0.0.1", service.tls_port)):
        done = _serve(service.config)

    assert done.returncode == os.EX_UNAVAILABLE
    assert f"port {service.tls_port} (submissions) is in use" in done.stderr


def test_a_key_that_can_not_be_used_ends_with_78(service: Pillarbox) -> None:
    """The worker can not start, and will not by trying again: the service says so and ends."""
    (service.folder / "tls" / "key.pem").write_text("no key")

    done = _serve(service.config)

    assert done.returncode == os.EX_CONFIG
    assert "worker.can_not_start" in done.stderr
    assert "key.pem" in done.stderr
