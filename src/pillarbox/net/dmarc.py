"""Asks for the DMARC records of a domain, its own and those above it (RFC 9989, DNS Tree Walk)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.net.dns import TextSource, or_none
from pillarbox.publish.dmarc import Discovery, discover, names_of_walk, read_dmarc


@dataclass(frozen=True, slots=True)
class DmarcWalk:
    """The TXT records at the names of the walk, the domain's own first; None: no answer."""

    domain: str
    texts: Mapping[str, list[str] | None]

    @property
    def own(self) -> list[str] | None:
        """Those of the domain itself."""
        return self.texts[self.domain]

    @property
    def discovery(self) -> Discovery | None:
        """What holds; None where a part of it had no answer."""
        records = {}
        for name, texts in self.texts.items():
            if texts is None:
                return None
            records[name] = read_dmarc(texts)
        return discover(self.domain, records)


async def walk(resolver: TextSource, domain: str) -> DmarcWalk:
    """Ask for all of them at once."""
    names = names_of_walk(domain)
    found = await asyncio.gather(*(or_none(resolver.txt(f"_dmarc.{name}")) for name in names))
    return DmarcWalk(domain, dict(zip(names, found, strict=True)))
