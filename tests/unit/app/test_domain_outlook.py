"""app.domain_outlook: records beside what DNS says, and what receivers will make of mail."""

from dataclasses import dataclass, field, replace
from typing import Any

import dns.rdata
import pytest

from pillarbox.app.domain_outlook import Dmarc, Key, Outlook, Subject, WayOut, look
from pillarbox.app.domain_ways import ways_out
from pillarbox.errors import DnsFailure
from pillarbox.net.dns import Record
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.publish.client_records import client_records
from pillarbox.publish.domain_records import Judged, State
from pillarbox.route import Capture, Microsoft365, Route, SmartHost, TlsMode

DOMAIN = "example.org"
HOST = "mail.example.org"
KEY = "v=DKIM1; k=rsa; p=MIIBIj+/Q=="
HERE = WayOut("this host", f"a:{HOST}", ("192.0.2.1", "2001:db8::1"))
SELECTOR = f"s1._domainkey.{DOMAIN}"


@dataclass
class Zone:
    """The DNS: by name and kind the records, as they stand in a zone file. It gives no answer about
    the names in `broken`."""

    names: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def put(self, name: str, kind: str, *texts: str) -> None:
        """The records of a name, in the place of others."""
        self.names[name, kind] = list(texts)

    async def records(self, name: str, kind: type[Record]) -> list[Record]:
        """As net.dns.DnsResolver."""
        if name in self.broken or "*" in self.broken:
            raise DnsFailure("the DNS servers failed")
        texts = self.names.get((name, kind.__name__), [])
        found: list[Any] = [dns.rdata.from_text("IN", kind.__name__, text) for text in texts]
        return found

    async def txt(self, name: str) -> list[str]:
        """As net.dns.DnsResolver."""
        from dns.rdtypes.ANY.TXT import TXT

        return [b"".join(one.strings).decode() for one in await self.records(name, TXT)]

    async def addresses(self, name: str) -> list[str]:
        """As net.dns.DnsResolver."""
        return self.names.get((name, "A"), [])


@pytest.fixture
def zone() -> Zone:
    """All is right."""
    zone = Zone()
    zone.put(HOST, "A", "192.0.2.1")
    zone.put(HOST, "AAAA", "2001:db8::1")
    zone.put(DOMAIN, "TXT", f'"v=spf1 a:{HOST} -all"', '"unrelated"')
    zone.put(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=quarantine; sp=reject"')
    zone.put(SELECTOR, "TXT", f'"{KEY}"')
    zone.put(f"_pillarbox-challenge.{DOMAIN}", "TXT", '"token=1f"')
    zone.put(f"_submissions._tcp.{DOMAIN}", "SRV", f"0 1 465 {HOST}.")
    zone.put(f"_submission._tcp.{DOMAIN}", "SRV", f"5 0 587 {HOST}.")
    zone.put(f"_mta-sts.{DOMAIN}", "TXT", '"v=STSv1; id=1;"')
    zone.put(f"_smtp._tls.{DOMAIN}", "TXT", '"v=TLSRPTv1;rua=mailto:tls@example.org"')
    return zone


SUBJECT = Subject(
    domain=DOMAIN,
    host_name=HOST,
    token="1f",
    is_proved=True,
    keys=(Key(DOMAIN, SELECTOR, KEY, is_active=True),),
    services=(("_submissions", 465), ("_submission", 587)),
    ways=(HERE,),
    version="20261126",
)


def _by_purpose(outlook: Outlook) -> dict[str, Judged]:
    return {judged.record.purpose: judged for judged in outlook.records}


async def test_all_is_right(zone: Zone) -> None:
    """And mail passes by both."""
    outlook = await look(zone, SUBJECT)

    assert {judged.state for judged in outlook.records} == {State.RIGHT}
    assert list(_by_purpose(outlook)) == [
        *("ownership", "spf", "dkim", "dmarc", "submissions", "submission", "mta-sts", "tls-rpt")
    ]
    assert [forecast.dmarc for forecast in outlook.forecasts] == [Dmarc.BOTH]
    assert outlook.policy == "quarantine"


async def test_what_is_published_as_it_is_told_is_right(zone: Zone) -> None:
    """From an empty zone to a right one by doing what the command says."""
    zone.names = {key: texts for key, texts in zone.names.items() if key[0] == HOST}
    before = await look(zone, SUBJECT)
    assert {judged.state for judged in before.records} == {State.MISSING}
    assert before.forecasts[0].dmarc is Dmarc.FAIL

    for judged in before.records:
        name, _, kind, text = judged.record.line.split(" ", 3)
        zone.put(name.rstrip("."), kind, text)
    after = await look(zone, SUBJECT)

    assert {judged.state for judged in after.records} == {State.RIGHT}
    assert after.forecasts[0].dmarc is Dmarc.BOTH


@pytest.mark.parametrize(
    ("name", "text", "purpose", "note"),
    [
        (DOMAIN, '"v=spf1 ip4:192.0.2.1 -all"', "spf", "fail for 2001:db8::1"),
        (DOMAIN, '"v=spf1 ipv4:192.0.2.1 -all"', "spf", "permerror for 192.0.2.1"),
        (f"_dmarc.{DOMAIN}", '"v=DMARC1; p=rejct"', "dmarc", "p=rejct"),
        (f"_dmarc.{DOMAIN}", '"v=dmarc1; p=none"', "dmarc", "must begin with v=DMARC1"),
        (SELECTOR, '"v=DKIM1; p=AAAA"', "dkim", "another key"),
        (SELECTOR, '"v=DKIM1; p="', "dkim", "revokes"),
        (SELECTOR, f'"{KEY}; s=tlsrpt"', "dkim", "s= keeps receivers"),
        (f"_pillarbox-challenge.{DOMAIN}", '"token=2e"', "ownership", "another claim"),
        (f"_mta-sts.{DOMAIN}", '"v=STSv1; id=2026-11-26"', "mta-sts", "the form is"),
        (f"_smtp._tls.{DOMAIN}", '"v=TLSRPTv1; rua=tls@example.org"', "tls-rpt", "the form is"),
    ],
)
async def test_a_wrong_record_says_how(
    zone: Zone, name: str, text: str, purpose: str, note: str
) -> None:
    """One thing is wrong, and it is named."""
    zone.put(name, "TXT", text)

    judged = _by_purpose(await look(zone, SUBJECT))

    assert [p for p, one in judged.items() if one.state is not State.RIGHT] == [purpose]
    assert judged[purpose].state is State.WRONG
    assert note in judged[purpose].note


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("v=spf1 mx -all", f"v=spf1 mx a:{HOST} -all"),
        ("V=SPF1 include:other.example ?ALL", f"v=spf1 include:other.example a:{HOST} ?ALL"),
        ("v=spf1 redirect=other.example", f"v=spf1 a:{HOST} redirect=other.example"),
        ("v=spf1", f"v=spf1 a:{HOST}"),
    ],
)
async def test_an_spf_record_is_mended_not_replaced(zone: Zone, text: str, better: str) -> None:
    """Others send for the domain too."""
    zone.put("other.example", "TXT", '"v=spf1 -all"')
    zone.put(DOMAIN, "TXT", f'"{text}"')

    spf = _by_purpose(await look(zone, SUBJECT))["spf"]

    assert (spf.state, spf.record.value) == (State.WRONG, better)


async def test_several_records_are_an_error(zone: Zone) -> None:
    """For SPF, DMARC and keys alike."""
    for name, text in ((DOMAIN, "v=spf1 ~all"), (f"_dmarc.{DOMAIN}", "v=DMARC1; p=none")):
        zone.names[name, "TXT"].append(f'"{text}"')
    zone.names[SELECTOR, "TXT"].append('"v=DKIM1; p=AAAA"')

    judged = _by_purpose(await look(zone, SUBJECT))

    assert all("several" in judged[purpose].note for purpose in ("spf", "dmarc", "dkim"))


async def test_no_answer_is_not_missing(zone: Zone) -> None:
    """Nobody is told to publish what is there; nothing is foretold."""
    zone.broken = {"*"}

    outlook = await look(zone, SUBJECT)

    assert {judged.state for judged in outlook.records} == {State.UNKNOWN}
    assert outlook.forecasts[0].dmarc is Dmarc.UNKNOWN


@pytest.mark.parametrize(
    ("spf", "key", "dmarc"),
    [(True, True, Dmarc.BOTH), (True, False, Dmarc.SPF), (False, True, Dmarc.DKIM),
     (False, False, Dmarc.FAIL)],
)  # fmt: skip
async def test_either_is_enough(zone: Zone, spf: bool, key: bool, dmarc: Dmarc) -> None:
    """RFC 9989."""
    if not spf:
        zone.put(DOMAIN, "TXT", '"v=spf1 ip4:198.51.100.1 ~all"')
    if not key:
        zone.put(SELECTOR, "TXT")

    assert (await look(zone, SUBJECT)).forecasts[0].dmarc is dmarc


@pytest.mark.parametrize(
    ("record", "dmarc", "policy"),
    [
        ("v=DMARC1; p=none; sp=reject", Dmarc.BOTH, "reject"),
        ("v=DMARC1; p=none; sp=reject; adkim=s", Dmarc.SPF, "reject"),
    ],
)
async def test_a_key_above_signs_for_a_domain_below(
    zone: Zone, record: str, dmarc: Dmarc, policy: str
) -> None:
    """Aligned unless the record asks for the very name; the policy is that for subdomains."""
    below = replace(SUBJECT, domain=f"news.{DOMAIN}")
    zone.put(below.domain, "TXT", f'"v=spf1 a:{HOST} -all"')
    zone.put(f"_dmarc.{DOMAIN}", "TXT", f'"{record}"')

    outlook = await look(zone, below)

    assert (outlook.forecasts[0].dmarc, outlook.policy) == (dmarc, policy)
    dmarc_record = _by_purpose(outlook)["dmarc"]
    assert (dmarc_record.state, dmarc_record.found) == (State.RIGHT, ())
    assert f"_dmarc.{DOMAIN} holds: {policy}" in dmarc_record.note


async def test_a_key_that_does_not_sign_yet_foretells_nothing(zone: Zone) -> None:
    """Its record is to be published all the same."""
    zone.put(SELECTOR, "TXT")
    waiting = replace(SUBJECT, keys=(Key(DOMAIN, SELECTOR, KEY, is_active=False),))

    outlook = await look(zone, waiting)

    assert _by_purpose(outlook)["dkim"].state is State.MISSING
    assert outlook.forecasts[0].dmarc is Dmarc.SPF


async def test_each_way_out_has_its_forecast(zone: Zone) -> None:
    """What a smart host needs is known of some; what nobody knows is not foretold."""
    zone.put(SELECTOR, "TXT")
    zone.put(DOMAIN, "TXT", '"v=spf1 include:spf.protection.outlook.com -all"')
    hosts = ("smtp.gmail.com", "relay.example")
    ways = (
        WayOut("Microsoft 365", "include:spf.protection.outlook.com"),
        *(way for host in hosts for way in _ways(SmartHost(host, 587, TlsMode.STARTTLS))),
    )

    outlook = await look(zone, replace(SUBJECT, ways=ways))

    assert [forecast.dmarc for forecast in outlook.forecasts] == [
        *(Dmarc.SPF, Dmarc.FAIL, Dmarc.UNKNOWN)
    ]
    value = _by_purpose(outlook)["spf"].record.value
    assert value.split() == [
        *("v=spf1", "include:spf.protection.outlook.com", "include:_spf.google.com", "-all")
    ]


PUBLISHED = tuple(client_records(DOMAIN, HOST, 443, b"the document"))


async def test_records_that_lead_clients_here_are_right_when_published(zone: Zone) -> None:
    """As they are told; PACC's holds the digest of the document."""
    for record in PUBLISHED:
        text = f'"{record.value}"' if record.type == "TXT" else record.value
        zone.put(record.name, record.type, text)

    found = _by_purpose(await look(zone, replace(SUBJECT, published=PUBLISHED)))

    states = {found[one.purpose].state for one in PUBLISHED}
    assert (len(PUBLISHED), states) == (4, {State.RIGHT})


@pytest.mark.parametrize(
    ("name", "kind", "text", "purpose", "state"),
    [
        (f"autoconfig.{DOMAIN}", "CNAME", "elsewhere.example.", "autoconfig", State.WRONG),
        (f"autoconfig.{DOMAIN}", "A", "192.0.2.9", "autoconfig", State.RIGHT),
        (f"_ua-auto-config.{DOMAIN}", "TXT", '"v=UAAC1; d=other"', "pacc", State.WRONG),
        (f"_autodiscover._tcp.{DOMAIN}", "SRV", "0 0 443 a.example.", "autodiscover", State.WRONG),
    ],
)
async def test_records_that_lead_clients_elsewhere_are_wrong(
    zone: Zone, name: str, kind: str, text: str, purpose: str, state: State
) -> None:
    """The rest is missing, which harms nobody."""
    zone.put(name, kind, text)

    found = _by_purpose(await look(zone, replace(SUBJECT, published=PUBLISHED)))

    assert found[purpose].state is state
    others = [one for one in PUBLISHED if one.purpose != purpose]
    assert {found[one.purpose].state for one in others} == {State.MISSING}
    assert not any(one.is_needed for one in PUBLISHED)


def _ways(*hops: Any, sender_domain: str = "") -> list[WayOut]:
    routes = [Route(number, sender_domain, "", hop) for number, hop in enumerate(hops)]
    return ways_out(routes, DOMAIN, host_name=HOST, addresses=["192.0.2.1"])


def test_routes_say_how_mail_leaves() -> None:
    """Each way once, of the routes that the domain takes; without any this host."""
    relay = SmartHost("relay.example", 587, TlsMode.STARTTLS)
    sign_in = SignIn(Flow.CLIENT_SECRET, "id")
    mailbox = Microsoft365("a@example.org", Cloud.GCC_HIGH, sign_in)

    assert [way.term for way in _ways(mailbox)] == ["include:spf.protection.office365.us"]
    assert [way.name for way in _ways(relay, relay, Capture())] == ["smart host relay.example"]
    here = [f"this host ({HOST})"]
    assert [way.name for way in _ways()] == here
    assert [way.name for way in _ways(relay, sender_domain="other.example")] == here
    assert [way.name for way in _ways(relay, sender_domain="*.example.org")] == here


PATH = f"bounces.{DOMAIN}"


def _with_return_path(zone: Zone, path: str = PATH) -> Subject:
    """A domain whose mail comes back to another one; its own SPF record knows nothing of it."""
    zone.put(DOMAIN, "TXT", '"v=spf1 -all"')
    zone.put(path, "TXT", f'"v=spf1 a:{HOST} -all"')
    zone.put(path, "MX", f"10 {HOST}.")
    return replace(SUBJECT, ways=(replace(HERE, has_return_path=True),), return_path=path)


async def test_spf_of_the_return_path_counts(zone: Zone) -> None:
    """The reverse-path is there: its records are needed, and those of the domain are not."""
    outlook = await look(zone, _with_return_path(zone))

    judged = _by_purpose(outlook)
    assert "spf" not in judged
    assert judged["return-path"].state is judged["return-path-spf"].state is State.RIGHT
    assert outlook.forecasts[0].dmarc is Dmarc.BOTH


async def test_records_of_a_return_path_are_told(zone: Zone) -> None:
    """What is to be published makes it right; mail on other ways needs its own domain's."""
    subject = _with_return_path(zone)
    zone.put(PATH, "MX")
    zone.put(PATH, "TXT")
    outlook = await look(zone, replace(subject, ways=(*subject.ways, HERE)))
    judged = _by_purpose(outlook)
    assert judged["spf"].state is State.WRONG
    assert judged["return-path"].record.line == f"{PATH}. IN MX 10 {HOST}."
    assert judged["return-path-spf"].record.line == (f'{PATH}. IN TXT "v=spf1 a:{HOST} ~all"')

    zone.put(PATH, "MX", judged["return-path"].record.value)
    zone.put(PATH, "TXT", f'"{judged["return-path-spf"].record.value}"')
    judged = _by_purpose(await look(zone, subject))

    assert judged["return-path"].state is judged["return-path-spf"].state is State.RIGHT


@pytest.mark.parametrize(
    ("hosts", "state", "note"),
    [
        (["10 other.example."], State.WRONG, "goes to another host"),
        (["5 other.example.", f"10 {HOST}."], State.WRONG, "to the other hosts is lost"),
        ([f"0 {HOST.upper()}."], State.RIGHT, ""),
    ],
)
async def test_what_comes_back_has_to_come_here(
    zone: Zone, hosts: list[str], state: State, note: str
) -> None:
    """MX hosts that do not know the addresses refuse them."""
    subject = _with_return_path(zone)
    zone.put(PATH, "MX", *hosts)

    judged = _by_purpose(await look(zone, subject))["return-path"]

    assert judged.state is state
    assert note in judged.note


async def test_a_return_path_elsewhere_is_not_aligned(zone: Zone) -> None:
    """SPF passes, and does not count for DMARC; nor does a domain below where it is strict."""
    outlook = await look(zone, _with_return_path(zone, "bounces.example.net"))
    (forecast,) = outlook.forecasts
    assert forecast.dmarc is Dmarc.DKIM
    assert "bounces.example.net is not aligned with example.org" in forecast.spf

    zone.put(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=reject; aspf=s"')
    outlook = await look(zone, _with_return_path(zone))

    assert outlook.forecasts[0].dmarc is Dmarc.DKIM


async def test_somebody_has_to_take_what_comes_back(zone: Zone) -> None:
    """The record alone is not enough."""
    subject = replace(_with_return_path(zone), takes_returns=False)

    judged = _by_purpose(await look(zone, subject))["return-path"]

    assert judged.state is State.WRONG
    assert 'purpose = "returns"' in judged.note
