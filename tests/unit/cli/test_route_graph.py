"""Routes by Microsoft Graph, by command (pillarbox.cli.route)."""

from pathlib import Path

import pytest
from tests.support.issuer import CLIENT, TENANT, Issuer
from tests.unit.cli.conftest import Service

EX_DATA = 65

APP = ("--tenant-id", TENANT, "--client-id", CLIENT)
ADD = ("route", "add", "--microsoft365", "alerts@contoso.example", *APP)
SECRET = ("--client-secret-file", "-")


def test_a_mailbox_by_graph(office: Service) -> None:
    """Another scope and other limits; with SMTP beside it, those of SMTP."""
    office.do(*ADD, *SECRET, "--way", "graph", stdin="s3cret\n")
    [route] = office.json("route", "list")
    office.do("route", "change", route["id"], "--way", "graph-or-smtp")
    [changed] = office.json("route", "list")
    office.do("route", "change", route["id"], "--other-from", "pass", "--connections", "1")
    [kept] = office.json("route", "list")

    assert route["next_hop"]["way"] == "graph"
    assert route["next_hop"]["graph_url"] == "https://graph.microsoft.com"
    assert route["next_hop"]["sign_in"]["scope"] == "https://graph.microsoft.com/.default"
    assert (route["connections"], route["messages_per_minute"]) == (4, 30)
    assert [(w["counted"], w["amount"], w["seconds"]) for w in route["windows"]] == [
        ("messages", 30, 60),
        ("octets", 110_000_000, 300),
        ("requests", 10_000, 600),
        ("recipients", 10_000, 86_400),
    ]
    assert (changed["connections"], changed["messages_per_minute"]) == (2, 30)
    assert (kept["connections"], kept["next_hop"]["way"]) == (1, "graph-or-smtp")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--cloud", "hve", "--way", "graph"), "has no Graph"),
        (("--way", "graph", "--graph-url", "http://localhost:1"), "http://localhost:1"),
        (("--cloud", "dod", "--way", "graph-or-draft"), "--way graph-or-smtp"),
    ],
)
def test_a_graph_that_can_not_be_is_refused(
    office: Service, words: tuple[str, ...], says: str
) -> None:
    """Before mail waits for it."""
    result = office.run(*ADD, *SECRET, *words, stdin="s3cret\n")

    assert result.exit_code == EX_DATA
    assert says in result.stderr


def test_a_person_signs_in_for_graph(office: Service, issuer: Issuer, tmp_path: Path) -> None:
    """For what the way needs; another way says that it may need another sign-in."""
    where = ("--authority", issuer.url, "--ca-file", str(tmp_path / "ca.pem"))

    office.do(*ADD, *where, "--way", "graph-or-draft", "--device-code")
    [route] = office.json("route", "list")
    changed = office.run("route", "change", route["id"], "--way", "graph")
    same = office.run("route", "change", route["id"], "--other-from", "pass")

    asked = issuer.forms("devicecode")[0]["scope"].split()
    graph = "https://graph.microsoft.com"
    assert {f"{graph}/Mail.Send", f"{graph}/Mail.ReadWrite", "offline_access"} <= set(asked)
    assert "--device-code" in changed.stderr
    assert (same.exit_code, same.stderr) == (0, "")


def test_a_person_has_no_pool_by_graph(office: Service, issuer: Issuer, tmp_path: Path) -> None:
    """That is said before anybody signs in."""
    where = ("--authority", issuer.url, "--ca-file", str(tmp_path / "ca.pem"), "--way", "graph")
    pool = ("route", "add", "--microsoft365", "a@x.example,b@x.example")

    refused = office.run(*pool, *APP, *where, "--device-code")

    assert (refused.exit_code, issuer.forms("devicecode")) == (EX_DATA, [])
    assert "his own mailbox" in refused.stderr
