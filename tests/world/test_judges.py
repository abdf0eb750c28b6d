"""What others say of DANE and MTA-STS: posttls-finger, danesmtp, postfix-mta-sts-resolver.

Where one of them says something else than Pillarbox the table says who is right.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.e2e.programs import ROOT, needed_file, program, run
from tests.world.dane_cases import CASES, Case, Verdict
from tests.world.sts_cases import NONE, STS_CASES, UNUSABLE, StsCase
from tests.world.world import World

pytestmark = pytest.mark.world

JUDGES = ROOT / ".tools/judges/bin"

_NO_MATCH = "no matching DANE TLSA records"

_RESOLVE = """
import asyncio, json, sys
from postfix_mta_sts_resolver.resolver import STSResolver

async def main():
    resolver = STSResolver(loop=asyncio.get_running_loop())
    found = {}
    for domain in sys.argv[1:]:
        status, policy = await resolver.resolve(domain)
        found[domain] = policy[1]["mode"] if policy else status.name
    print(json.dumps(found))

asyncio.run(main())
"""

UNREAD_BY_DANESMTP = ("short", "short-and-right")
"""Its dnspython gives up all records where one has a digest of a wrong length. Postfix is right not
to: RFC 7672 section 2.2 speaks of single records that can not be used."""

_BY_NAME = [pytest.param(case, id=case.name) for case in CASES]


@pytest.fixture(scope="module")
def sent(world: World) -> Mapping[str, str]:
    """What became of a message for each case: the state by the host."""
    for case in CASES:
        world.send(case.host)
    return {case.host: world.attempt(case.host)["states"] for case in CASES}


@pytest.mark.parametrize("case", _BY_NAME)
def test_dane_by_pillarbox(sent: Mapping[str, str], case: Case) -> None:
    """Mail goes, or waits."""
    expected = "deferred:1" if case.verdict is Verdict.REFUSED else "delivered:1"
    assert sent[case.host] == expected


@pytest.mark.parametrize("case", _BY_NAME)
def test_dane_by_postfix(world: World, case: Case) -> None:
    """posttls-finger connects as Postfix's SMTP client would with security level dane."""
    settings = ("-o", "smtp_dns_support_level=dnssec", "-o", "smtp_host_lookup=dns")
    argv = [program("posttls-finger", "postfix"), "-c", "-l", "dane", *settings, f"[{case.host}]"]

    done = run(argv, environment={"MAIL_CONFIG": str(world.postfix.folder / "c")}, code=None)

    said = (done.stdout + done.stderr).decode()
    is_told = "unauthenticated TLS" in said or "unsupported TLSA" in said
    if "Verified TLS connection" in said:
        found = Verdict.VERIFIED
    else:
        found = Verdict.ENCRYPTED if is_told and _NO_MATCH not in said else Verdict.REFUSED
    assert found is case.verdict, said


@pytest.mark.parametrize("case", _BY_NAME)
def test_dane_by_danesmtp(case: Case) -> None:
    """smtp-dane-verify, which is OpenSSL's s_client. It asks whether DANE holds, not whether mail
    may go: where no record can be used it says no."""
    done = run([needed_file(JUDGES / "danesmtp", "make world"), case.host], code=None)

    said = (done.stdout + done.stderr).decode()
    assert f"hostname='{case.host}'" in said
    if case.name in UNREAD_BY_DANESMTP:
        assert "Timeout while querying" in said
    else:
        assert ("is_valid=True" in said) == (case.verdict is Verdict.VERIFIED), said


@pytest.fixture(scope="module")
def resolved(world: World) -> Mapping[str, str]:
    """What postfix-mta-sts-resolver finds for each domain with a policy: NONE, FETCH_ERROR, or a
    mode."""
    argv: list[str | Path] = [needed_file(JUDGES / "python", "make world"), "-c", _RESOLVE]
    trusted = {"SSL_CERT_FILE": str(world.certificates.ca_file)}
    done = run([*argv, *(case.domain for case in STS_CASES)], environment=trusted)
    return {str(domain): str(found) for domain, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in STS_CASES])
def test_policy_by_postfix_mta_sts_resolver(
    world: World, resolved: Mapping[str, str], case: StsCase
) -> None:
    """Both look the record up, fetch the policy and read it."""
    world.send(case.domain)
    world.attempt(case.domain)

    assert _policy_by_pillarbox(world, case.domain) == case.found
    assert resolved[case.domain] == (case.judge or case.found), case.why


def _policy_by_pillarbox(world: World, domain: str) -> str:
    told = world.service.events("mta_sts.policy")
    modes = [str(each["mode"]) for each in told if each["domain"] == domain]
    failed = [each["domain"] for each in world.service.events("mta_sts.fetch_failed")]
    return modes[0] if modes else (UNUSABLE if domain in failed else NONE)
