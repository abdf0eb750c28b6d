"""SPF (RFC 7208): what a receiver says of mail that comes from an address. The rules are those of
pyspf; the DNS is asked by our own resolver.

pyspf has no event loop: it runs in a thread, and its questions come back to the loop.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

import spf
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from pillarbox.errors import DnsFailure
from pillarbox.net.dns import Record, RecordSource

PATIENCE_SECONDS = 20
"""RFC 7208 4.6.4: "Such a limit SHOULD allow at least 20 seconds"."""


class SpfResult(StrEnum):
    """RFC 7208 section 2.6."""

    PASS = "pass"  # noqa: S105 - the name of a result
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """The result, and for an error what is wrong."""

    result: SpfResult
    cause: str = ""


async def check_host(
    resolver: RecordSource, address: str, sender: str, *, helo: str = "localhost"
) -> SpfVerdict:
    """The verdict on mail from `sender` (its domain, or an address) that comes from this address
    and greets with `helo`."""
    loop = asyncio.get_running_loop()

    def ask(name: str, kind: type[Record]) -> list[Record]:
        answer = asyncio.run_coroutine_threadsafe(resolver.records(name, kind), loop)
        return answer.result(PATIENCE_SECONDS)

    def check() -> SpfVerdict:
        _asking.set(ask)
        query = spf.query(i=str(ip_address(address)), s=sender, h=helo, querytime=PATIENCE_SECONDS)
        result, _, text = query.check()
        found = SpfResult(result)
        is_error = found in (SpfResult.PERMERROR, SpfResult.TEMPERROR)
        return SpfVerdict(found, str(text) if is_error else "")

    return await asyncio.to_thread(check)


_asking: ContextVar[Callable[[str, type[Any]], list[Any]]] = ContextVar("asking")
"""Whom the thread asks: pyspf has one place for it in the whole process."""

_KINDS: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "A": (A, lambda record: record.address),
    "AAAA": (AAAA, lambda record: record.address),
    "MX": (MX, lambda record: (record.preference, record.exchange.to_text(True))),
    "PTR": (PTR, lambda record: record.target.to_text(True)),
    "TXT": (TXT, lambda record: record.strings),
}


def _look_up(
    name: str, kind: str, strict: object = True, timeout: float = PATIENCE_SECONDS
) -> Iterator[tuple[tuple[str, str], Any]]:
    """As spf.DNSLookup. No domain has records of the type SPF any more (RFC 7208 3.1)."""
    del strict, timeout
    if kind not in _KINDS:
        return
    wanted, value = _KINDS[kind]
    try:
        records = _asking.get()(name, wanted)
    except (DnsFailure, TimeoutError) as error:
        raise spf.TempError(f"{name}: {error}") from error
    for record in records:
        yield (name, kind), value(record)


spf.DNSLookup = _look_up
