"""What is concluded of a zone's signatures (DNSSEC): other failures of a resolver are no alarm."""

import dns.asyncresolver
import dns.flags
import dns.message
from dns.nameserver import Do53Nameserver
from tests.support.mail_world import World

from pillarbox.net.dns import DnsResolver
from pillarbox.publish.dns_records import ZoneSecurity

SHORT_SECONDS = 0.3
SOA = "ns.corp.com. admin.corp.com. 1 7200 3600 86400 300"


class Hesitant(World):
    """Its DNS answers at once who says that he checks himself; others after so many `failures`, or,
    where it is `silent`, never."""

    def __init__(self, *, failures: int = 0, silent: bool = False) -> None:
        super().__init__()
        self.dns("corp.com", "SOA", SOA)
        self._failures, self._is_silent = failures, silent

    def answer(self, octets: bytes) -> bytes | None:
        """As World.answer."""
        if dns.message.from_wire(octets).flags & dns.flags.CD:
            return super().answer(octets)
        if self._is_silent:
            return None
        self._failures -= 1
        if self._failures >= 0:
            self.broken.add("corp.com")
        answer = super().answer(octets)
        self.broken.discard("corp.com")
        return answer


async def _security(world: World) -> ZoneSecurity:
    await world.start()
    try:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [Do53Nameserver(*world.dns_server)]
        if isinstance(world, Hesitant):
            resolver.lifetime = SHORT_SECONDS
        return await DnsResolver(resolver).zone_security("corp.com")
    finally:
        await world.stop()


async def test_a_resolver_that_does_not_tell_of_the_root_tells_nothing() -> None:
    """Some networks answer no question about it."""
    world = World()
    world.dns("corp.com", "SOA", SOA)
    world.broken.add(".")

    assert await _security(world) is ZoneSecurity.UNKNOWN


async def test_silence_is_no_wrong_signature() -> None:
    """The first question was lost, the second one answered."""
    assert await _security(Hesitant(silent=True)) is ZoneSecurity.UNKNOWN


async def test_a_failure_that_passes_is_no_wrong_signature() -> None:
    """What is signed wrongly fails again when it is asked once more."""
    assert await _security(Hesitant(failures=1)) is ZoneSecurity.UNKNOWN


async def test_what_fails_but_for_who_checks_himself_is_signed_wrongly() -> None:
    """RFC 4035 section 3.2.2."""
    world = World()
    world.dns("corp.com", "SOA", SOA)
    world.bogus.add("corp.com")

    assert await _security(world) is ZoneSecurity.BOGUS
