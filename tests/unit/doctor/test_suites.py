"""All suites and groups of a port, and its times (pillarbox.doctor.suites, examine)."""

import asyncio
import ssl

from tests.gallery.certificates import HOST, trust
from tests.gallery.server import Server, serving

from pillarbox.diagnosis.facts import Facts, Stage
from pillarbox.diagnosis.report import render
from pillarbox.diagnosis.suite_names import OLD_SUITE_NAMES, SUITES_13_NAMES, suite_name
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Tools, examine

SLOW_SECONDS = 0.4
_OF_OTHERS = ("PSK", "SRP", "DSS")


async def look(server: Server, *, ciphers: bool = False, times: int = 1) -> Facts:
    """What the doctor sees of a server at one port."""
    async with serving(server) as at:

        async def lookup(_: str) -> list[str]:
            return ["127.0.0.1"]

        async def connect(_: str, __: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", at)

        tools = Tools(trust(), connect, lookup, ports=(587,), ciphers=ciphers, times=times)
        return await examine(read_target(f"{HOST}:587"), tools)


async def test_suites_are_listed_by_version_in_the_order_of_the_server() -> None:
    """Those that it has and no other, whatever we offer first."""
    ours = "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"

    facts = await look(Server(ciphers=ours, versions=("1.1", "1.3")), ciphers=True)

    [seen] = facts.suites
    names = {version: [*map(suite_name, suites)] for version, suites in seen.versions.items()}
    gcm, cbc = "TLS_ECDHE_ECDSA_WITH_AES_{}_GCM_SHA{}", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"
    assert names["1.0"] == []
    assert names["1.1"] == [cbc]
    assert names["1.2"] == [cbc, gcm.format(256, 384), gcm.format(128, 256)]
    assert set(names["1.3"]) >= {"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"}
    assert seen.is_servers_order is True
    assert {23, 24, 25, 29} <= set(seen.groups)


async def test_old_clients_are_played() -> None:
    """One is served where its version and its suites are; groups are seen without TLS 1.3 too."""
    old = Server(versions=("1.0", "1.2"))

    [seen] = (await look(old, ciphers=True)).suites

    assert seen.groups[:2] == (29, 23)
    assert seen.clients["Windows 7 (Outlook, .NET before 4.7)"] is True
    # Its certificate is for ECDSA, which these do not know.
    assert seen.clients["devices with OpenSSL before 1.0.1"] is False


async def test_times_are_medians() -> None:
    """A server that is slow in two sessions is not a slow one; one time shows what it was."""
    once = await look(Server(slow={"EHLO": SLOW_SECONDS}))
    often = await look(Server(slow={"EHLO": SLOW_SECONDS}), times=7)

    def milliseconds(facts: Facts) -> int:
        step = next(one for one in facts.attempts if one.works).has(Stage.EHLO)
        assert step is not None
        return step.milliseconds

    assert milliseconds(once) >= SLOW_SECONDS * 1000
    assert milliseconds(often) < SLOW_SECONDS * 1000
    assert "the median of 7" in render(often)


def test_suites_of_the_library_all_have_their_names() -> None:
    """By the registry's number; shared keys and the like are left out on purpose."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    theirs = {
        cipher["id"] & 0xFFFF: cipher["name"]
        for cipher in context.get_ciphers()
        if not any(word in cipher["name"] for word in _OF_OTHERS)
    }

    known = {**OLD_SUITE_NAMES, **SUITES_13_NAMES}

    assert {code: name for code, name in theirs.items() if code not in known} == {}
    for code, name in theirs.items():
        for word in ("ECDSA", "CHACHA20", "CAMELLIA", "ARIA", "CCM8", "SHA384", "NULL"):
            assert (word in name) == (word in known[code].replace("CCM_8", "CCM8")) or (
                word == "SHA384" and "CCM" in name
            ), (name, known[code])
