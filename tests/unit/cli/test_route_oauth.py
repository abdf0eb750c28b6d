"""Routes by Microsoft 365 and with OAuth2, by command (pillarbox.cli.route)."""

import sys
from collections import deque
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate
from tests.support.issuer import CLIENT, TENANT, Issuer
from tests.unit.cli.conftest import Service

from pillarbox.config import load
from pillarbox.oauth.sign_in import Flow, Grant, SignIn
from pillarbox.route import Microsoft365, Route, SmartHost
from pillarbox.store.admin.routes import list_routes, show_route
from pillarbox.store.grants import lease
from pillarbox.store.seal import Seal

EX_USAGE = 64
EX_DATA = 65
EX_TRY_LATER = 75
EX_CONFIG = 78

APP = ("--tenant-id", TENANT, "--client-id", CLIENT)
ADD = ("route", "add", "--microsoft365", "alerts@contoso.example", *APP)
SECRET = ("--client-secret-file", "-")


def _route(service: Service) -> Route:
    """The only route with its secrets."""
    seal = Seal(load(service.config_file).master_key)
    [info] = service.database.read_now(list_routes)
    return service.database.read_now(lambda c: show_route(c, info.route.route_id, seal=seal)).route


def _sign_in(service: Service) -> SignIn:
    hop = _route(service).next_hop
    if isinstance(hop, SmartHost):
        assert hop.access is not None
        return hop.access.sign_in
    assert isinstance(hop, Microsoft365)
    return hop.sign_in


def _refresh_token(service: Service) -> str:
    seal = Seal(load(service.config_file).master_key)
    route_id = _route(service).route_id
    grant = service.database.write_now(
        lambda c: lease(c, route_id, owner="test", lease_ms=-1, seal=seal)
    )
    assert isinstance(grant, Grant)
    return grant.refresh_token


def test_an_application_with_a_secret(office: Service) -> None:
    """The usual route: host, scope and limits are Microsoft's; the secret is never shown."""
    shown = office.do(*ADD, *SECRET, stdin="s3cret~4711\n")

    [route] = office.json("route", "list")
    assert route["next_hop"] == {
        "kind": "microsoft365",
        "mailboxes": ["alerts@contoso.example"],
        "cloud": "worldwide",
        "way": "smtp",
        "may_send_as": [],
        "other_from": "refuse",
        "host": "smtp.office365.com",
        "port": 587,
        "graph_url": None,
        "ca_file": None,
        "sign_in": {
            "flow": "client-secret",
            "issuer": f"https://login.microsoftonline.com/{TENANT}",
            "client_id": CLIENT,
            "scope": "https://outlook.office365.com/.default",
        },
    }
    assert (route["connections"], route["messages_per_minute"]) == (2, 30)
    assert route["recipients_per_day"] == 10_000
    assert _sign_in(office).secret == "s3cret~4711"
    shown += office.do("route", "list") + office.do("route", "show", route["id"])
    assert "s3cret" not in shown
    assert "alerts@contoso.example" in shown


def test_a_pool_in_another_cloud(office: Service) -> None:
    """Several mailboxes with one sign-in; the cloud says where."""
    office.do(
        *("route", "add", "--microsoft365", "a@x.example,b@x.example", "--cloud", "gcc-high"),
        *(*APP, *SECRET, "--per-minute", "10"),
        stdin="s3cret\n",
    )

    [route] = office.json("route", "list")
    assert route["next_hop"]["mailboxes"] == ["a@x.example", "b@x.example"]
    assert route["next_hop"]["host"] == "smtp.office365.us"
    assert route["next_hop"]["sign_in"]["issuer"].startswith("https://login.microsoftonline.us/")
    assert route["messages_per_minute"] == 10
    assert [m.next_hop.mailbox for m in _route(office).members] == [  # type: ignore[union-attr]
        "a@x.example",
        "b@x.example",
    ]


def test_whom_the_mailboxes_may_send_as(office: Service) -> None:
    """Beside themselves; what else comes is refused or rewritten, as the route says."""
    rules = ("--may-send-as", "Info@Contoso.example, @lists.example", "--other-from", "rewrite")
    office.do(*ADD, *SECRET, *rules, stdin="s3cret\n")

    [route] = office.json("route", "list")
    office.do("route", "change", route["id"], "--may-send-as", "")
    [changed] = office.json("route", "list")

    assert route["next_hop"]["may_send_as"] == ["info@contoso.example", "@lists.example"]
    assert route["next_hop"]["other_from"] == "rewrite"
    assert changed["next_hop"]["may_send_as"] == []
    assert changed["next_hop"]["other_from"] == "rewrite"
    assert "rewrite" in office.do("route", "show", route["id"])


@pytest.mark.parametrize("kind", ["pem", "pfx"])
def test_an_application_with_a_certificate(
    office: Service, tmp_path: Path, authority: trustme.CA, kind: str
) -> None:
    """From both kinds of files, the passphrase used once; `route show` says when it ends."""
    made = authority.issue_cert("app.example", key_type=trustme.KeyType.RSA)
    certificate, key = made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes()
    words: tuple[str, ...] = ()
    file = tmp_path / f"app.{kind}"
    if kind == "pem":
        file.write_bytes(certificate + key)
    else:
        octets = pkcs12.serialize_key_and_certificates(
            b"app",
            load_pem_private_key(key, None),  # type: ignore[arg-type]
            load_pem_x509_certificate(certificate),
            None,
            BestAvailableEncryption(b"pass-phrase"),
        )
        file.write_bytes(octets)
        (tmp_path / "passphrase").write_text("pass-phrase\n")
        words = ("--certificate-password-file", str(tmp_path / "passphrase"))

    office.do(*ADD, "--certificate", str(file), *words)

    sign_in = _sign_in(office)
    assert sign_in.flow is Flow.CERTIFICATE
    assert "BEGIN PRIVATE KEY" in sign_in.private_key
    assert sign_in.certificate.encode() == certificate
    [route] = office.json("route", "list")
    shown = office.do("route", "show", route["id"])
    assert "Certificate ends" in shown
    assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB\n", b"\x30\x82xx"])
def test_a_certificate_that_can_not_be_read_is_78(
    office: Service, tmp_path: Path, content: bytes
) -> None:
    """With the name of the file and what to give instead."""
    file = tmp_path / "app.pem"
    file.write_bytes(content)

    result = office.run(*ADD, "--certificate", str(file))

    assert result.exit_code == EX_CONFIG
    assert str(file) in result.stderr
    assert "PFX" in result.stderr


def test_a_person_signs_in_with_a_code(office: Service, issuer: Issuer, tmp_path: Path) -> None:
    """The code is shown, and what comes of it is kept, sealed."""
    where = ("--authority", issuer.url, "--ca-file", str(tmp_path / "ca.pem"))

    result = office.run(*ADD, *where, "--device-code")

    assert result.exit_code == 0, result.stderr
    assert "enter the code ABCD-EFGH" in result.stderr
    assert _refresh_token(office) == issuer.refresh_token
    [form] = issuer.forms()
    assert form["device_code"] == "device-1"
    assert "client_secret" not in form
    asked = issuer.forms("devicecode")[0]["scope"].split()
    assert "https://outlook.office.com/SMTP.Send" in asked
    assert "offline_access" in asked
    [route] = office.json("route", "list")
    assert "Signed in" in office.do("route", "show", route["id"])


def test_a_person_signs_in_with_the_browser(
    office: Service, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PKCE, and back to a port of this machine."""
    browser = tmp_path / "browser.py"
    browser.write_text(_BROWSER.format(python=sys.executable, ca=str(tmp_path / "ca.pem")))
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(browser))
    where = ("--authority", issuer.url, "--ca-file", str(tmp_path / "ca.pem"))

    office.do(*ADD, *where, "--browser")

    [asked] = issuer.forms("authorize")
    [form] = issuer.forms()
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"].startswith("http://localhost:")
    assert form["code"] == "code-1"
    assert form["code_verifier"]
    assert _refresh_token(office) == issuer.refresh_token


_BROWSER = """#!{python}
import os, ssl, sys, urllib.parse, urllib.request
if os.fork():
    sys.exit()
page = urllib.request.urlopen(sys.argv[1], context=ssl.create_default_context(cafile={ca!r}))
asked = urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)
form = {{"code": page.read().decode(), "state": asked["state"][0]}}
body = urllib.parse.urlencode(form).encode()
urllib.request.urlopen(asked["redirect_uri"][0], body).read()
"""


def test_a_sign_in_that_fails_makes_no_route(
    office: Service, issuer: Issuer, tmp_path: Path
) -> None:
    """The cause and the fix are said; nothing is left behind."""
    where = ("--authority", issuer.url, "--ca-file", str(tmp_path / "ca.pem"))
    answer = {"error": "invalid_request", "error_description": "AADSTS7000218: no"}
    issuer.answers["devicecode"] = deque([(400, answer)])

    result = office.run(*ADD, *where, "--device-code")

    assert result.exit_code == EX_TRY_LATER
    assert "public client flows" in result.stderr
    assert office.json("route", "list") == []


def test_a_new_secret_changes_nothing_else(office: Service) -> None:
    """Secrets end; everything else stays."""
    office.do(*ADD, *SECRET, "--client-secret-ends", "2020-01-31", stdin="old\n")
    [before] = office.json("route", "list")
    assert "the client secret has ended" in office.do("route", "show", before["id"])

    words = ("--client-secret-file", "-", "--client-secret-ends", "2099-01-31T12:00")
    office.do("route", "change", before["id"], *words, stdin="new\n")

    assert office.json("route", "list") == [before]
    assert _sign_in(office).secret == "new"
    shown = office.do("route", "show", before["id"])
    assert "2099-01-31" in shown
    assert "WARNING" not in shown


def test_from_secret_to_certificate(office: Service, tmp_path: Path, authority: trustme.CA) -> None:
    """The secret is gone then."""
    office.do(*ADD, *SECRET, stdin="old\n")
    [before] = office.json("route", "list")
    made = authority.issue_cert("app.example", key_type=trustme.KeyType.RSA)
    made.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "app.pem"))

    office.do("route", "change", before["id"], "--certificate", str(tmp_path / "app.pem"))

    sign_in = _sign_in(office)
    assert (sign_in.flow, sign_in.secret) == (Flow.CERTIFICATE, "")


def test_a_smart_host_with_another_issuer(office: Service, tmp_path: Path) -> None:
    """Google and others: a refresh token from elsewhere, no password."""
    (tmp_path / "token").write_text("1//refresh\n")
    (tmp_path / "secret").write_text("s3cret\n")
    words = (
        *("route", "add", "--smarthost", "smtp.gmail.com:465", "--user", "me@example.org"),
        *("--oauth-token-url", "https://oauth2.googleapis.com/token", "--client-id", "id"),
        *("--oauth-scope", "https://mail.google.com/"),
        *("--client-secret-file", str(tmp_path / "secret")),
        *("--refresh-token-file", str(tmp_path / "token")),
    )

    hop = office.json(*words)["next_hop"]

    assert hop["sign_in"] == {
        "flow": "refresh-token",
        "issuer": "https://oauth2.googleapis.com/token",
        "client_id": "id",
        "scope": "https://mail.google.com/",
    }
    assert _sign_in(office).secret == "s3cret"
    assert _refresh_token(office) == "1//refresh"


def test_from_oauth2_back_to_a_password(office: Service, tmp_path: Path) -> None:
    """A password takes the place of the tokens."""
    (tmp_path / "token").write_text("1//refresh\n")
    words = ("--oauth-token-url", "https://issuer.example/token", "--client-id", "id")
    route_id = office.json(
        *("route", "add", "--smarthost", "relay.example", "--user", "me", *words),
        *("--refresh-token-file", str(tmp_path / "token")),
    )["id"]

    office.do("route", "change", route_id, "--password-file", "-", stdin="pw\n")

    hop = _route(office).next_hop
    assert isinstance(hop, SmartHost)
    assert (hop.access, hop.password) == (None, "pw")


@pytest.mark.parametrize(
    "options",
    [
        ["--microsoft365", "a@x.example", *APP],
        ["--microsoft365", "a@x.example", *APP, *SECRET, "--device-code"],
        ["--microsoft365", "a@x.example", *APP, *SECRET, "--capture"],
        ["--microsoft365", "a@x.example", *APP, *SECRET, "--no-verify"],
        ["--microsoft365", "a@x.example", *APP, *SECRET, "--oauth-scope", "x"],
        ["--smarthost", "a.example", "--user", "me", "--client-id", "x", *SECRET],
        ["--smarthost", "a.example", "--user", "me", "--tenant-id", "x"],
        ["--capture", "--client-id", "x"],
    ],
    ids=["no flow", "two flows", "two ways", "verify", "scope", "no URL", "tenant", "capture"],
)
def test_options_that_do_not_fit_are_64(office: Service, options: list[str]) -> None:
    """A route goes one way and signs in one way."""
    assert office.run("route", "add", *options, stdin="x\n").exit_code == EX_USAGE


def test_what_can_not_work_is_65(office: Service) -> None:
    """A mailbox that is none, and a person's account with an application's sign-in."""
    bad = office.run("route", "add", "--microsoft365", "alerts", *APP, *SECRET, stdin="x\n")
    private = office.run(*ADD, "--cloud", "outlook.com", *SECRET, stdin="x\n")

    assert bad.exit_code == private.exit_code == EX_DATA
    assert "no mailbox" in bad.stderr
    assert "--device-code" in private.stderr
