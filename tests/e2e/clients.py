"""Real mail clients: each function sends a letter through a port of Pillarbox.

All of them check the certificate against the CA that they are given. The result is what the
client sent, octet by octet, where that can be known; else None, and its text has to suffice.
"""

import smtplib
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from tests.e2e.letters import BODY, Letter, Upstream
from tests.e2e.programs import ROOT, needed_file, program, run

Send: TypeAlias = Callable[[Letter, Upstream, Path], bytes | None]
"""Sends a letter; the folder is for files that the client needs."""

HELLO_NAME = "client.sender.example"
SCRIPTS = ROOT / "tests/clients"


def write(folder: Path, name: str, content: bytes | str) -> Path:
    """A file for the client, which only its owner may read: it may hold a password."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(0o600)
    return file


def facts(letter: Letter, upstream: Upstream, folder: Path) -> Mapping[str, str]:
    """What our own client scripts read from their environment."""
    return {
        "SMTP_HOST": "localhost",
        "SMTP_PORT": str(upstream.port),
        "SMTP_TLS": "tls" if upstream.implicit_tls else "starttls",
        "SMTP_USER": upstream.username,
        "SMTP_PASSWORD": upstream.password,
        "SMTP_CA_FILE": str(upstream.ca_file),
        "LETTER_FROM": letter.sender,
        "LETTER_TO": letter.recipient,
        "LETTER_MARKER": letter.marker,
        "LETTER_FILE": str(write(folder, "letter.eml", letter.octets)),
        "LETTER_TEXT_FILE": str(write(folder, "letter.txt", BODY)),
        "SENT_FILE": str(folder / "sent.eml"),
    }


def swaks(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """swaks; it puts a line end of its own behind the file."""
    file = write(folder, "letter.eml", letter.octets.removesuffix(b"\r\n"))
    run(
        [
            *(program("swaks", "swaks"), "--server", "localhost", "--port", str(upstream.port)),
            *("--tls-on-connect" if upstream.implicit_tls else "--tls", "--tls-verify"),
            *("--tls-ca-path", upstream.ca_file, "--ehlo", HELLO_NAME, "--auth", "PLAIN"),
            *("--auth-user", upstream.username, "--auth-password", upstream.password),
            *("--from", letter.sender, "--to", letter.recipient, "--data", f"@{file}"),
        ]
    )
    return letter.octets


def msmtp(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """msmtp sends what it reads from standard input."""
    rc = write(
        folder,
        "msmtprc",
        f"account default\nhost localhost\nport {upstream.port}\nauth on\ntls on\n"
        f"tls_starttls {'off' if upstream.implicit_tls else 'on'}\n"
        f"tls_trust_file {upstream.ca_file}\nfrom {letter.sender}\n"
        f"user {upstream.username}\npassword {upstream.password}\n",
    )
    run(
        [program("msmtp", "msmtp"), "-C", rc, "--", letter.recipient],
        stdin=letter.octets.replace(b"\r\n", b"\n"),
    )
    return letter.octets


def curl(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """curl sends a file as it is."""
    scheme = "smtps" if upstream.implicit_tls else "smtp"
    run(
        [
            *(program("curl", "curl"), "--silent", "--show-error", "--ssl-reqd"),
            *("--cacert", upstream.ca_file),
            *("--url", f"{scheme}://localhost:{upstream.port}/{HELLO_NAME}"),
            *("--user", f"{upstream.username}:{upstream.password}"),
            *("--mail-from", letter.sender, "--mail-rcpt", letter.recipient),
            *("--upload-file", write(folder, "letter.eml", letter.octets)),
        ]
    )
    return letter.octets


def s_nail(letter: Letter, upstream: Upstream, folder: Path) -> None:
    """s-nail composes the message from the text on standard input."""
    user, password = quote(upstream.username, safe=""), quote(upstream.password, safe="")
    scheme = "smtps" if upstream.implicit_tls else "smtp"
    options = {
        "v15-compat": "yes",
        "smtp-auth": "plain",
        "tls-ca-file": str(upstream.ca_file),
        "tls-verify": "strict",
        "mta": f"{scheme}://{user}:{password}@localhost:{upstream.port}",
        "from": letter.sender,
        "ttycharset": "utf-8",
        "sendcharsets": "utf-8",
        "mime-encoding": "8b",
        "hostname": "sender.example",
    }
    starttls = [] if upstream.implicit_tls else ["-Ssmtp-use-starttls"]
    run(
        [program("s-nail", "s-nail"), "-:/", "-Stls-ca-no-defaults", "-Ssendwait", *starttls]
        + [f"-S{name}={value}" for name, value in options.items()]
        + ["-C", f"X-Marker: {letter.marker}", "-s", "A subject", letter.recipient],
        stdin=BODY.replace("\r\n", "\n").encode(),
        environment={"HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )


def mutt(letter: Letter, upstream: Upstream, folder: Path) -> None:
    """mutt composes the message from the text on standard input."""
    scheme = "smtps" if upstream.implicit_tls else "smtp"
    user = quote(upstream.username, safe="")
    rc = write(
        folder,
        "muttrc",
        f'set smtp_url="{scheme}://{user}@localhost:{upstream.port}/"\n'
        f'set smtp_pass="{upstream.password}"\n'
        "set ssl_force_tls=yes ssl_starttls=yes ssl_usesystemcerts=no ssl_verify_host=yes\n"
        f'set certificate_file="{upstream.ca_file}"\n'
        'set smtp_authenticators="plain:login"\n'
        f'set from="{letter.sender}" use_domain=no record="" allow_8bit=yes\n'
        'set charset="utf-8" send_charset="utf-8"\n'
        f"my_hdr X-Marker: {letter.marker}\n",
    )
    run(
        [program("mutt", "mutt"), "-n", "-F", rc, "-s", "A subject", "--", letter.recipient],
        stdin=BODY.replace("\r\n", "\n").encode(),
        environment={"HOME": str(folder)},
    )


def perl(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """Net::SMTP of Perl."""
    script = SCRIPTS / "net_smtp.pl"
    run([program("perl", "perl"), script], environment=facts(letter, upstream, folder))
    return letter.octets


def python_smtplib(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """smtplib of Python."""
    del folder
    context = ssl.create_default_context(cafile=upstream.ca_file)
    client: smtplib.SMTP
    if upstream.implicit_tls:
        client = smtplib.SMTP_SSL("localhost", upstream.port, timeout=60, context=context)
    else:
        client = smtplib.SMTP("localhost", upstream.port, timeout=60)
    with client:
        if not upstream.implicit_tls:
            client.starttls(context=context)
        client.login(upstream.username, upstream.password)
        client.sendmail(letter.sender, letter.recipient, letter.octets, ["BODY=8BITMIME"])
    return letter.octets


_AIOSMTPLIB = """
import asyncio, ssl, sys
import aiosmtplib
sender, recipient, port, username, password, use_tls, ca_file = sys.argv[1:]
asyncio.run(
    aiosmtplib.send(
        sys.stdin.buffer.read(),
        sender=sender,
        recipients=[recipient],
        hostname="localhost",
        port=int(port),
        username=username,
        password=password,
        use_tls=use_tls == "True",
        start_tls=use_tls != "True",
        tls_context=ssl.create_default_context(cafile=ca_file),
        timeout=60,
    )
)
"""


def python_aiosmtplib(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """aiosmtplib from PyPI, in a process of its own: it does not wait for its connection to end."""
    del folder
    words = [letter.sender, letter.recipient, str(upstream.port), upstream.username]
    words += [upstream.password, str(upstream.implicit_tls), str(upstream.ca_file)]
    run([sys.executable, "-c", _AIOSMTPLIB, *words], stdin=letter.octets)
    return letter.octets


def nodemailer(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """nodemailer from npm; it composes the message and says what it composed."""
    needed_file(SCRIPTS / "node_modules/nodemailer", "cd tests/clients && npm ci")
    script = SCRIPTS / "nodemailer.mjs"
    run([program("node", "nodejs"), script], environment=facts(letter, upstream, folder))
    return (folder / "sent.eml").read_bytes()


def phpmailer(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """PHPMailer; it composes the message and says what it composed."""
    needed_file(Path("/usr/share/php/libphp-phpmailer"), "apt-get install libphp-phpmailer")
    script = SCRIPTS / "phpmailer.php"
    run([program("php", "php-cli"), script], environment=facts(letter, upstream, folder))
    # On the way out it puts an empty line behind what it composed.
    return (folder / "sent.eml").read_bytes() + b"\r\n"


def openssl(letter: Letter, upstream: Upstream, folder: Path) -> bytes:
    """`openssl s_client`, as somebody uses it by hand: AUTH LOGIN, then one line at a time."""
    del folder
    options = [] if upstream.implicit_tls else ["-starttls", "smtp", "-name", HELLO_NAME]
    argv = [program("openssl", "openssl"), "s_client", "-quiet", *options]
    argv += ["-connect", f"localhost:{upstream.port}", "-CAfile", str(upstream.ca_file)]
    argv += ["-verify_hostname", "localhost", "-verify_return_error"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _converse(process, letter, upstream)
        finally:
            process.kill()
    return letter.octets


def _converse(process: subprocess.Popen[bytes], letter: Letter, upstream: Upstream) -> None:
    """The dialogue inside TLS; every command awaits its reply."""
    stdin, stdout = process.stdin, process.stdout
    assert stdin
    assert stdout

    def expect(code: bytes) -> None:
        line = stdout.readline()
        while line[3:4] == b"-":
            line = stdout.readline()
        assert line.startswith(code), line

    def say(octets: bytes, code: bytes) -> None:
        stdin.write(octets + b"\r\n")
        stdin.flush()
        expect(code)

    if upstream.implicit_tls:
        expect(b"220")  # With STARTTLS s_client has read the greeting itself.
    say(b"EHLO " + HELLO_NAME.encode(), b"250")
    say(b"auth login", b"334")
    say(b64encode(upstream.username.encode()), b"334")
    say(b64encode(upstream.password.encode()), b"235")
    say(f"mail from:<{letter.sender}>".encode(), b"250")
    say(f"rcpt to:<{letter.recipient}>".encode(), b"250")
    say(b"data", b"354")
    stuffed = b"\r\n".join(
        b"." + line if line.startswith(b".") else line for line in letter.octets.split(b"\r\n")
    )
    say(stuffed + b".", b"250")
    say(b"quit", b"221")


CLIENTS: Mapping[str, Send] = {
    "swaks": swaks,
    "msmtp": msmtp,
    "curl": curl,
    "s-nail": s_nail,
    "mutt": mutt,
    "perl-net-smtp": perl,
    "smtplib": python_smtplib,
    "aiosmtplib": python_aiosmtplib,
    "nodemailer": nodemailer,
    "phpmailer": phpmailer,
    "openssl": openssl,
}
