"""The domains of the Internet: what the DNS and the web say of each."""

from tests.world.network import OUR_ADDRESS, address, address6
from tests.world.web import Page, policy
from tests.world.world import (
    CAREFUL,
    CHAIN,
    CLEAR,
    EXIM,
    GONE,
    GOOD,
    OPENSMTPD,
    OUR_NAME,
    REFUSING,
    SELF,
    SILENT,
    World,
)
from tests.world.zones import BOGUS, FORGED, SIGNED, STALE, UNSIGNED

from pillarbox.discovery.dane import TlsaRecord


def describe(world: World) -> None:
    """All of them."""
    for zone in (UNSIGNED, SIGNED, BOGUS, STALE, FORGED):
        hosts = {"good": GOOD, "self": SELF, "chain": CHAIN, "exim": EXIM, "clear": CLEAR}
        for name, number in hosts.items():
            world.host(f"{name}.{zone}", number)
    _plain(world)
    _odd(world)
    _nowhere(world)
    _policies(world)
    _dane(world)
    _dane_that_fails(world)


def _plain(world: World) -> None:
    for name in ("plain", "second"):
        world.mx(f"{name}.open.example", "good.open.example")
    world.mx("second-exim.open.example", "exim.open.example")
    world.mx("exim-only.open.example", "exim.open.example")
    world.mx("clear-only.open.example", "clear.open.example")
    world.host("opensmtpd.open.example", OPENSMTPD)
    world.mx("opensmtpd-only.open.example", "opensmtpd.open.example")
    world.host("implicit.open.example", GOOD)


def _odd(world: World) -> None:
    """Something is in the way, and mail goes all the same."""
    names = world.names
    for name, number in (("gone", GONE), ("silent", SILENT), ("refusing", REFUSING)):
        world.host(f"{name}.open.example", number)
        world.mx(f"{name}-first.open.example", f"{name}.open.example", "good.open.example")
    names.add("alias-mx.open.example", "CNAME", "good.open.example.")
    world.mx("alias.open.example", "alias-mx.open.example")
    names.add("aliased.open.example", "CNAME", "plain.open.example.")
    names.add("six-mx.open.example", "AAAA", address6(GOOD))
    world.mx("six.open.example", "six-mx.open.example")
    names.add("both-mx.open.example", "AAAA", address6(GONE))
    world.host("both-mx.open.example", GOOD)
    world.mx("both.open.example", "both-mx.open.example")
    world.host("careful.open.example", CAREFUL)
    world.mx("grey.open.example", "careful.open.example")
    world.mx("ghost-first.open.example", "ghost.open.example", "good.open.example")


def _nowhere(world: World) -> None:
    names = world.names
    names.add("null.open.example", "MX", "0 .")
    names.add("text-only.open.example", "TXT", '"nothing else"')
    world.mx("nothing.open.example", "ghost.open.example")
    names.add("number.open.example", "MX", f"10 {address(GOOD)}.")
    names.add("inside.open.example", "A", "10.1.2.3", "192.168.1.1", "127.0.0.1")
    names.add("inside.open.example", "AAAA", "::1", "fd00::1")
    world.mx("private.open.example", "inside.open.example")
    world.mx("dead.open.example", "silent.open.example")
    names.add(OUR_NAME, "A", OUR_ADDRESS)
    world.mx("loop.open.example", OUR_NAME, "good.open.example")
    names.add("another-name.open.example", "A", OUR_ADDRESS)
    world.mx("loop-by-address.open.example", "another-name.open.example")
    world.mx("backup.open.example", "silent.open.example", OUR_NAME, "good.open.example")
    for zone in (BOGUS, STALE):
        world.mx(f"any.{zone}", f"good.{zone}")


def _policies(world: World) -> None:
    lists = {
        "sts": ("good", "enforce", "good.open.example"),
        "sts-star": ("good", "enforce", "*.open.example"),
        "sts-certificate": ("self", "enforce", "self.open.example"),
        "sts-clear": ("clear", "enforce", "clear.open.example"),
        "sts-unlisted": ("exim", "enforce", "other.open.example"),
        "sts-testing": ("self", "testing", "self.open.example"),
        "sts-web": ("self", "enforce", "good.open.example"),
    }
    for name, (host, mode, listed) in lists.items():
        world.mx(f"{name}.open.example", f"{host}.open.example")
        world.policy(f"{name}.open.example", Page(policy(mode, listed)))
    world.web.misnamed.add("sts-web.open.example")
    world.mx("sts-second.open.example", "self.open.example", "good.open.example")
    world.policy("sts-second.open.example", Page(policy("enforce", "*.open.example")))


def _tlsa(world: World, host: str, *records: TlsaRecord) -> None:
    world.names.add(f"_25._tcp.{host}", "TLSA", *map(str, records))


def _dane(world: World) -> None:
    """Mail goes, under TLS."""
    certificates = world.certificates
    own, root = certificates.self_signed, certificates.root
    _tlsa(world, "self.safe.example", own.tlsa(3))
    _tlsa(world, "chain.safe.example", root.tlsa(2))
    world.mx("dane-311.safe.example", "self.safe.example")
    world.mx("dane-211.safe.example", "chain.safe.example")
    world.names.add("alias-mx.safe.example", "CNAME", "self.safe.example.")
    world.mx("dane-alias.safe.example", "alias-mx.safe.example")
    world.host("denied-mx.safe.example", SELF)
    world.mx("dane-denied.safe.example", "denied-mx.safe.example")
    world.host("pkix-mx.safe.example", SELF)
    _tlsa(world, "pkix-mx.safe.example", root.tlsa(1))
    world.mx("dane-unusable.safe.example", "pkix-mx.safe.example")
    world.host("insecure-mx.open.example", SELF)
    _tlsa(world, "insecure-mx.open.example", root.tlsa(3))
    world.mx("dane-insecure.open.example", "insecure-mx.open.example")
    world.mx("dane-across.safe.example", "insecure-mx.open.example")
    world.mx("dane-across.open.example", "wrong-mx.safe.example")
    world.mx("dane-sts.safe.example", "self.safe.example")
    world.policy("dane-sts.safe.example", Page(policy("enforce", "self.safe.example")))
    world.mx("dane-second.safe.example", "wrong-mx.safe.example", "self.safe.example")


def _dane_that_fails(world: World) -> None:
    """Mail waits."""
    certificates = world.certificates
    world.host("wrong-mx.safe.example", SELF)
    _tlsa(world, "wrong-mx.safe.example", certificates.root.tlsa(3))
    world.mx("dane-wrong.safe.example", "wrong-mx.safe.example")
    world.host("misnamed-mx.safe.example", CHAIN)
    _tlsa(world, "misnamed-mx.safe.example", certificates.root.tlsa(2))
    world.mx("dane-misnamed.safe.example", "misnamed-mx.safe.example")
    _tlsa(world, "clear.safe.example", certificates.self_signed.tlsa(3))
    world.mx("dane-clear.safe.example", "clear.safe.example")
    _tlsa(world, "self.forged.example", certificates.root.tlsa(3))
    own = str(certificates.self_signed.tlsa(3))
    world.names.forge("_25._tcp.self.forged.example", "TLSA", own)
    world.mx("any.forged.example", "self.forged.example")
