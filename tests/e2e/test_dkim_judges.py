"""Signatures over mail that is not ours, judged by three programs that are not ours."""

import json
import re
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest
from tests.e2e.programs import needed_file, run
from tests.support.dkim_keys import dns_txt, signing_key

from pillarbox.errors import AddressError
from pillarbox.mail.dkim import Algorithm, signature_fields
from pillarbox.mail.dkim_body import ContentHash
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.message import Addition, compose_prefix, scan_header

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / ".tools" / "mail-samples"
PYTHON_SAMPLES = Path(sysconfig.get_path("stdlib")) / "test/test_email/data"
VERIFIER = ROOT / "tests" / "clients" / "verify_dkim.mjs"

DOMAIN = "signer.example"
KEYS = [signing_key(algorithm, DOMAIN) for algorithm in Algorithm]
RECORDS = {
    f"{key.selector}._domainkey.{DOMAIN}": dns_txt(f"{key.selector}.".encode()).decode()
    for key in KEYS
}
MOMENT = 1_790_000_000
RECEIVED = "Received: from client.example ([127.0.0.1])\r\n\tby mx.example with ESMTPSA id "

MAIL = re.compile(r"/(tests?|data)/.*\.(txt|message|msg|mbox)$")
FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")
LEAST_SAMPLES = 120


def _samples() -> dict[str, bytes]:
    """Mail with CRLF line ends by its name; what submission would refuse is left out."""
    found = dict(_of_the_interpreter())
    for archive in sorted(SAMPLES.glob("*.tar.gz")):
        with tarfile.open(archive) as files:
            for member in files:
                file = files.extractfile(member) if MAIL.search(member.name) else None
                if file is not None:
                    content = _as_sent(file.read())
                    if _is_taken(content):
                        found[member.name] = content
    return found


def _of_the_interpreter() -> Iterator[tuple[str, bytes]]:
    """The mail with which Python tests its own e-mail package."""
    folder = needed_file(PYTHON_SAMPLES, "make test")
    for file in sorted(folder.glob("*.txt")):
        content = _as_sent(file.read_bytes())
        if _is_taken(content):
            yield file.name, content


def _as_sent(octets: bytes) -> bytes:
    """With the line ends of SMTP, the last one too."""
    content = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _is_taken(content: bytes) -> bool:
    """Left out is also mail with a line in its header that is no field: for some verifiers the
    header ends there, for others it does not."""
    header = scan_header(content)
    if header.needs_blank_line or header.is_ambiguous or len(header.from_fields) != 1:
        return False
    lines = content[: header.size_octets].split(b"\r\n")[:-1]
    if not all(FIELD.match(line) for line in lines):
        return False
    try:
        return bool(parse_authors(header.from_fields[0]))
    except AddressError:
        return False


def _sign(content: bytes) -> bytes:
    """As reception.intake does."""
    header = scan_header(content)
    addition = Addition(RECEIVED, 1, MOMENT * 1000, "mx.example", f"a@{DOMAIN}")
    prefix, _ = compose_prefix(header, addition)
    body = ContentHash(1 << 20)
    body.take(content)
    fields = prefix + content[: header.size_octets]
    return signature_fields(KEYS, fields, body.digest(), MOMENT) + prefix + content


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The signed samples as files."""
    folder = tmp_path_factory.mktemp("signed")
    files = []
    for number, (name, content) in enumerate(_samples().items()):
        message = _sign(content)
        assert message.endswith(content), name
        files.append(folder / f"{number:03}-{Path(name).name}.eml")
        files[-1].write_bytes(message)
    assert len(files) >= LEAST_SAMPLES, "tests/mail_samples.txt names what has them"
    return files


def test_dkimpy_verifies_all(signed: list[Path]) -> None:
    """Both signatures of every message."""
    failed = []
    for file in signed:
        verifier = dkim.DKIM(file.read_bytes())
        if not all(verifier.verify(index, dnsfunc=dns_txt) for index in range(len(KEYS))):
            failed.append(file.name)
    assert failed == []


def test_opendkim_verifies_all(signed: list[Path], tmp_path: Path) -> None:
    """What many receivers run."""
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{name} {record}\n" for name, record in RECORDS.items()))
    configuration = tmp_path / "opendkim.conf"
    configuration.write_text(f"Mode v\nTestPublicKeys {keys}\n")

    failed = []
    for file in signed:
        argv: list[str | Path] = ["/usr/sbin/opendkim", "-x", configuration, "-vv", "-t", file]
        said = run(argv, code=None)
        text = (said.stdout + said.stderr).decode(errors="replace")
        passed = re.findall(rf"dkim=pass[^;]* header.d={DOMAIN} .*header.a=(\S+)", text)
        if sorted(passed) != sorted(algorithm.value for algorithm in Algorithm):
            failed.append(file.name)
    assert failed == []


def test_mailauth_verifies_all(signed: list[Path], tmp_path: Path) -> None:
    """A third reading of the standard."""
    records = tmp_path / "records.json"
    records.write_text(json.dumps(RECORDS))
    said = run(
        ["node", VERIFIER, records, *signed], environment={"SIGNING_DOMAIN": DOMAIN}, seconds=100
    )
    results = [json.loads(line) for line in said.stdout.splitlines()]
    failed = [
        file.name
        for file, result in zip(signed, results, strict=True)
        if result != ["pass"] * len(KEYS)
    ]
    assert failed == []
