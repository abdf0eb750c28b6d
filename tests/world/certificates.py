"""The certificates of the mail hosts, as files of key and chain."""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.dane_certificates import DAY, NOW, Made, make


class Certificates:
    """One authority that Pillarbox is told to trust, and what others made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))
        self.self_signed = make("whoever.example", until=NOW - DAY)
        self.root = make("A root", is_authority=True)
        between = make("Between", self.root, is_authority=True)
        self.chained = make("chain", between, names=("chain.safe.example",))
        self.self_signed_file = self.file("self", self.self_signed)
        # OpenSMTPD takes no other key.
        self.rsa_file = self.good("opensmtpd.open.example", key=trustme.KeyType.RSA)
        self.chain_file = self.file("chain", self.chained)

    def good(self, *names: str, key: trustme.KeyType = trustme.KeyType.ECDSA) -> Path:
        """A certificate of the authority that is trusted."""
        file = self._folder / f"{names[0]}.pem"
        issued = self.authority.issue_cert(*names, key_type=key)
        issued.private_key_and_cert_chain_pem.write_to_path(str(file))
        return file

    def file(self, name: str, made: Made) -> Path:
        """A certificate and those above it; Exim reads it as another user."""
        file = self._folder / f"{name}.pem"
        key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = (each.certificate.public_bytes(Encoding.PEM) for each in (made, *made.above))
        file.write_bytes(key + b"".join(chain))
        file.chmod(0o644)
        return file
