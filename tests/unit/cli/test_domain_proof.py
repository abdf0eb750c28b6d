"""`pillarbox domain`: claims, proofs, and who decides (attacks row 41)."""

import asyncio

import pytest
from tests.support.mail_world import open_world
from tests.unit.cli.conftest import Service

EX_USAGE = 64
EX_DATA = 65
EX_NO_SUCH = 67
EX_TEMPFAIL = 75


@pytest.fixture
def hoster(office: Service) -> Service:
    """The office, with a second tenant, where domains have to be proved."""
    office.do("tenant", "add", "acme")
    text = office.config_file.read_text()
    office.config_file.write_text(f'domain_proof = "dns"\n{text}')
    return office


def test_one_command_is_enough_on_a_server_of_ones_own(office: Service) -> None:
    """The administrator's word counts unless the configuration says otherwise."""
    added = office.json("domain", "add", "example.net")

    assert (added["state"], added["proof"], added["record"]) == ("proved", "administrator", None)
    office.do("account", "add", "app@example.net")


def test_what_is_proved_needs_no_second_proof(office: Service) -> None:
    """It is told so, and no way to claim it again."""
    refused = office.run("domain", "prove", "example.org")

    assert refused.exit_code == EX_DATA
    assert "example.org is proved already" in refused.stderr


def test_a_hoster_asks_for_a_record(hoster: Service) -> None:
    """The claim says what to publish, and gives nothing until then."""
    text = hoster.do("domain", "add", "acme.example", "--tenant", "acme")
    shown = hoster.json("domain", "show", "acme.example")

    assert (shown["state"], shown["proof"], shown["tenant"]) == ("claimed", None, "acme")
    record = shown["record"]
    assert f'{record["name"]}. IN TXT "{record["value"]}"' in text
    assert record["name"] == "_pillarbox-challenge.acme.example"
    assert hoster.run("account", "add", "a@acme.example").exit_code == EX_DATA
    assert hoster.run("dkim", "create", "acme.example").exit_code == EX_DATA
    assert hoster.run("send-as", "add", "printer@example.org", "@acme.example").exit_code == EX_DATA


def test_an_administrator_may_vouch(hoster: Service) -> None:
    """Also for a domain that was claimed before."""
    hoster.do("domain", "add", "acme.example", "--tenant", "acme")

    hoster.do("domain", "add", "acme.example", "--tenant", "acme", "--proof", "administrator")

    entries = [one for one in hoster.json("domain", "list") if one["name"] == "acme.example"]
    assert [(one["state"], one["proof"]) for one in entries] == [("proved", "administrator")]


@pytest.mark.parametrize("name", ["mail.example.org", "org", "example.org"])
def test_the_family_of_another_tenant_needs_a_proof(office: Service, name: str) -> None:
    """Even where the administrator's word is usual: only an explicit one is enough, and none for
    the very domain that another tenant has."""
    office.do("tenant", "add", "acme")

    result = office.run("domain", "add", name, "--tenant", "acme", "--json")

    assert (result.exit_code == EX_DATA) if name == "example.org" else ("claimed" in result.stdout)
    result = office.run("domain", "add", name, "--tenant", "acme", "--proof", "administrator")
    assert result.exit_code == (EX_DATA if name == "example.org" else 0)
    assert office.json("domain", "show", "example.org")["tenant"] == "default"


async def test_prove_asks_the_dns_that_is_configured(hoster: Service) -> None:
    """Not there, of another, no answer, and there at last."""
    async with open_world() as world:
        address, port = world.dns_server
        text = hoster.config_file.read_text()
        hoster.config_file.write_text(f'dns_servers = ["{address}:{port}"]\n{text}')
        claim = hoster.json("domain", "add", "acme.example", "--tenant", "acme")
        other = hoster.json("domain", "add", "acme.example", "--tenant", "default")
        name = claim["record"]["name"]
        words = ("domain", "prove", "acme.example", "--tenant", "acme", "--json")

        assert hoster.run("domain", "prove", "acme.example").exit_code == EX_USAGE
        missing = await asyncio.to_thread(hoster.run, *words)
        assert missing.exit_code == EX_DATA
        assert claim["record"]["value"] in missing.stderr

        world.dns(name, "TXT", f'"{other["record"]["value"]}"')
        assert (await asyncio.to_thread(hoster.run, *words)).exit_code == EX_DATA

        world.is_dead = True
        assert (await asyncio.to_thread(hoster.run, *words)).exit_code == EX_TEMPFAIL

        world.is_dead = False
        world.dns(name, "TXT", f'"{claim["record"]["value"]}"')
        proved = await asyncio.to_thread(hoster.run, *words)
        assert '"proof": "dns"' in proved.stdout

        late = await asyncio.to_thread(hoster.run, "domain", "prove", "acme.example")
        assert (late.exit_code, "not free" in late.stderr) == (EX_DATA, True)
    assert hoster.json("domain", "show", "acme.example")["tenant"] == "acme"


def test_a_claim_can_be_withdrawn(hoster: Service) -> None:
    """Where several tenants name a domain nobody loses it by a guess."""
    for tenant in ("acme", "default"):
        hoster.do("domain", "add", "acme.example", "--tenant", tenant)

    assert hoster.run("domain", "remove", "acme.example").exit_code == EX_USAGE
    hoster.do("domain", "remove", "acme.example", "--tenant", "acme")

    assert hoster.json("domain", "show", "acme.example")["tenant"] == "default"
    assert hoster.run("domain", "prove", "nothing.example").exit_code == EX_NO_SUCH
