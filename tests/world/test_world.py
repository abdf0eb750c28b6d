"""Straight to the mail hosts of others, on an Internet with a signed DNS and real mail programs."""

from typing import Any

import pytest
from tests.e2e.waiting import wait_until
from tests.world.network import OUR_ADDRESS, OUR_ADDRESS6
from tests.world.world import OUR_NAME, SECONDS, World

pytestmark = pytest.mark.world

DELIVERED, DEFERRED, FAILED = "delivered:1", "deferred:1", "failed:1"


def _goes(world: World, domain: str) -> str:
    """Send, and see that one of the good hosts of Postfix has it; its Received fields."""
    world.send(domain)
    kept = world.kept(world.postfix, domain)
    assert world.attempt(domain)["states"] == DELIVERED
    return kept.partition("\r\n\r\n")[0]


def _waits(world: World, domain: str) -> dict[str, Any]:
    """Send, and see that it is to be tried again and is nowhere; the attempt."""
    world.send(domain)
    attempt = world.attempt(domain)
    assert attempt["states"] == DEFERRED
    assert world.is_nowhere(domain)
    return attempt


# -- RFC 5321 section 5.1 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "host"), [("plain.open.example", "postfix"), ("exim-only.open.example", "exim")]
)
def test_mail_goes_under_tls_to_whoever_offers_it(world: World, domain: str, host: str) -> None:
    """Whatever its certificate is; each program says so in the field that it adds."""
    world.send(domain)

    kept = world.kept(getattr(world, host), domain)
    assert OUR_NAME in kept
    assert " with esmtps " in " ".join(kept.lower().split())
    assert world.attempt(domain)["tls"].startswith("TLSv1.3 ")


def test_mail_goes_to_a_host_that_can_not_do_the_tls_that_it_offers(world: World) -> None:
    """OpenSMTPD 6.8 of Debian 12 breaks off each handshake; newer ones do not."""
    domain = "opensmtpd-only.open.example"

    world.send(domain)

    is_encrypted = "with ESMTPS " in world.kept(world.opensmtpd, domain)
    assert bool(world.attempt(domain)["tls"]) == is_encrypted


def test_mail_goes_in_the_clear_where_a_host_has_no_tls(world: World) -> None:
    """Nobody demands it of that domain."""
    domain = "clear-only.open.example"

    world.send(domain)

    assert "with ESMTP " in " ".join(world.kept(world.opensmtpd, domain).split())
    assert not world.attempt(domain)["tls"]


def test_a_message_for_two_domains_is_handed_over_once_for_each(world: World) -> None:
    """To different hosts."""
    world.send("second.open.example", "second-exim.open.example")

    assert world.kept(world.postfix, "second.open.example")
    assert world.kept(world.exim, "second-exim.open.example")


@pytest.mark.parametrize(
    "domain",
    [
        "implicit.open.example",
        "gone-first.open.example",
        "silent-first.open.example",
        "refusing-first.open.example",
        "ghost-first.open.example",
        "alias.open.example",
        "aliased.open.example",
    ],
)
def test_mail_finds_its_way(world: World, domain: str) -> None:
    """Without MX records; past a first host with an address that nobody has, that does not listen,
    that refuses in its greeting, that has no address; by an alias of the host, or of the domain."""
    assert f"from {OUR_NAME} " in _goes(world, domain)


def test_a_host_with_ipv6_alone_is_reached_by_it(world: World) -> None:
    """Postfix says from where it was connected to."""
    assert f"[IPv6:{OUR_ADDRESS6}]" in _goes(world, "six.open.example")


def test_a_host_whose_ipv6_is_dead_is_reached_by_ipv4(world: World) -> None:
    """Nobody has the IPv6 address that the DNS says."""
    assert f"[{OUR_ADDRESS}]" in _goes(world, "both.open.example")


def test_greylisted_mail_goes_when_it_comes_again(world: World) -> None:
    """Postfix's postscreen defers whom it does not know, and lets him in afterwards."""
    domain = "grey.open.example"
    world.send(domain)
    first = world.attempt(domain)
    assert first["states"] == DEFERRED
    assert first["reply"].startswith("450 4.3.2")
    assert world.is_nowhere(domain)
    wait_until(lambda: "PASS NEW" in world.postfix.log, SECONDS, "the end of the session")

    world.service.admin("queue", "retry", "--domain", domain)

    assert world.kept(world.postfix, domain)
    wait_until(lambda: len(world.attempts(domain)) == 2, SECONDS, "the second attempt")
    assert world.attempts(domain)[1]["states"] == DELIVERED


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("null.open.example", "556 5.1.10"),
        ("not-there.open.example", "550 5.1.2"),
        ("not-there.safe.example", "550 5.1.2"),
        ("text-only.open.example", "550 5.4.4"),
        ("private.open.example", "550 5.4.4"),
        ("loop.open.example", "554 5.4.6"),
        ("loop-by-address.open.example", "554 5.4.6"),
    ],
)
def test_mail_that_can_not_go_is_returned_at_once(world: World, domain: str, code: str) -> None:
    """A null MX (RFC 7505), no such domain, neither MX nor address, private addresses alone, and
    this host as the best one, by its name or by its address."""
    world.send(domain)

    attempt = world.attempt(domain)
    assert attempt["states"] == FAILED
    assert attempt["reply"].startswith(code)
    assert world.is_nowhere(domain)


def test_the_sender_is_told_of_what_is_returned(world: World) -> None:
    """A report (RFC 3464), which names the recipient and the code."""
    domain = "told.not-there.open.example"
    before = len(world.attempts_by("capture"))
    world.send(domain)

    def reports() -> list[dict[str, Any]]:
        return world.attempts_by("capture")[before:]

    [report] = wait_until(reports, SECONDS, "the report")
    text = world.service.admin("capture", "show", report["queue_id"])
    assert f"Final-Recipient: rfc822;x@{domain}" in text.replace("; ", ";")
    assert "Status: 5.1.2" in text


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("nothing.open.example", "451 4.4.4"),
        ("number.open.example", "451 4.4.4"),
        ("dead.open.example", "451 4.4.1"),
        ("backup.open.example", "451 4.4.1"),
        ("any.bogus.example", "451 4.4.3"),
        ("any.stale.example", "451 4.4.3"),
        ("not-there.bogus.example", "451 4.4.3"),
    ],
)
def test_mail_waits_for_what_may_be_mended(world: World, domain: str, code: str) -> None:
    """MX records that lead to nothing, or name an address; hosts that are dead, also where this
    host and others behind it come next; zones whose signatures are wrong, or over."""
    assert _waits(world, domain)["reply"].startswith(code)


# -- MTA-STS: RFC 8461 -----------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["sts.open.example", "sts-star.open.example"])
def test_an_enforced_policy_that_is_satisfied(world: World, domain: str) -> None:
    """The host is listed, by its name or by a star, and its certificate is valid."""
    assert "with ESMTPS " in _goes(world, domain)
    assert [each["domain"] for each in world.service.events("mta_sts.policy")].count(domain) == 1


@pytest.mark.parametrize(
    ("domain", "cause"),
    [
        ("sts-certificate.open.example", "certificate"),
        ("sts-clear.open.example", "tls missing"),
        ("sts-unlisted.open.example", "exim.open.example is not in the policy"),
    ],
)
def test_an_enforced_policy_keeps_mail_back(world: World, domain: str, cause: str) -> None:
    """A certificate of nobody, no TLS at all, a host that is not listed."""
    reply = _waits(world, domain)["reply"]

    assert reply.startswith("451 4.7.5")
    assert cause in reply


def test_an_enforced_policy_is_satisfied_by_the_second_host(world: World) -> None:
    """The first one has a certificate of nobody."""
    domain = "sts-second.open.example"

    _goes(world, domain)

    assert world.attempt(domain)["remote_host"] == "good.open.example"


def test_a_policy_that_tests_lets_mail_go(world: World) -> None:
    """The log says what would have kept it back."""
    domain = "sts-testing.open.example"

    _goes(world, domain)

    told = [
        each for each in world.service.events("mta_sts.test_failed") if each["domain"] == domain
    ]
    assert [each["host"] for each in told] == ["self.open.example"]


def test_a_policy_from_a_wrong_web_server_is_none(world: World) -> None:
    """Its certificate is for another name: anybody could have written that policy."""
    domain = "sts-web.open.example"

    _goes(world, domain)

    told = world.service.events("mta_sts.fetch_failed")
    assert domain in [each["domain"] for each in told]


# -- DANE: RFC 7672 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("dane-311.safe.example", "self.safe.example"),
        ("dane-211.safe.example", "chain.safe.example"),
        ("dane-alias.safe.example", "alias-mx.safe.example"),
        ("dane-sts.safe.example", "self.safe.example"),
        ("dane-second.safe.example", "self.safe.example"),
    ],
)
def test_a_certificate_that_the_dns_vouches_for(world: World, domain: str, host: str) -> None:
    """By its key, though it is over and for another name; by the authority above it; for the name
    behind an alias; though an MTA-STS policy would want another one; and at the second host, where
    that of the first is wrong."""
    assert "with ESMTPS " in _goes(world, domain)
    assert world.attempt(domain)["remote_host"] == host


@pytest.mark.parametrize(
    "domain",
    [
        "dane-denied.safe.example",
        "dane-unusable.safe.example",
        "dane-insecure.open.example",
        "dane-across.safe.example",
        "dane-across.open.example",
    ],
)
def test_without_records_that_count_any_certificate_will_do(world: World, domain: str) -> None:
    """The DNS proves that there are none; they are of a usage that is not for mail; the zone of the
    host or that of the domain is not signed. Those that are there mean another certificate."""
    assert "with ESMTPS " in _goes(world, domain)


@pytest.mark.parametrize(
    ("domain", "cause"),
    [
        ("dane-wrong.safe.example", "its certificate is another one"),
        ("dane-misnamed.safe.example", "its certificate is another one"),
        ("dane-clear.safe.example", "tls missing"),
    ],
)
def test_a_host_that_the_dns_does_not_vouch_for_gets_nothing(
    world: World, domain: str, cause: str
) -> None:
    """Another key, an authority whose certificate is for another host, no TLS at all."""
    reply = _waits(world, domain)["reply"]

    assert reply.startswith("451 4.7.5")
    assert cause in reply


def test_records_that_were_forged_keep_mail_back(world: World) -> None:
    """Everything else of the domain is validated; the forged record would let the mail go."""
    assert _waits(world, "any.forged.example")["reply"].startswith("451 4.4.3")
