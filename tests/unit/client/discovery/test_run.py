"""Finding settings in a small internet: each source alone, and which of them wins
(pillarbox.client.discovery)."""

import base64
import hashlib
import json

import pytest
from tests.support.mail_world import World, autoconfig, page
from tests.unit.client.discovery.conftest import Search

from pillarbox.discovery.answer import Discovery, client_settings
from pillarbox.discovery.findings import CheckState, Login, Source
from pillarbox.discovery.ranking import Confidence, Suggestion
from pillarbox.errors import AddressError

ADDRESS = "ann@corp.com"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
CONFIG = "/mail/config-v1.1.xml"
PACC = "/.well-known/user-agent-configuration.json"


def best(found: Discovery) -> Suggestion:
    """The suggestion, which there must be."""
    assert found.best is not None, found
    return found.best


def ports(suggestion: Suggestion) -> list[int]:
    """The ports in their order."""
    return [offer.door.port for offer in suggestion.offers]


async def test_srv_records_of_a_self_hosted_domain(world: World, search: Search) -> None:
    """RFC 8314 section 5.1: both kinds, TLS from the first octet first; the host is in the domain,
    and it was looked at."""
    world.dns("_submissions._tcp.corp.com", "SRV", "0 1 465 mail.corp.com.")
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    await world.mail("mail.corp.com", 465, 587)

    found = best(await search(ADDRESS))

    assert (found.host, ports(found), found.source) == ("mail.corp.com", [465, 587], Source.SRV)
    assert found.is_verified
    assert found.mechanisms == ("PLAIN", "LOGIN")
    assert found.confidence is Confidence.HIGH
    assert not found.is_outside
    assert not found.confirm


async def test_srv_host_outside_of_the_domain_is_marked(world: World, search: Search) -> None:
    """RFC 6186 section 6: the DNS can be forged, so a person has to agree to a stranger."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.hosting.net.")
    await world.mail("mail.hosting.net", 587)

    found = best(await search(ADDRESS))

    assert found.is_outside
    assert "mail.hosting.net is not in corp.com" in found.confirm[0]


async def test_host_of_the_organisation_above_a_subdomain_is_not_outside(
    world: World, search: Search
) -> None:
    """The registered domain is what counts (public suffix list)."""
    world.dns("_submission._tcp.dept.corp.co.uk", "SRV", "0 1 587 mail.corp.co.uk.")
    await world.mail("mail.corp.co.uk", 587)

    assert not best(await search("ann@dept.corp.co.uk")).is_outside


async def test_domain_that_offers_no_submission_is_told(world: World, search: Search) -> None:
    """RFC 6186 section 3.4: a target of "." says that the service is not there."""
    world.dns("_submissions._tcp.corp.com", "SRV", "0 0 0 .")

    found = await search(ADDRESS)

    assert found.best is None
    assert "offers no submission" in next(a.outcome for a in found.asked if a.source is Source.SRV)


async def test_pacc_document_with_its_digest(world: World, search: Search) -> None:
    """The document says the host; port and encryption are fixed."""
    document = json.dumps({"protocols": {"smtp": {"host": "smtp.corp.com"}}}).encode()
    digest = base64.b64encode(hashlib.sha256(document).digest()).decode()
    world.dns("_ua-auto-config.corp.com", "TXT", f'"v=UAAC1; a=sha256; d={digest}"')
    await world.web("ua-auto-config.corp.com", {PACC: page(document)})
    await world.mail("smtp.corp.com", 465)

    found = best(await search(ADDRESS))

    assert (found.host, ports(found), found.source) == ("smtp.corp.com", [465], Source.PACC)


async def test_pacc_document_of_another_digest_is_refused(world: World, search: Search) -> None:
    """Who holds the web server alone can not name the mail server."""
    document = json.dumps({"protocols": {"smtp": {"host": "smtp.corp.com"}}})
    world.dns("_ua-auto-config.corp.com", "TXT", '"v=UAAC1; a=sha256; d=AAAA"')
    await world.web("ua-auto-config.corp.com", {PACC: page(document)})
    await world.mail("smtp.corp.com", 465)

    found = await search(ADDRESS)

    assert Source.PACC not in [s.source for s in found.suggestions]
    assert any("not the document" in asked.outcome for asked in found.asked)


@pytest.mark.parametrize(
    ("host", "path"), [("autoconfig.corp.com", CONFIG), ("corp.com", WELL_KNOWN)]
)
async def test_autoconfig_over_https(world: World, search: Search, host: str, path: str) -> None:
    """Both places of the draft; the host of the domain may learn the address."""
    await world.web(host, {path: autoconfig("smtp.corp.com")})
    await world.mail("smtp.corp.com", 587)

    found = best(await search(ADDRESS))

    assert (found.host, ports(found), found.source) == ("smtp.corp.com", [587], Source.AUTOCONFIG)
    assert f"{host} GET {path}?emailaddress=ann%40corp.com HTTP/1.1" in world.requests


async def test_autoconfig_without_encryption_has_to_be_confirmed(
    world: World, search: Search
) -> None:
    """The address is not sent in the clear, and the answer is worth little."""
    await world.plain_web("autoconfig.corp.com", {CONFIG: autoconfig("smtp.corp.com")})
    await world.mail("smtp.corp.com", 587)

    found = best(await search(ADDRESS))

    assert found.source is Source.AUTOCONFIG_HTTP
    assert found.confidence is Confidence.LOW
    assert any("without encryption" in text for text in found.confirm)
    assert "ann" not in "".join(world.requests)


async def test_ispdb_learns_the_domain_only(world: World, search: Search) -> None:
    """Thunderbird's database, for a domain that says nothing itself."""
    await world.web("v1.ispdb.net", {"/corp.com": autoconfig("smtp.corp.com", 465, "SSL")})
    await world.mail("smtp.corp.com", 465)

    found = best(await search(ADDRESS))

    assert found.source is Source.ISPDB
    assert "v1.ispdb.net GET /corp.com HTTP/1.1" in world.requests


async def test_no_third_party_is_asked_on_request(world: World, search: Search) -> None:
    """Neither Thunderbird nor Microsoft nor a hosting company learns that somebody asks."""
    await world.web("v1.ispdb.net", {"/corp.com": autoconfig("smtp.corp.com")})
    await world.web("login.microsoftonline.com", {})
    await world.web("autoconfig.hosting.net", {CONFIG: autoconfig("smtp.hosting.net")})
    world.dns("corp.com", "MX", "10 mx1.hosting.net.")

    found = await search(ADDRESS, third_parties=False)

    assert found.best is None
    assert not world.requests
    assert not {name for name, _ in world.queries if not name.endswith("corp.com")}


@pytest.mark.parametrize(
    ("mx", "host", "listed"),
    [
        ("corp-com.mail.protection.outlook.com.", "smtp.office365.com", [587]),
        ("corp-com.x-v1.mx.microsoft.", "smtp.office365.com", [587]),
        ("smtp.google.com.", "smtp.gmail.com", [465, 587]),
        ("aspmx.l.google.com.", "smtp.gmail.com", [465, 587]),
        ("mx.zoho.eu.", "smtppro.zoho.eu", [465, 587]),
        ("mx.zoho.in.", "smtppro.zoho.in", [465, 587]),
        ("in1-smtp.messagingengine.com.", "smtp.fastmail.com", [465]),
    ],
)
async def test_mx_host_tells_the_provider(
    world: World, search: Search, mx: str, host: str, listed: list[int]
) -> None:
    """Business domains seldom say more than who takes their mail."""
    world.dns("corp.com", "MX", f"10 {mx}", "20 backup.other.net.")
    await world.mail(host, *listed)

    found = best(await search(ADDRESS))

    assert (found.host, ports(found), found.source) == (host, listed, Source.MX)
    assert any("mailbox is there" in text for text in found.confirm)


async def test_mx_host_of_a_hosting_company_leads_to_its_document(
    world: World, search: Search
) -> None:
    """Steps 3.1 to 3.4 of the draft; the company does not learn the address."""
    world.dns("corp.com", "MX", "10 mx1.eu.hosting.net.")
    await world.web("autoconfig.hosting.net", {CONFIG: autoconfig("smtp.hosting.net")})
    await world.mail("smtp.hosting.net", 587)

    found = best(await search(ADDRESS))

    assert (found.host, found.source) == ("smtp.hosting.net", Source.MX_AUTOCONFIG)
    assert "emailaddress" not in "".join(world.requests)


async def test_microsoft_behind_a_filter_is_found_by_its_alias(
    world: World, search: Search
) -> None:
    """The MX host is Mimecast's; autodiscover tells where the mailbox is."""
    world.dns("corp.com", "MX", "10 eu-smtp-inbound-1.mimecast.com.")
    world.dns("autodiscover.corp.com", "CNAME", "autodiscover.outlook.com.")
    await world.mail("smtp.office365.com", 587, mechanisms="LOGIN XOAUTH2")

    found = best(await search(ADDRESS))

    assert (found.host, ports(found), found.source) == ("smtp.office365.com", [587], Source.HINT)
    assert client_settings(found, (await search(ADDRESS)).asking).mechanism == "LOGIN"
    assert any("no port 465" in note for note in found.notes)
    assert any("December 2026" in note for note in found.notes)


async def test_spf_record_alone_is_a_weak_hint(world: World, search: Search) -> None:
    """A provider that may send for a domain need not have its mailboxes."""
    world.dns("corp.com", "MX", "10 eu-smtp-inbound-1.mimecast.com.")
    world.dns("corp.com", "TXT", '"v=spf1 include:spf.protection.outlook.com -all"')
    await world.mail("smtp.office365.com", 587, mechanisms="LOGIN XOAUTH2")

    weak = best(await search(ADDRESS))
    await world.web(
        "login.microsoftonline.com",
        {
            "/corp.com/v2.0/.well-known/openid-configuration": page(
                '{"issuer": "https://login.microsoftonline.com/0/v2.0"}'
            )
        },
    )
    strong = best(await search(ADDRESS))

    assert (weak.host, weak.confidence) == ("smtp.office365.com", Confidence.LOW)
    assert (strong.host, strong.confidence) == ("smtp.office365.com", Confidence.MEDIUM)


async def test_two_providers_in_the_spf_record_are_both_named(world: World, search: Search) -> None:
    """Nothing tells which of them has the mailboxes."""
    texts = '"v=spf1 include:spf.protection.outlook.com include:_spf.google.com -all"'
    world.dns("corp.com", "TXT", texts)
    await world.mail("smtp.office365.com", 587)
    await world.mail("smtp.gmail.com", 465)

    found = await search(ADDRESS)

    assert {s.host for s in found.suggestions} == {"smtp.office365.com", "smtp.gmail.com"}
    assert {s.confidence for s in found.suggestions} == {Confidence.LOW}


async def test_usual_names_are_the_last_resort(world: World, search: Search) -> None:
    """A host that merely exists counts only if it lets log in under TLS."""
    await world.mail("mail.corp.com", 587)
    await world.mail("smtp.corp.com", 587, mechanisms="")

    found = await search(ADDRESS)

    assert (best(found).host, best(found).source) == ("mail.corp.com", Source.GUESS)
    assert best(found).confidence is Confidence.LOW
    assert [s.host for s in found.suggestions] == ["mail.corp.com"]


async def test_nothing_found_is_said(world: World, search: Search) -> None:
    """No guess is dressed up as an answer; what was asked is listed."""
    world.dns("corp.com", "MX", "10 mx.unknown-filter.net.")

    found = await search(ADDRESS)

    assert found.best is None
    assert not found.rejected
    assert {asked.source for asked in found.asked} >= {Source.SRV, Source.PACC, Source.HINT}


@pytest.mark.parametrize(
    ("address", "host", "username", "logins"),
    [
        ("a@outlook.com", "smtp-mail.outlook.com", "a@outlook.com", (Login.OAUTH2,)),
        ("a@gmail.com", "smtp.gmail.com", "a@gmail.com", (Login.APP_PASSWORD,)),
        ("ann.b@web.de", "smtp.web.de", "ann.b", (Login.PASSWORD,)),
        ("a@zoho.eu", "smtp.zoho.eu", "a@zoho.eu", (Login.PASSWORD,)),
        ("a@zohomail.com", "smtp.zoho.com", "a@zohomail.com", (Login.PASSWORD,)),
    ],
)
async def test_known_domain_needs_no_question(
    world: World,
    search: Search,
    address: str,
    host: str,
    username: str,
    logins: tuple[Login, ...],
) -> None:
    """The table is enough, so nobody is asked; the server is looked at all the same."""
    oauth_only = logins == (Login.OAUTH2,)
    await world.mail(host, 587, mechanisms="XOAUTH2" if oauth_only else "PLAIN LOGIN")

    found = await search(address)

    assert (best(found).host, best(found).source) == (host, Source.TABLE)
    assert best(found).is_verified
    assert best(found).logins == logins
    assert client_settings(best(found), found.asking).username == username
    assert {name for name, _ in world.queries} == {host}


async def test_better_source_wins_and_the_other_one_agrees(world: World, search: Search) -> None:
    """The answer says who else says the same."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 smtp.corp.com.")
    await world.web("autoconfig.corp.com", {CONFIG: autoconfig("smtp.corp.com", 465, "SSL")})
    await world.web("v1.ispdb.net", {"/corp.com": autoconfig("old.corp.com")})
    await world.mail("smtp.corp.com", 465)

    found = best(await search(ADDRESS))

    assert (found.host, found.source) == ("smtp.corp.com", Source.SRV)
    assert Source.AUTOCONFIG in found.agreed
    assert ports(found) == [465, 587]
    assert [check.state for check in found.checks] == [CheckState.OK, CheckState.UNREACHABLE]


async def test_server_that_answers_beats_a_better_source_that_is_stale(
    world: World, search: Search
) -> None:
    """An old SRV record must not hide the server that is there."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 gone.corp.com.")
    world.address_of("gone.corp.com")
    await world.web("autoconfig.corp.com", {CONFIG: autoconfig("smtp.corp.com")})
    await world.mail("smtp.corp.com", 587)

    found = await search(ADDRESS)

    assert best(found).host == "smtp.corp.com"
    assert [s.host for s in found.suggestions] == ["smtp.corp.com", "gone.corp.com"]


async def test_wrong_port_of_a_known_server_is_put_right(world: World, search: Search) -> None:
    """Guides say port 465 for Microsoft 365, and so do autoconfig documents that copy them."""
    document = autoconfig("smtp.office365.com", 465, "SSL")
    await world.web("autoconfig.corp.com", {CONFIG: document})
    await world.mail("smtp.office365.com", 587, mechanisms="LOGIN XOAUTH2")

    found = best(await search(ADDRESS))

    assert (found.host, ports(found)) == ("smtp.office365.com", [587])
    assert found.is_outside


async def test_domain_can_be_asked_without_an_address(world: World, search: Search) -> None:
    """Nobody learns an address, and the card shows where it goes."""
    await world.web("autoconfig.corp.com", {CONFIG: autoconfig("smtp.corp.com")})
    await world.mail("smtp.corp.com", 587)

    found = await search("corp.com")

    assert client_settings(best(found), found.asking).username == "you@corp.com"
    assert "emailaddress" not in "".join(world.requests)


async def test_international_domain_is_asked_by_its_a_label(world: World, search: Search) -> None:
    """RFC 5890: the DNS and certificates know the ASCII form."""
    world.dns("_submission._tcp.xn--bcher-kva.com", "SRV", "0 1 587 mail.xn--bcher-kva.com.")
    await world.mail("mail.xn--bcher-kva.com", 587)

    found = best(await search("ann@bücher.com"))

    assert found.host == "mail.xn--bcher-kva.com"
    assert found.is_verified


@pytest.mark.parametrize(
    "target", ["", "a b@corp.com", "ann@", "ann@[127.0.0.1]", "127.0.0.1", "x"]
)
async def test_what_is_no_domain_is_refused_at_once(
    world: World, search: Search, target: str
) -> None:
    """Nothing is asked."""
    with pytest.raises(AddressError):
        await search(target)

    assert not world.queries
