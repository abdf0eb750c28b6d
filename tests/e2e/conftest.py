"""What the end-to-end tests share: the service, and a Postfix behind it.

The fixtures last for a module: its tests run in one process (`--dist loadfile`), so that each
service and each Postfix is started once.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.e2e.next_hop import NextHop
from tests.e2e.postfix import PostfixNextHop
from tests.e2e.service import Pillarbox, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A running service of the module's own."""
    with running(tmp_path_factory.mktemp("pillarbox")) as pillarbox:
        yield pillarbox


@pytest.fixture(scope="session")
def hop_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA file, certificate and key of next hops, in one folder that Postfix may read."""
    folder = tmp_path_factory.mktemp("hop-ca")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    return folder


@pytest.fixture(scope="module")
def postfix(hop_ca: Path) -> Iterator[PostfixNextHop]:
    """A Postfix that keeps every message that it gets."""
    hop = PostfixNextHop("hop.example", hop_ca / "certificate.pem", hop_ca / "key.pem")
    try:
        hop.start_hop()
        yield hop
    finally:
        hop.stop()


@pytest.fixture
def next_hop() -> Iterator[NextHop]:
    """A next hop that answers as it is told; it does not listen yet."""
    hop = NextHop()
    try:
        yield hop
    finally:
        hop.shut()
