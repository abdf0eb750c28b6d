"""Real mail clients that log in with an OAuth2 token: each sends a letter, or says why not.

`Upstream.password` is the token. What a client said comes back with its exit code.
"""

import base64
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

from tests.e2e.clients import HELLO_NAME, SCRIPTS, facts, write
from tests.e2e.letters import Letter, Upstream
from tests.e2e.programs import needed_file, program, run

Said: TypeAlias = tuple[bool, str]
"""Whether the letter was sent, and what the client told."""

Send: TypeAlias = Callable[[Letter, Upstream, Path], Said]


def _said(done: subprocess.CompletedProcess[bytes]) -> Said:
    return done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")


def curl(mechanism: str, letter: Letter, upstream: Upstream, folder: Path) -> Said:
    """curl with --oauth2-bearer."""
    scheme = "smtps" if upstream.implicit_tls else "smtp"
    done = run(
        [
            *(program("curl", "curl"), "--silent", "--show-error", "--verbose", "--ssl-reqd"),
            *("--cacert", upstream.ca_file, "--login-options", f"AUTH={mechanism}"),
            *("--url", f"{scheme}://localhost:{upstream.port}/{HELLO_NAME}"),
            *("--user", upstream.username, "--oauth2-bearer", upstream.password),
            *("--mail-from", letter.sender, "--mail-rcpt", letter.recipient),
            *("--upload-file", write(folder, "letter.eml", letter.octets)),
        ],
        code=None,
    )
    return _said(done)


def msmtp(mechanism: str, letter: Letter, upstream: Upstream, folder: Path) -> Said:
    """msmtp takes the token for a password; from a program, since its lines are short."""
    token = write(folder, "token", upstream.password)
    rc = write(
        folder,
        "msmtprc",
        f"account default\nhost localhost\nport {upstream.port}\nauth {mechanism}\ntls on\n"
        f"tls_starttls {'off' if upstream.implicit_tls else 'on'}\n"
        f"tls_trust_file {upstream.ca_file}\nfrom {letter.sender}\n"
        f'user {upstream.username}\npasswordeval "cat {token}"\n',
    )
    done = run(
        [program("msmtp", "msmtp"), "-C", rc, "--", letter.recipient],
        stdin=letter.octets.replace(b"\r\n", b"\n"),
        code=None,
    )
    return _said(done)


def nodemailer(letter: Letter, upstream: Upstream, folder: Path) -> Said:
    """nodemailer with an access token; it knows XOAUTH2 alone."""
    needed_file(SCRIPTS / "node_modules/nodemailer", "cd tests/clients && npm ci")
    environment = {**facts(letter, upstream, folder), "SMTP_TOKEN": upstream.password}
    script = SCRIPTS / "nodemailer.mjs"
    return _said(run([program("node", "nodejs"), script], environment=environment, code=None))


def python_smtplib(letter: Letter, upstream: Upstream, folder: Path) -> Said:
    """smtplib with what programs put together by hand: XOAUTH2 without an initial response."""
    del folder
    context = ssl.create_default_context(cafile=upstream.ca_file)
    client: smtplib.SMTP
    if upstream.implicit_tls:
        client = smtplib.SMTP_SSL("localhost", upstream.port, timeout=20, context=context)
    else:
        client = smtplib.SMTP("localhost", upstream.port, timeout=20)
    words = f"user={upstream.username}\x01auth=Bearer {upstream.password}\x01\x01"
    with client:
        if not upstream.implicit_tls:
            client.starttls(context=context)
        client.ehlo()
        code, text = client.docmd("AUTH", "XOAUTH2")
        code, text = client.docmd(base64.b64encode(words.encode()).decode())
        if code == 334:
            code, text = client.docmd("")
        if code != 235:
            return False, f"{code} {text.decode()}"
        client.sendmail(letter.sender, letter.recipient, letter.octets, ["BODY=8BITMIME"])
    return True, ""


CLIENTS: Mapping[str, Send] = {
    "curl-xoauth2": partial(curl, "XOAUTH2"),
    "curl-oauthbearer": partial(curl, "OAUTHBEARER"),
    "msmtp-xoauth2": partial(msmtp, "xoauth2"),
    "msmtp-oauthbearer": partial(msmtp, "oauthbearer"),
    "nodemailer": nodemailer,
    "smtplib": python_smtplib,
}
