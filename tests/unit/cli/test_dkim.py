"""Keys of DKIM by command (pillarbox.cli.dkim)."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.unit.cli.conftest import Service

EX_DATA = 65
DOMAIN = "example.org"


def _pem(key: object) -> bytes:
    octets: bytes = key.private_bytes(  # type: ignore[attr-defined]
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return octets


def _states(office: Service) -> dict[str, str]:
    return {key["selector"]: key["state"] for key in office.json("dkim", "list")}


def test_a_key_is_published_before_it_signs(office: Service) -> None:
    """The record can be pasted into a zone file, cut into strings that DNS takes."""
    shown = office.do("dkim", "create", DOMAIN, "--selector", "one")

    assert 'one._domainkey.example.org. IN TXT "v=DKIM1; k=rsa; p=MII' in shown
    assert max(len(string) for string in shown.split('"')[1::2]) <= 255
    assert _states(office) == {"one": "new"}


def test_an_active_key_retires_the_one_before_it(office: Service) -> None:
    """Of its algorithm only: a domain may sign with both."""
    office.do("dkim", "create", DOMAIN, "--selector", "one")
    office.do("dkim", "create", DOMAIN, "--selector", "two")
    office.do("dkim", "create", DOMAIN, "--selector", "ed", "--algorithm", "ed25519-sha256")
    for selector in ("one", "ed", "two"):
        office.do("dkim", "activate", DOMAIN, selector)

    assert _states(office) == {"one": "retired", "two": "active", "ed": "active"}


def test_a_retired_key_can_come_back(office: Service) -> None:
    """The new record turned out to be wrong."""
    for selector in ("one", "two"):
        office.do("dkim", "create", DOMAIN, "--selector", selector)
        office.do("dkim", "activate", DOMAIN, selector)
    office.do("dkim", "activate", DOMAIN, "one")

    assert _states(office) == {"one": "active", "two": "retired"}


def test_selectors_of_one_day_differ(office: Service) -> None:
    """They are made from the date."""
    made = [office.json("dkim", "create", DOMAIN)["selector"] for _ in range(3)]
    assert made[1:] == [f"{made[0]}-2", f"{made[0]}-3"]


def test_a_key_can_be_imported(office: Service, tmp_path: Path) -> None:
    """Of a service that signed before; what is published stays."""
    file = tmp_path / "key.pem"
    file.write_bytes(_pem(Ed25519PrivateKey.generate()))

    key = office.json("dkim", "create", DOMAIN, "--selector", "old", "--import", str(file))

    assert key["algorithm"] == "ed25519-sha256"
    assert key["record"]["value"].startswith("v=DKIM1; k=ed25519; p=")


@pytest.mark.parametrize(
    ("octets", "hint"),
    [(b"no key", "private key in PEM"), (_pem(generate_private_key(SECP256R1())), "Ed25519")],
)
def test_what_is_no_key_of_dkim_is_refused(
    office: Service, tmp_path: Path, octets: bytes, hint: str
) -> None:
    """The line says what would be one."""
    file = tmp_path / "key.pem"
    file.write_bytes(octets)
    result = office.run("dkim", "create", DOMAIN, "--import", str(file))
    assert (result.exit_code, hint in result.stderr) == (EX_DATA, True)


@pytest.mark.parametrize("selector", ["", "a_b", "-a", "a..b", "ä", "a" * 64])
def test_a_selector_is_made_of_labels(office: Service, selector: str) -> None:
    """RFC 6376 3.1."""
    result = office.run("dkim", "create", DOMAIN, "--selector", selector)
    assert (result.exit_code, "selector" in result.stderr) == (EX_DATA, True)


def test_a_selector_is_used_once(office: Service) -> None:
    """Two keys can not stand at one name."""
    office.do("dkim", "create", DOMAIN, "--selector", "one")
    result = office.run("dkim", "create", DOMAIN, "--selector", "ONE")
    assert (result.exit_code, "take another" in result.stderr) == (EX_DATA, True)


def test_a_domain_that_nobody_has(office: Service) -> None:
    """It is added first."""
    result = office.run("dkim", "create", "other.example")
    assert (result.exit_code, "add it first" in result.stderr) == (EX_DATA, True)


def test_a_key_can_be_removed(office: Service) -> None:
    """And so can one that nobody knows be told from one that is there."""
    office.do("dkim", "create", DOMAIN, "--selector", "one")
    office.do("dkim", "remove", DOMAIN, "one")

    assert _states(office) == {}
    result = office.run("dkim", "show", DOMAIN, "one")
    assert (result.exit_code, "no key with the selector one" in result.stderr) == (67, True)


def test_the_private_key_is_not_shown(office: Service) -> None:
    """Nor is it in the database in the clear: PKCS #8 of RSA holds this identifier."""
    office.do("dkim", "create", DOMAIN, "--selector", "one")
    rsa = bytes.fromhex("2a864886f70d010101")
    sealed = office.database.read_now(
        lambda c: c.exec_driver_sql("SELECT private_sealed FROM dkim_key").scalar_one()
    )
    assert rsa not in sealed
