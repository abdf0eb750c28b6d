"""net.spf: the table of tests that comes with RFC 7208, by our resolver's way to the DNS."""

import tarfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
import yaml
from dns.rdtypes.ANY.TXT import TXT

from pillarbox.errors import DnsFailure
from pillarbox.net.dns import Record
from pillarbox.net.spf import SpfResult, check_host

SAMPLES = Path(__file__).parents[3] / ".tools" / "mail-samples"
TABLE = "test/rfc7208-tests.yml"
TESTS = 203
LONGEST_LABEL = 63


@dataclass
class Zone:
    """The DNS of a scenario: what each name has, in the words of the table."""

    names: dict[str, list[Any]] = field(default_factory=dict)

    async def records(self, name: str, kind: type[Record]) -> list[Record]:
        """As net.dns.DnsResolver: also behind a CNAME."""
        name = name.lower().rstrip(".")
        entries = self.names.get(name, [])
        wanted = kind.__name__
        found = [one for one in entries if isinstance(one, dict)]
        if wanted == "TXT" and not any("TXT" in one for one in found):
            # The table is older: what it says of the type SPF holds for TXT.
            found += [{"TXT": one["SPF"]} for one in found if "SPF" in one]
        values = [one[wanted] for one in found if one.get(wanted) not in (None, "NONE", [])]
        if "TIMEOUT" in values or ("TIMEOUT" in entries and not values):
            raise DnsFailure("the DNS did not answer in time")
        for one in found:
            if "CNAME" in one:
                behind = Zone({key: value for key, value in self.names.items() if key != name})
                return await behind.records(one["CNAME"], kind)
        return [_record(wanted, value) for value in values]


def _record(kind: str, value: Any) -> Any:
    if kind == "TXT":
        strings = [value] if isinstance(value, str) else value
        return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [text.encode() for text in strings])
    if kind == "MX":
        value = f"{value[0]} {value[1] or '.'}"
    text = f"{value}." if kind in ("MX", "PTR") and not str(value).endswith(".") else str(value)
    return dns.rdata.from_text("IN", kind, text)


@cache
def _scenarios() -> list[Any]:
    [archive] = SAMPLES.glob("pyspf-*.tar.gz")
    with tarfile.open(archive) as files:
        [member] = [one for one in files if one.name.endswith(TABLE)]
        content = files.extractfile(member)
        assert content is not None
        return list(yaml.safe_load_all(content.read()))


async def test_all_of_the_table_is_as_it_says() -> None:
    """Each test with each result that it allows."""
    wrong, count = [], 0
    for scenario in _scenarios():
        zone = Zone({name.lower(): entries for name, entries in scenario["zonedata"].items()})
        for name, test in scenario["tests"].items():
            allowed = test["result"] if isinstance(test["result"], list) else [test["result"]]
            verdict = await check_host(zone, test["host"], test["mailfrom"], helo=test["helo"])
            count += 1
            if verdict.result not in allowed:
                wrong.append((name, verdict, allowed))

    assert not wrong, wrong
    assert count == TESTS


@pytest.mark.parametrize(
    ("record", "result", "cause"),
    [
        ("v=spf1 ip4:192.0.2.1 ~all", SpfResult.PASS, ""),
        ("v=spf1 ip4:192.0.2.2 ~all", SpfResult.SOFTFAIL, ""),
        ("v=spf1 ipv4:192.0.2.1 -all", SpfResult.PERMERROR, "ipv4"),
    ],
)
async def test_an_error_says_what_is_wrong(record: str, result: SpfResult, cause: str) -> None:
    """And only an error has a cause."""
    zone = Zone({"example.org": [{"TXT": record}]})

    verdict = await check_host(zone, "192.0.2.1", "example.org")

    assert verdict.result is result
    assert (cause in verdict.cause) if cause else (verdict.cause == "")
