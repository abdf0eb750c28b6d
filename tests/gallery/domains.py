"""Domains whose records are wrong. Each is one short entry: what differs from a good domain."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from tests.gallery.certificates import Cert, Key, issued, key_of
from tests.gallery.exhibits import Domain, Exhibit
from tests.gallery.server import Server

from pillarbox.diagnosis.certificate import read_certificate
from pillarbox.discovery.dane import TlsaRecord, own_record

DOMAIN = "corp.com"
ADDRESS = "11.9.9.9"


def public(key: Key) -> str:
    """The public half as it stands in the DNS."""
    return b64encode(
        key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()


def text(words: str) -> str:
    """A TXT record as the zone writes it."""
    return " ".join(f'"{words[at : at + 250]}"' for at in range(0, len(words), 250)) or '""'


def _dkim(bits: int, more: str = "") -> str:
    return f"v=DKIM1; k=rsa; {more}p={public(key_of(f'rsa{bits}'))}"


KEY = "default._domainkey.corp.com TXT"
SPF = "corp.com TXT"
DMARC = "_dmarc.corp.com TXT"
MX = "corp.com MX"
TLS_REPORTS = "_smtp._tls.corp.com TXT"
STS = "_mta-sts.corp.com TXT"
TLSA = "_25._tcp.mx.corp.com TLSA"
POINTER = "9.9.9.11.in-addr.arpa PTR"

GOOD: Mapping[str, str] = {
    MX: "10 mx.corp.com.",
    SPF: text("v=spf1 mx -all"),
    KEY: text(_dkim(2048)),
    DMARC: text("v=DMARC1; p=reject; rua=mailto:dmarc@corp.com"),
    TLS_REPORTS: text("v=TLSRPTv1; rua=mailto:tls@corp.com"),
}


@dataclass(frozen=True)
class _Sts:
    """A policy of MTA-STS."""

    mode: str = "enforce"
    mx: str = "*.corp.com"
    max_age: str = "604800"

    def __str__(self) -> str:
        return (
            f"version: STSv1\r\nmode: {self.mode}\r\nmx: {self.mx}\r\nmax_age: {self.max_age}\r\n"
        )


def _of(
    name: str, first: str, changes: Mapping[str, str], /, address: str = "", **more: object
) -> Exhibit:
    """A domain that is good but for these records; a record that is "" is not there."""
    records = {at: said for at, said in {**GOOD, **changes}.items() if said}
    more.setdefault("selector", "default")
    made = Domain(DOMAIN, records, address=address, **more)  # type: ignore[arg-type] # its fields
    return Exhibit(name, first, domain=made, target=DOMAIN)


def _tlsa(usage: int, *, right: bool) -> str:
    leaf = read_certificate(
        issued(Cert(("mx.corp.com",)))[0][0].public_bytes(serialization.Encoding.DER)
    )
    assert leaf is not None
    record = own_record(leaf.key_der)
    return str(TlsaRecord(usage, 1, 1, record.octets if right else bytes(32)))


MX_SERVER = Server(cert=Cert(("mx.corp.com",)))
STS_RECORD = text("v=STSv1; id=1")

DOMAINS = (
    _of("no such domain", "DOMAIN-UNKNOWN", dict.fromkeys(GOOD, "")),
    _of("no MX", "MX-NONE", {MX: "", SPF: text("v=spf1 a -all"), "corp.com A": ADDRESS}),
    _of("null MX", "MX-NULL", {MX: "0 .", SPF: text("v=spf1 -all")}),
    _of(
        "an MX without address",
        "MX-NO-ADDRESS",
        {MX: "10 gone.corp.com.", SPF: text("v=spf1 ~all")},
    ),
    _of(
        "an MX that is an alias",
        "MX-ALIAS",
        {"mx.corp.com CNAME": "other.corp.com.", "other.corp.com A": "11.1.1.1"},
    ),
    _of(
        "an MX in a private network",
        "MX-PRIVATE",
        {MX: "10 in.corp.com.", "in.corp.com A": "192.168.7.7", SPF: text("v=spf1 ~all")},
    ),
    _of("no SPF", "SPF-NONE", {SPF: ""}),
    _of(
        "two SPF records",
        "SPF-SEVERAL",
        {SPF: f"{text('v=spf1 mx -all')}|{text('v=spf1 a ~all')}"},
    ),
    _of("SPF with a typing error", "SPF-SYNTAX", {SPF: text("v=spf1 ipv4:11.1.1.1 -all")}),
    _of("SPF that includes itself", "SPF-LOOP", {SPF: text("v=spf1 include:corp.com -all")}),
    _of("SPF of nobody", "SPF-INCLUDE-NONE", {SPF: text("v=spf1 include:gone.com -all")}),
    _of(
        "SPF with eleven look-ups",
        "SPF-LOOKUPS",
        {SPF: text(f"v=spf1 {'a:mx.corp.com ' * 11}-all")},
    ),
    _of("SPF with names that are gone", "SPF-VOIDS", {SPF: text("v=spf1 a:gone.corp.com mx -all")}),
    _of("SPF for everybody", "SPF-ALL-PASS", {SPF: text("v=spf1 mx +all")}),
    _of("SPF without an end", "SPF-NO-END", {SPF: text("v=spf1 mx")}),
    _of("SPF with ptr", "SPF-PTR", {SPF: text("v=spf1 ptr -all")}),
    _of(
        "SPF without this address",
        "SPF-NOT-ALLOWED",
        {POINTER: "out.corp.com.", "out.corp.com A": ADDRESS},
        ADDRESS,
    ),
    _of("SPF without the provider", "SPF-NO-PROVIDER", {}, server="smtp.office365.com"),
    _of("no DKIM", "DKIM-NOT-FOUND", {KEY: ""}, selector=""),
    _of("no key at the selector", "DKIM-MISSING", {}, selector="printer"),
    _of(
        "an alias of Microsoft that leads nowhere",
        "DKIM-ALIAS-BROKEN",
        {"selector1._domainkey.corp.com CNAME": "selector1-corp-com._domainkey.x.onmicrosoft.com."},
        selector="selector1",
    ),
    _of("a key that was revoked", "DKIM-REVOKED", {KEY: text("v=DKIM1; p=")}),
    _of("a key that is none", "DKIM-SYNTAX", {KEY: text("v=DKIM1; p=AAAA!")}),
    _of("two keys", "DKIM-SEVERAL", {KEY: f"{GOOD[KEY]}|{text('v=DKIM1; p=AAAA')}"}),
    _of("a key of 1024 bits", "DKIM-KEY-WEAK", {KEY: text(_dkim(1024))}),
    _of("a key that is tested", "DKIM-TEST", {KEY: text(_dkim(2048, "t=y; "))}),
    _of("no DMARC", "DMARC-NONE", {DMARC: ""}),
    _of("two DMARC records", "DMARC-SEVERAL", {DMARC: f'{GOOD[DMARC]}|"v=DMARC1; p=none"'}),
    _of("DMARC with a typing error", "DMARC-SYNTAX", {DMARC: text("v=DMARC1; p=rejct")}),
    _of(
        "DMARC that watches",
        "DMARC-POLICY-NONE",
        {DMARC: text("v=DMARC1; p=none; rua=mailto:dmarc@corp.com")},
    ),
    _of(
        "DMARC of yesterday",
        "DMARC-OLD-TAGS",
        {DMARC: text("v=DMARC1; p=reject; pct=50; rua=mailto:dmarc@corp.com")},
    ),
    _of(
        "DMARC that is tested",
        "DMARC-TEST",
        {DMARC: text("v=DMARC1; p=reject; t=y; rua=mailto:dmarc@corp.com")},
    ),
    _of("DMARC without reports", "DMARC-NO-REPORTS", {DMARC: text("v=DMARC1; p=reject")}),
    _of(
        "DMARC reports to strangers",
        "DMARC-REPORTS-UNWANTED",
        {DMARC: text("v=DMARC1; p=reject; rua=mailto:x@other.com")},
    ),
    _of(
        "mail that DMARC stops",
        "DMARC-WOULD-FAIL",
        {
            KEY: "",
            SPF: text("v=spf1 redirect=_spf.corp.com"),
            "_spf.corp.com TXT": text("v=spf1 ip4:11.1.1.0/24 -all"),
            POINTER: "out.corp.com.",
            "out.corp.com A": ADDRESS,
        },
        ADDRESS,
    ),
    _of("MTA-STS without an id", "MTA-STS-RECORD", {STS: text("v=STSv1; id=a-b")}),
    _of("MTA-STS without a policy", "MTA-STS-NO-POLICY", {STS: STS_RECORD}),
    _of("a policy that is none", "MTA-STS-SYNTAX", {STS: STS_RECORD}, policy=str(_Sts("enforced"))),
    _of("a policy without the MX", "MTA-STS-MX", {STS: STS_RECORD}, policy=str(_Sts(mx="a.com"))),
    _of("a policy that watches", "MTA-STS-TESTING", {STS: STS_RECORD}, policy=str(_Sts("testing"))),
    _of("a policy for an hour", "MTA-STS-SHORT", {STS: STS_RECORD}, policy=str(_Sts(max_age="60"))),
    _of("two records of MTA-STS", "MTA-STS-SEVERAL", {STS: f'{STS_RECORD}|"v=STSv1; id=2"'}),
    _of("no TLS reports", "TLS-RPT-NONE", {TLS_REPORTS: ""}),
    _of("TLS reports to nobody", "TLS-RPT-SYNTAX", {TLS_REPORTS: text("v=TLSRPTv1;")}),
    _of("TLSA of another key", "DANE-MISMATCH", {TLSA: _tlsa(3, right=False)}, mx=MX_SERVER),
    _of("TLSA for browsers", "DANE-USAGE", {TLSA: _tlsa(1, right=True)}, mx=MX_SERVER),
    _of("one TLSA record", "DANE-ONE-RECORD", {TLSA: _tlsa(3, right=True)}, mx=MX_SERVER),
    _of("no PTR", "PTR-NONE", {SPF: text(f"v=spf1 ip4:{ADDRESS} -all")}, ADDRESS),
    _of(
        "a PTR that leads elsewhere",
        "PTR-MISMATCH",
        {SPF: text(f"v=spf1 ip4:{ADDRESS} -all"), POINTER: "out.corp.com."},
        ADDRESS,
    ),
    _of(
        "a PTR of a dial-up line",
        "PTR-DYNAMIC",
        {
            SPF: text(f"v=spf1 ip4:{ADDRESS} -all"),
            POINTER: "11-9-9-9.dyn.isp.com.",
            "11-9-9-9.dyn.isp.com A": ADDRESS,
        },
        ADDRESS,
    ),
)

SRV = "_submission._tcp.corp.com SRV"
SMTP = "smtp.corp.com"

ZONES = (
    _of("a zone that is signed wrongly", "DNSSEC-BROKEN", {}, bogus=(DOMAIN,)),
    _of("a zone that is not signed", "DNSSEC-NONE", {}, signed=(".",)),
    _of("a network that keeps port 25 in", "PORT-25-BLOCKED", {}, blocked=True),
    _of("SRV to a host that is gone", "ANNOUNCED-WRONG", {SRV: "0 1 587 gone.corp.com."}),
    _of(
        "SRV to a port that does not answer",
        "ANNOUNCED-WRONG",
        {SRV: f"0 1 588 {SMTP}."},
        server_at=SMTP,
    ),
    _of("autoconfig to a host that is gone", "ANNOUNCED-WRONG", {}, document="gone.corp.com"),
    _of(
        "SRV and autoconfig that disagree",
        "ANNOUNCED-TWICE",
        {SRV: f"0 1 587 {SMTP}.", "mail.corp.com A": "11.0.0.77"},
        server_at=SMTP,
        document="mail.corp.com",
    ),
)

OUT = {
    SPF: text(f"v=spf1 ip4:{ADDRESS} -all"),
    POINTER: "out.corp.com.",
    "out.corp.com A": ADDRESS,
}
LIST = "bl.list.com"
LISTED = f"9.9.9.11.{LIST}"
WORKS = {f"2.0.0.127.{LIST} A": "127.0.0.2"}

ADDRESSES = (
    _of(
        "an EHLO name that is not there", "EHLO-NAME-UNKNOWN", OUT, ADDRESS, ehlo_name="a.corp.lan"
    ),
    _of("an EHLO name without a domain", "EHLO-NAME-UNKNOWN", OUT, ADDRESS, ehlo_name="localhost"),
    _of(
        "an EHLO name of another host",
        "EHLO-NAME-ELSEWHERE",
        {**OUT, "www.corp.com A": "11.1.1.1"},
        ADDRESS,
        ehlo_name="www.corp.com",
    ),
    _of(
        "an EHLO name beside the PTR",
        "EHLO-NAME-NOT-PTR",
        {**OUT, "smtp.corp.com A": ADDRESS},
        ADDRESS,
        ehlo_name="smtp.corp.com",
    ),
    _of(
        "an address on a block list",
        "BLOCK-LISTED",
        {**OUT, **WORKS, f"{LISTED} A": "127.0.0.4", f"{LISTED} TXT": text("see list.com")},
        ADDRESS,
        lists=(LIST,),
    ),
    _of(
        "a block list that refuses public resolvers",
        "BLOCK-LIST-REFUSES",
        {**OUT, f"2.0.0.127.{LIST} A": "127.255.255.254", f"{LISTED} A": "127.255.255.254"},
        ADDRESS,
        lists=(LIST,),
    ),
    _of("a block list that is gone", "BLOCK-LIST-DEAD", OUT, ADDRESS, lists=(LIST,)),
    _of(
        "a block list that has everybody",
        "BLOCK-LIST-DEAD",
        {**OUT, **WORKS, f"1.0.0.127.{LIST} A": "127.0.0.2", f"{LISTED} A": "127.0.0.2"},
        ADDRESS,
        lists=(LIST,),
    ),
    _of(
        "a block list whose domain was sold",
        "BLOCK-LIST-DEAD",
        {**OUT, f"2.0.0.127.{LIST} A": "11.2.3.4", f"{LISTED} A": "11.2.3.4"},
        ADDRESS,
        lists=(LIST,),
    ),
)

CLEAN_DOMAINS = (
    _of(
        "a good domain that announces its server",
        "",
        {SRV: f"0 1 587 {SMTP}."},
        server_at=SMTP,
        document=SMTP,
        signed=(".", DOMAIN),
    ),
    _of("a good domain", "", {}),
    _of(
        "a good domain with everything",
        "",
        {
            SPF: text(f"v=spf1 ip4:{ADDRESS}/32 include:spf.protection.outlook.com -all"),
            "spf.protection.outlook.com TXT": text("v=spf1 ip4:40.92.0.0/15 -all"),
            STS: STS_RECORD,
            TLSA: f"{_tlsa(3, right=True)}|{_tlsa(3, right=False)}",
            POINTER: "out.corp.com.",
            "out.corp.com A": ADDRESS,
            **WORKS,
        },
        ADDRESS,
        ehlo_name="out.corp.com",
        lists=(LIST,),
        server="smtp.office365.com",
        policy=str(_Sts()),
        mx=MX_SERVER,
    ),
)
