"""Collects the error texts of real clients at servers of the gallery: `.venv/bin/python -m
tests.gallery.error_texts [--classpath JARS]` writes error_texts.json beside this file.

What is not installed is passed over, and its texts of earlier stay. JARS are those of Jakarta Mail
and its activation (Debian: libjakarta-mail-java, libjakarta-activation-java).
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.programs import free_port
from tests.gallery.certificates import ROOT, Cert, authority, pem
from tests.gallery.server import PASSWORD, Server, serving

HERE = Path(__file__).parent
FILE = HERE / "error_texts.json"
CLIENTS = HERE / "clients"
CLIENT_SECONDS = 20
KEPT_CHARACTERS = 3000

LOCAL = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Scene:
    """A server and how clients are set. `server` None: nobody listens."""

    name: str
    server: Server | None
    tls: bool = False
    password: str = PASSWORD
    host: str = "localhost"


SPF_SAID = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
OFF_SAID = (
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
)
BLOCKED_SAID = (
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"
)


SCENES = (
    Scene("closed", None),
    Scene("no-host", None, host="smtp.nowhere.invalid"),
    Scene("tls-to-starttls", Server(), tls=True),
    Scene("starttls-to-tls", Server(implicit=True)),
    Scene("silent", Server(banner="")),
    Scene("cert-expired", Server(cert=Cert(days=(-100, -3)), implicit=True), tls=True),
    Scene("cert-name", Server(cert=Cert(names=("other.com",)), implicit=True), tls=True),
    Scene("cert-unknown", Server(cert=Cert(chain="unknown"))),
    Scene("cert-self", Server(cert=Cert(chain="self"), implicit=True), tls=True),
    Scene("tls-old", Server(implicit=True, versions=("1.0", "1.1")), tls=True),
    Scene("no-starttls", Server(offers="AUTH PLAIN")),
    Scene("starttls-refused", Server(says={"STARTTLS": "454 4.7.0 TLS not available"})),
    Scene("no-auth", Server(offers_tls="SIZE 1000000")),
    Scene("auth-tokens", Server(offers_tls="AUTH XOAUTH2")),
    Scene("auth-wrong", Server(), password="wrong"),
    Scene("auth-off", Server(says={"AUTH": OFF_SAID})),
    Scene("sender-refused", Server(says={"MAIL": SPF_SAID})),
    Scene("recipient-refused", Server(says={"RCPT": "550 5.1.1 no such user here"})),
    Scene(
        "banner-refused",
        Server(banner=BLOCKED_SAID),
    ),
    Scene("busy", Server(banner="421 4.7.0 too many connections from your address")),
    Scene("cut", Server(banner="!")),
    Scene("spam", Server(says={".": "554 5.7.1 message looks like spam"})),
    Scene("too-large", Server(says={"MAIL": "552 5.3.4 message size exceeds fixed limit"})),
)


def _python(name: str) -> list[str]:
    return [sys.executable, str(CLIENTS / "send.py"), name]


MESSAGE = "From: user@corp.com\nTo: x@corp.com\nSubject: t\n\nhi\n"


def commands(
    scene: Scene, port: int, ca: Path, folder: Path, classpath: str
) -> Iterator[tuple[str, list[str]]]:
    """Each client and how it is started. Those in files send to localhost alone."""
    scheme = "smtps" if scene.tls else "smtp"
    user = "user@corp.com"
    if scene.host == "localhost":
        yield "smtplib", _python("smtplib")
        yield "aiosmtplib", _python("aiosmtplib")
        yield "nodemailer", ["node", str(CLIENTS / "send.mjs")]
        yield "phpmailer", ["php", str(CLIENTS / "send.php")]
        yield "net-smtp", ["perl", str(CLIENTS / "send.pl")]
        if classpath:
            trust = f"-Djavax.net.ssl.trustStore={folder / 'trust.p12'}"
            java = ["java", trust, "-Djavax.net.ssl.trustStorePassword=changeit"]
            yield "jakarta-mail", [*java, "-cp", f"{classpath}:{folder}", "Send"]
    if scene.name.startswith(("c", "tls", "start", "no-st")) and scene.host == "localhost":
        way = [] if scene.tls else ["-starttls", "smtp"]
        verify = ["-CAfile", str(ca), "-verify_hostname", "localhost", "-verify_return_error"]
        yield "openssl", ["openssl", "s_client", "-connect", f"localhost:{port}", *way, *verify]
    secure = [] if scene.tls else ["--ssl-reqd"]
    yield (
        "curl",
        [
            *("curl", "-sSv", "-m", "4", "--cacert", str(ca), *secure),
            *(
                "--url",
                f"{scheme}://{scene.host}:{port}/c.corp.com",
                "--user",
                f"{user}:{scene.password}",
            ),
            *("--mail-from", user, "--mail-rcpt", "x@corp.com", "-T", str(folder / "m.eml")),
        ],
    )
    (folder / "msmtprc").write_text(
        f"account default\nhost {scene.host}\nport {port}\nauth on\ntls on\n"
        f"tls_starttls {'off' if scene.tls else 'on'}\ntls_trust_file {ca}\nfrom {user}\n"
        f"user {user}\npassword {scene.password}\ntimeout 3\n"
    )
    (folder / "msmtprc").chmod(0o600)
    yield "msmtp", ["msmtp", "-C", str(folder / "msmtprc"), "x@corp.com"]
    yield (
        "swaks",
        [
            *("swaks", "--server", scene.host, "-p", str(port), "--timeout", "3"),
            *("--tlsc" if scene.tls else "--tls", "--tls-verify", "--tls-ca-path", str(ca)),
            *("--auth", "--auth-user", user, "--auth-password", scene.password),
            *("-f", user, "-t", "x@corp.com"),
        ],
    )
    start = [] if scene.tls else ["-Ssmtp-use-starttls"]
    login = f"user%40corp.com:{scene.password}"
    yield (
        "s-nail",
        [
            *("s-nail", "-:/", "-Sv15-compat=yes", "-Ssmtp-auth=plain", f"-Stls-ca-file={ca}"),
            *(
                "-Stls-ca-no-defaults",
                "-Ssocket-connect-timeout=3",
                "-Snosave",
                *start,
                f"-Sfrom={user}",
            ),
            *(f"-Smta={scheme}://{login}@{scene.host}:{port}", "-s", "t", "x@corp.com"),
        ],
    )


def versions() -> dict[str, str]:
    """What each client calls itself."""
    asked = {
        "smtplib": [sys.executable, "--version"],
        "aiosmtplib": [sys.executable, "-c", "import aiosmtplib; print(aiosmtplib.__version__)"],
        "nodemailer": [
            "node",
            "-p",
            f"require('{HERE.parent}/clients/node_modules/nodemailer/package.json').version",
        ],
        "phpmailer": [
            "php",
            "-r",
            "require '/usr/share/php/libphp-phpmailer/autoload.php';"
            " echo PHPMailer\\PHPMailer\\PHPMailer::VERSION;",
        ],
        "net-smtp": ["perl", "-MNet::SMTP", "-e", "print $Net::SMTP::VERSION"],
        "jakarta-mail": ["java", "--version"],
        "openssl": ["openssl", "version"],
        "curl": ["curl", "--version"],
        "msmtp": ["msmtp", "--version"],
        "swaks": ["swaks", "--version"],
        "s-nail": ["s-nail", "-V"],
    }
    found = {}
    for name, command in asked.items():
        if shutil.which(command[0]):
            said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            found[name] = (said.stdout + said.stderr).strip().splitlines()[0][:80]
    return found


async def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a client says that fails, standard error behind standard output; "" for one that does
    not, or hangs."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment, "LC_ALL": "C.UTF-8", "HOME": environment["SCRATCH"]},
    )
    try:
        async with asyncio.timeout(CLIENT_SECONDS):
            said, _ = await process.communicate(MESSAGE.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""
    return said.decode("utf-8", "replace") if process.returncode else ""


def tidy(client: str, text: str, port: int, folder: Path) -> str:
    """The text as a user pastes it: without what differs each time, and of talkative programs the
    lines that tell of errors."""
    text = text.replace(f"{CLIENTS}/", "").replace(f"{HERE.parents[1]}/", "/srv/app/")
    text = text.replace(str(folder), "/tmp").replace(f":{port}", ":587").replace(str(port), "587")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if (telling := _TELLING.get(client)) is not None:
        lines = [line for line in lines if telling.search(line)]
    lines = [re.sub(r"[0-9A-F]{12,16}:error", "4047A2C0E97F0000:error", line) for line in lines]
    return "\n".join(lines)[-KEPT_CHARACTERS:]


_TELLING = {
    "openssl": re.compile(
        r"error|verif|alert|unable|no peer|refused|starttls|errno", re.IGNORECASE
    ),
    "curl": re.compile(r"^(?:curl:|< |\* (?!Trying|TLSv1|ALPN|successfully|  ))"),
}


def prepare(folder: Path, classpath: str) -> Path:
    """Files that clients need; the one with the root of the gallery."""
    ca = folder / "ca.pem"
    ca.write_bytes(pem(authority(ROOT).certificate))
    (folder / "m.eml").write_text(MESSAGE)
    if classpath:
        keytool = ["keytool", "-importcert", "-noprompt", "-file", str(ca), "-alias", "g"]
        keytool += ["-keystore", str(folder / "trust.p12"), "-storepass", "changeit"]
        compiler = ["javac", "-cp", classpath, "-d", str(folder), str(CLIENTS / "Send.java")]
        for command in (keytool, compiler):
            subprocess.run(command, check=True, capture_output=True, timeout=120)
    return ca


async def collect(folder: Path, ca: Path, classpath: str) -> list[dict[str, str]]:
    """Every client at every scene, those of one scene at once."""
    known = versions()
    rows = []
    for scene in SCENES:
        async with AsyncExitStack() as stack:
            port = free_port()
            if scene.server is not None:
                port = await stack.enter_async_context(serving(scene.server))
            environment = {
                "SMTP_PORT": str(port),
                "SMTP_TLS": "tls" if scene.tls else "starttls",
                "SMTP_PASSWORD": scene.password,
                "SMTP_CA_FILE": str(ca),
                "SCRATCH": str(folder),
            }
            async with asyncio.TaskGroup() as group:
                tasks = {
                    client: group.create_task(run(command, environment))
                    for client, command in commands(scene, port, ca, folder, classpath)
                    if client in known
                }
            for client, task in tasks.items():
                said = tidy(client, task.result(), port, folder)
                row = {"client": client, "version": known[client], "scene": scene.name}
                rows.append({**row, "text": said})
                print(f"{scene.name:<18} {client:<13} {said[-100:]!r}", flush=True)
    return [row for row in rows if row["text"]]


def main() -> None:
    """Run the clients and write what they said; texts of clients that are not here stay."""
    classpath = sys.argv[sys.argv.index("--classpath") + 1] if "--classpath" in sys.argv else ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ca = prepare(folder, classpath)
        rows = asyncio.run(collect(folder, ca, classpath))
    have = {(row["client"], row["scene"]) for row in rows}
    if FILE.exists():
        old = json.loads(FILE.read_text(encoding="utf-8"))
        rows += [row for row in old if (row["client"], row["scene"]) not in have]
    rows.sort(key=lambda row: (row["scene"], row["client"]))
    FILE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
