"""`pillarbox m365`: what to do at Microsoft, and which step is missing."""

import json
import shlex
import ssl
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.next_hop import NextHop
from tests.support.issuer import CLIENT, TENANT, Issuer
from tests.unit.cli.conftest import Service

MAILBOX = "alerts@contoso.example"
EX_USAGE = 64
EX_NO_SUCH = 67
EX_UNAVAILABLE = 69
REFUSED = b"535 5.7.3 Authentication unsuccessful [LO4P123CA0001.GBRP123.PROD.OUTLOOK.COM]\r\n"

SETUP = ("m365", "setup", "--tenant-id", TENANT, "--client-id", CLIENT)


def setup(service: Service, *words: str, mailbox: str = MAILBOX) -> str:
    """What is printed."""
    return service.do(*SETUP, "--mailbox", mailbox, *words)


def test_setup_asks_for_what_is_needed(service: Service) -> None:
    """Without options; the answers stand in what it prints."""
    answers = f"gcc-high\n{TENANT}\n{CLIENT}\n{MAILBOX}\nclient-secret\n"

    said = service.do("m365", "setup", stdin=answers)

    assert "Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovGCCHigh" in said
    assert f"--microsoft365 {MAILBOX} --cloud gcc-high --tenant-id {TENANT}" in said
    assert "--client-secret-file" in said


def test_setup_says_that_nobody_can_be_asked(service: Service) -> None:
    """In a script the input ends with the first question."""
    refused = service.run("m365", "setup", stdin="")

    assert refused.exit_code == EX_USAGE
    assert "nobody can be asked here" in refused.stderr


def test_setup_prints_both_variants_with_the_warning(service: Service) -> None:
    """Every value is in; the Object ID is the one thing that only the administrator can see."""
    said = setup(service, "--cloud", "worldwide", "--sign-in", "certificate")

    assert f"-AppId '{CLIENT}' -ObjectId 'OBJECT-ID-OF-THE-ENTERPRISE-APPLICATION'" in said
    assert f"Add-MailboxPermission -Identity '{MAILBOX}' -User $app.Identity" in said
    assert f"Set-CASMailbox -Identity '{MAILBOX}' -SmtpClientAuthenticationDisabled $false" in said
    assert f"-Role 'Application SMTP.SendAsApp' -App '{CLIENT}'" in said
    assert "The App registration shows another Object ID" in said
    assert "Do NOT give the application the permission SMTP.SendAsApp" in said
    assert f"pillarbox route add --microsoft365 {MAILBOX} --tenant-id {TENANT}" in said


def test_setup_prints_commands_that_mean_the_mailbox(service: Service) -> None:
    """In both shells."""
    said = setup(service, "--cloud", "worldwide", "--sign-in", "browser", mailbox="o'b@contoso.com")

    (line,) = [line for line in said.splitlines() if "pillarbox route add" in line]
    assert shlex.split(line)[4] == "o'b@contoso.com"
    assert "Set-CASMailbox -Identity 'o''b@contoso.com'" in said


@pytest.mark.parametrize("mailbox", ["alerts", "a@contoso.com,,b@contoso.com"])
def test_setup_prints_nothing_for_what_is_no_mailbox(service: Service, mailbox: str) -> None:
    """Its cmdlets would be pasted as they are."""
    words = ("--cloud", "worldwide", "--sign-in", "certificate")
    refused = service.run(*SETUP, "--mailbox", mailbox, *words)

    assert (refused.exit_code, refused.stdout.count("Add-")) == (65, 0)
    assert "is no mail address" in refused.stderr


def test_setup_of_graph_prints_its_permission(service: Service) -> None:
    """Mail.Send for all mailboxes, or by RBAC for some; nothing of SMTP."""
    said = setup(service, "--cloud", "worldwide", "--sign-in", "certificate", "--way", "graph")

    assert "Microsoft Graph > Application permissions\n     > Mail.Send" in said
    assert f"-Role 'Application Mail.Send' -App '{CLIENT}'" in said
    assert "EVERY mailbox" in said
    assert "SMTP" not in said
    assert "ApplicationAccessPolicy" not in said
    assert f"--microsoft365 {MAILBOX} --way graph --tenant-id {TENANT}" in said


def test_setup_of_drafts_prints_their_permission(service: Service) -> None:
    """Mail.ReadWrite beside Mail.Send, in both variants; not where Graph takes no uploads."""
    way = ("--sign-in", "certificate", "--way", "graph-or-draft")
    said = setup(service, "--cloud", "worldwide", *way)
    refused = service.run(*SETUP, "--mailbox", MAILBOX, "--cloud", "gcc-high", *way)

    assert "> Mail.Send and Mail.ReadWrite, then grant admin consent" in said
    assert f"-Role 'Application Mail.ReadWrite' -App '{CLIENT}'" in said
    assert (refused.exit_code, "--way graph-or-smtp" in refused.stderr) == (64, True)


def test_setup_quotes_for_powershell(service: Service) -> None:
    """A quote in an address does not end the literal."""
    said = setup(
        service,
        *("--cloud", "worldwide", "--sign-in", "certificate"),
        mailbox="o'neil@contoso.example",
    )

    assert "-Identity 'o''neil@contoso.example'" in said


@pytest.mark.parametrize(
    ("cloud", "flow", "there", "not_there"),
    [
        ("hve", "certificate", "Add-HVEAppAccess", "Variant B"),
        ("outlook.com", "device-code", "--cloud outlook.com --client-id", "PowerShell"),
        ("worldwide", "device-code", "Allow public client flows", "New-ServicePrincipal"),
        ("worldwide", "browser", "http://localhost", "New-ServicePrincipal"),
    ],
)
def test_setup_fits_cloud_and_sign_in(
    service: Service, cloud: str, flow: str, there: str, not_there: str
) -> None:
    """Nobody reads steps that are not for him."""
    said = setup(service, "--cloud", cloud, "--sign-in", flow)

    assert there in said
    assert not_there not in said


@pytest.fixture
def issuer(issuer: Issuer) -> Issuer:
    """A sign-in server whose tokens are for SMTP."""
    issuer.claims = {
        "aud": "https://outlook.office365.com",
        "roles": ["SMTP.SendAsApp"],
        "tid": TENANT,
        "appid": CLIENT,
    }
    return issuer


@pytest.fixture
def office365(issuer: Issuer, tmp_path: Path) -> Iterator[NextHop]:
    """A next hop as smtp.office365.com, with the certificate of the issuer."""
    del issuer
    hop = NextHop()
    hop.starttls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    hop.starttls.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    hop.open()
    try:
        yield hop
    finally:
        hop.shut()


@pytest.fixture
def ready(office: Service, office365: NextHop, issuer: Issuer, tmp_path: Path) -> Service:
    """A service with a route by these two."""
    office.do(
        *("route", "add", "--microsoft365", MAILBOX, "--tenant-id", TENANT, "--client-id", CLIENT),
        *("--host", f"localhost:{office365.port}", "--authority", issuer.url),
        *("--ca-file", str(tmp_path / "ca.pem"), "--client-secret-file", "-"),
        stdin="s3cret\n",
    )
    return office


def test_check_says_what_is_in_order(ready: Service, office365: NextHop) -> None:
    """Each step alone, and nothing is sent."""
    checked = ready.run("m365", "check", "--json")
    [found] = json.loads(checked.stdout)

    assert checked.stderr == ""
    assert [(step["step"], step["ok"]) for step in found["steps"]] == [
        ("Token", True),
        ("Token content", True),
        ("Token content", True),
        ("Connection", True),
        ("Login", True),
        ("Sender", True),
    ]
    assert found["mailbox"] == MAILBOX
    assert "SMTP.SendAsApp" in found["steps"][2]["text"]
    assert office365.taken == []


@pytest.mark.parametrize(
    ("moment", "reply", "step", "fixes"),
    [
        ("AUTH", REFUSED, "Login", ["New-ServicePrincipal", "Add-MailboxPermission"]),
        ("AUTH", b"430 4.2.0 STOREDRV; mailbox logon failure\r\n", "Login", ["an hour"]),
        (
            "MAIL",
            b"550 5.7.60 SMTP; Client does not have permissions to send as this sender\r\n",
            "Sender",
            ["Add-RecipientPermission"],
        ),
        ("STARTTLS", b"454 4.7.0 TLS not available\r\n", "Connection", ["TLS"]),
    ],
)
def test_check_names_what_is_missing(
    ready: Service,
    office365: NextHop,
    *,
    moment: str,
    reply: bytes,
    step: str,
    fixes: list[str],
) -> None:
    """The step that fails, with the reply and the cmdlet that mends it."""
    office365.replies[moment] = deque([reply] * 3)

    result = ready.run("m365", "check")

    assert result.exit_code == EX_UNAVAILABLE
    assert f"FAIL  {step}: " in result.stdout
    assert all(fix in result.stdout for fix in fixes)


def test_check_reads_the_token(ready: Service, issuer: Issuer) -> None:
    """A token for Graph, or of another tenant, is not for SMTP."""
    issuer.claims = {"aud": "https://graph.microsoft.com", "tid": "0-0", "appid": CLIENT}

    result = ready.run("m365", "check")

    assert result.exit_code == EX_UNAVAILABLE
    assert "a token for Graph, not for SMTP" in result.stdout
    assert "for the tenant 0-0" in result.stdout


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.eyJ.c", "a.W10.c"])
def test_check_takes_any_token(ready: Service, issuer: Issuer, token: str) -> None:
    """What can not be read is said to be so."""
    issuer.claims, issuer.access_prefix = {}, token

    assert "Token content: opaque" in ready.do("m365", "check")


def test_check_without_a_token(ready: Service, issuer: Issuer) -> None:
    """Nothing else is tried, and the fix stands there."""
    said = {"error": "invalid_client", "error_description": "AADSTS7000215: s3cret is wrong"}
    issuer.answers["token"] = deque([(401, said)])

    result = ready.run("m365", "check")

    assert (result.exit_code, result.stderr) == (EX_UNAVAILABLE, "")
    assert "FAIL  Token: " in result.stdout
    assert "--client-secret-file" in result.stdout
    assert "s3cret" not in result.stdout


def test_check_of_nothing_is_67(office: Service) -> None:
    """There is no route by Microsoft 365, or none with that id."""
    office.do("route", "add", "--capture")

    result = office.run("m365", "check")

    assert result.exit_code == EX_NO_SUCH
    assert "pillarbox m365 setup" in result.stderr


def test_check_of_a_route_that_is_no_mailbox_is_67(ready: Service) -> None:
    """Not as if there were no route by Microsoft 365: it is said which ones there are."""
    added = ready.json("route", "add", "--to", "x.example", "--capture")

    result = ready.run("m365", "check", added["id"])

    assert result.exit_code == EX_NO_SUCH
    assert f"route {added['id']} is none by Microsoft 365" in result.stderr
    assert "pillarbox route list" in result.stderr
    missing = ready.run("m365", "check", "0000000000001")
    assert missing.exit_code == EX_NO_SUCH
    assert "there is no such route" in missing.stderr
