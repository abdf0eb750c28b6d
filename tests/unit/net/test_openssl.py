"""The key exchange groups of a worker process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.net.openssl import CONFIGURATION, GROUPS, environment_with_groups

SERVER = """
import socket, ssl, sys
from pathlib import Path
from pillarbox.net.tls import server_context

folder = Path(sys.argv[1])
context = server_context(folder / "server.pem", folder / "server.key")
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    connection, _ = listener.accept()
    connection.settimeout(20)
    try:
        print(context.wrap_socket(connection, server_side=True).version())
    except ssl.SSLError as error:
        print(error.reason)
"""


def handshake_in_a_worker(folder: Path, group: str) -> str:
    """What a server with a worker's environment says of a client that knows only this group: the
    version of TLS, or why there is none. The client is OpenSSL's own: Python can not name all."""
    environment = {name: text for name, text in os.environ.items() if name != "OPENSSL_CONF"}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        env=environment_with_groups(environment), stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-groups", group],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=30,
        )  # fmt: skip
        return server.stdout.read().strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate."""
    folder = tmp_path_factory.mktemp("tls")
    ensure_certificates(CertificateFiles.in_folder(folder), ["mail.t1.test"])
    return folder


@pytest.mark.parametrize("group", ["X25519", "prime256v1", "secp384r1"])
def test_row_18_the_curves_of_mozillas_intermediate_list_work(folder: Path, group: str) -> None:
    """Each of them alone is enough for a handshake (row 18)."""
    assert handshake_in_a_worker(folder, group) == "TLSv1.3"


@pytest.mark.parametrize("group", ["X448", "secp521r1", "ffdhe8192"])
def test_row_18_other_groups_are_refused(folder: Path, group: str) -> None:
    """ffdhe8192 would cost 100 ms of CPU a handshake (row 18)."""
    assert handshake_in_a_worker(folder, group) == "NO_SUITABLE_KEY_SHARE"


def test_an_administrators_own_configuration_stays() -> None:
    """Who sets OPENSSL_CONF means it; what else is there is kept."""
    given = {"OPENSSL_CONF": "/etc/own.cnf", "PATH": "/bin"}

    assert environment_with_groups(given) == given


def test_both_ways_to_set_groups_agree() -> None:
    """The file for OpenSSL, and the list for interpreters that can set it."""
    assert f"Groups = {GROUPS}" in Path(CONFIGURATION).read_text(encoding="ascii")
