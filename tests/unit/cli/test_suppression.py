"""`pillarbox suppression`, and the limit of a tenant."""

from tests.unit.cli.conftest import Service

EX_DATA = 65
EX_NO_SUCH = 67


def test_an_address_comes_and_goes(office: Service) -> None:
    """With reason and end; it is found in any spelling."""
    words = ("--reason", "left the company", "--expires", "2099-12-31")
    added = office.json("suppression", "add", "Bob@Far.example", *words)
    assert (added["address"], added["origin"]) == ("bob@far.example", "administrator")
    assert added["reason"] == "left the company"
    assert added["expires_at"].startswith("2099-12-31") or added["expires_at"].startswith("2100")
    assert office.json("suppression", "list", "--tenant", "default") == [added]
    assert "left the company" in office.do("suppression", "list")

    office.do("suppression", "remove", "BOB@far.example")

    assert office.json("suppression", "list") == []
    assert office.run("suppression", "remove", "bob@far.example").exit_code == EX_NO_SUCH
    assert office.run("suppression", "add", "bob").exit_code == EX_DATA


def test_a_star_suppresses_no_domain(office: Service) -> None:
    """It is a local part as any other: whoever means all of a domain is told the way."""
    refused = office.run("suppression", "add", "*@far.example")

    assert refused.exit_code == EX_DATA
    assert "pillarbox route add --to far.example --reject" in refused.stderr


def test_lists_of_tenants_are_apart(office: Service) -> None:
    """One of them is named where there are several."""
    office.do("tenant", "add", "acme")
    office.do("suppression", "add", "bob@far.example", "--tenant", "acme")

    assert office.json("suppression", "list", "--tenant", "default") == []
    (entry,) = office.json("suppression", "list")
    assert (entry["tenant"], entry["expires_at"]) == ("acme", None)
    elsewhere = ("suppression", "remove", "bob@far.example", "--tenant", "default")
    assert office.run(*elsewhere).exit_code == EX_NO_SUCH


def test_a_tenant_may_not_want_it(office: Service) -> None:
    """Nothing is suppressed by itself with 0 days."""
    assert office.json("tenant", "show")["suppress_days"] == 30
    office.do("tenant", "change", "--suppress-days", "0")

    assert office.json("tenant", "show")["suppress_days"] == 0
    assert office.run("tenant", "change", "--suppress-days", "-1").exit_code == EX_DATA
