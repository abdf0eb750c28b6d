"""Clients set themselves up by the documents that a running service publishes."""

import plistlib
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.e2e.programs import free_port
from tests.e2e.service import Pillarbox, running

pytestmark = pytest.mark.xdist_group("e2e-publishing")

REQUEST = (
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/'
    'requestschema/2006"><Request><EMailAddress>{address}</EMailAddress></Request></Autodiscover>'
)


@dataclass(frozen=True, slots=True)
class _Published:
    """A service that publishes at `port`."""

    pillarbox: Pillarbox
    port: int

    def ask(self, path: str, host: str = "", body: str = "") -> tuple[int, bytes]:
        """Status and body of the answer; the certificate is checked by the service's own CA."""
        context = ssl.create_default_context(cafile=str(self.pillarbox.ca_file))
        connection = HTTPSConnection("localhost", self.port, timeout=20, context=context)
        headers = {"Host": host} if host else {}
        with closing(connection):
            connection.request("POST" if body else "GET", path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Published]:
    """The account is app@sender.example."""
    port = free_port()
    more = f'\n[publishing]\naddress = "127.0.0.1"\nport = {port}\n'
    folder: Path = tmp_path_factory.mktemp("published")
    with running(folder, more) as pillarbox:
        words = ("domain", "mailboxes", "sender.example", "imaps://imap.sender.example")
        pillarbox.admin(*words)
        yield _Published(pillarbox, port)


def test_thunderbird_finds_both_servers(published: _Published) -> None:
    """At the name of the domain, or by the address."""
    asked = [
        published.ask("/mail/config-v1.1.xml", "autoconfig.sender.example"),
        published.ask("/.well-known/autoconfig/mail/config-v1.1.xml", "sender.example"),
        published.ask("/mail/config-v1.1.xml?emailaddress=app%40sender.example"),
    ]

    for status, document in asked:
        assert status == 200
        root = ElementTree.fromstring(document)  # noqa: S314 - it is our own
        texts = [[one.text for one in root.iter(name)] for name in ("port", "socketType")]
        doors = list(zip(*texts, strict=True))
        assert doors == [
            ("993", "SSL"),
            (str(published.pillarbox.tls_port), "SSL"),
            (str(published.pillarbox.starttls_port), "STARTTLS"),
        ]


def test_outlook_is_told_its_account(published: _Published) -> None:
    """Also with the capitals that it writes."""
    path = "/Autodiscover/Autodiscover.xml"

    status, answer = published.ask(path, body=REQUEST.format(address="app@sender.example"))
    _, unknown = published.ask(path, body=REQUEST.format(address="x@elsewhere.example"))

    assert status == 200
    assert b"<LoginName>app@sender.example</LoginName>" in answer
    assert b"<ErrorCode>600</ErrorCode>" in unknown


def test_apples_devices_get_a_profile(published: _Published) -> None:
    """The same that the command line prints."""
    status, profile = published.ask("/mail.mobileconfig?address=app@sender.example")
    printed = published.pillarbox.admin("settings", "app@sender.example", "--for", "apple")

    assert status == 200
    assert plistlib.loads(profile) == plistlib.loads(printed.encode())


def test_domains_of_others_are_not_known(published: _Published) -> None:
    """Nor is anything else served."""
    elsewhere = published.ask("/mail/config-v1.1.xml", "autoconfig.elsewhere.example")
    by_address = published.ask("/mail/config-v1.1.xml?emailaddress=x@elsewhere.example")

    assert elsewhere[0] == by_address[0] == 404
    assert published.ask("/")[0] == 404
    assert published.ask("/mail/config-v1.1.xml", body="x")[0] == 405


def test_who_reads_mail_elsewhere_says_so_once(published: _Published) -> None:
    """It can be changed, looked at and taken back."""
    pillarbox = published.pillarbox
    words = ("domain", "mailboxes", "sender.example")

    before = pillarbox.admin_json(*words)["mailboxes"]
    pillarbox.admin(*words, "--none")
    status, text = published.ask("/mail.mobileconfig?address=app@sender.example")
    pillarbox.admin(*words, before)

    assert before == "imaps://imap.sender.example:993"
    assert status == 404
    assert b"pillarbox domain mailboxes sender.example" in text
