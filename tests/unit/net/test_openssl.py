"""The key exchange groups of a worker process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.net.openssl import CONFIGURATION, GROUPS, environment_with_groups

HANDSHAKE = """
import ssl, sys
from contextlib import suppress
from pathlib import Path
from pillarbox.net.tls import client_context, server_context

folder = Path(sys.argv[1])
server = server_context(folder / "server.pem", folder / "server.key")
client = client_context(verify=False)
client.set_ecdh_curve(sys.argv[2])
to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
ends = [
    client.wrap_bio(to_client, to_server),
    server.wrap_bio(to_server, to_client, server_side=True),
]
for end in ends * 3:
    with suppress(ssl.SSLWantReadError):
        end.do_handshake()
print(ends[0].version())
"""


def handshake_in_a_worker(folder: Path, group: str) -> subprocess.CompletedProcess[str]:
    """A process with a worker's environment, whose client knows only this group."""
    environment = {name: text for name, text in os.environ.items() if name != "OPENSSL_CONF"}
    return subprocess.run(
        [sys.executable, "-c", HANDSHAKE, str(folder), group],
        env=environment_with_groups(environment), capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate."""
    folder = tmp_path_factory.mktemp("tls")
    ensure_certificates(CertificateFiles.in_folder(folder), ["mail.t1.test"])
    return folder


@pytest.mark.parametrize("group", ["X25519", "prime256v1", "secp384r1"])
def test_row_18_the_curves_of_mozillas_intermediate_list_work(folder: Path, group: str) -> None:
    """Each of them alone is enough for a handshake (row 18)."""
    done = handshake_in_a_worker(folder, group)

    assert done.stdout == "TLSv1.3\n", done.stderr


@pytest.mark.parametrize("group", ["X448", "secp521r1", "ffdhe8192"])
def test_row_18_other_groups_are_refused(folder: Path, group: str) -> None:
    """ffdhe8192 would cost 100 ms of CPU a handshake (row 18)."""
    done = handshake_in_a_worker(folder, group)

    assert done.returncode != 0
    assert "SSLError" in done.stderr


def test_an_administrators_own_configuration_stays() -> None:
    """Who sets OPENSSL_CONF means it; what else is there is kept."""
    given = {"OPENSSL_CONF": "/etc/own.cnf", "PATH": "/bin"}

    assert environment_with_groups(given) == given


def test_both_ways_to_set_groups_agree() -> None:
    """The file for OpenSSL, and the list for interpreters that can set it."""
    assert f"Groups = {GROUPS}" in CONFIGURATION.read_text(encoding="ascii")
