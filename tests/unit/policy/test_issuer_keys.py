"""Keys of issuers: kept, renewed, and never waited for by those who need not."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler

import pytest
from joserfc.jwk import ECKey, OctKey
from tests.support.token_issuer import DISCOVERY, KEYS, TokenIssuer, rsa_key, send

from pillarbox.net.issuer_documents import Fetcher
from pillarbox.policy.clock import Clock
from pillarbox.policy.issuer_keys import (
    FRESH_SECONDS,
    MOST_KEYS,
    MOST_WAITING,
    RETRY_SECONDS,
    USABLE_SECONDS,
    IssuerAway,
    IssuerKeys,
)

PATIENCE_SECONDS = 20


@dataclass
class Cabinet:
    """The keys of one process, with a clock that can be set forward."""

    ahead: float = 0.0
    keys: IssuerKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = IssuerKeys(Fetcher(), Clock(lambda: time.monotonic() + self.ahead))


@pytest.fixture
def cabinet() -> Cabinet:
    """No key is known."""
    return Cabinet()


async def _asked(issuer: TokenIssuer, path: str) -> None:
    """Wait until the issuer was asked."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not issuer.asked[path]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_many_logins_at_once_ask_once(issuer: TokenIssuer, cabinet: Cabinet) -> None:
    """One fetches, the others wait for it."""
    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(cabinet.keys.find(issuer.settings, "k1")) for _ in range(20)]

    assert all(task.result() is not None for task in found)
    assert issuer.asked == {f"/acme{DISCOVERY}": 1, KEYS: 1}


async def test_an_issuer_that_hangs_holds_up_nobody_else(
    issuer: TokenIssuer, cabinet: Cabinet
) -> None:
    """Keys that are known answer at once; so does every other issuer, and the event loop."""
    await cabinet.keys.find(issuer.settings, "k1")
    cabinet.ahead = RETRY_SECONDS
    issuer.asked.clear()
    issuer.answers[f"/acme{DISCOVERY}"] = issuer.hang
    other = issuer.settings.url.replace("acme", "other")
    issuer.documents[f"/other{DISCOVERY}"] = lambda: {"issuer": other, "jwks_uri": issuer.jwks_uri}
    hanging = asyncio.create_task(cabinet.keys.find(issuer.settings, "unknown"))
    await _asked(issuer, f"/acme{DISCOVERY}")

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await cabinet.keys.find(issuer.settings, "k1") is not None
        assert await cabinet.keys.find(replace(issuer.settings, url=other), "k1") is not None
        assert not hanging.done()
        issuer.released.set()
        # The issuer has gone away in the middle of its answer: what was known stays.
        assert await hanging is None
        assert await cabinet.keys.find(issuer.settings, "k1") is not None


async def test_only_so_many_logins_wait(issuer: TokenIssuer, cabinet: Cabinet) -> None:
    """The next one is told to come later."""
    issuer.answers[f"/acme{DISCOVERY}"] = issuer.hang
    waiting = [
        asyncio.create_task(cabinet.keys.find(issuer.settings, "k1"))
        for _ in range(MOST_WAITING + 1)
    ]
    await _asked(issuer, f"/acme{DISCOVERY}")

    with pytest.raises(IssuerAway, match="too many"):
        await cabinet.keys.find(issuer.settings, "k1")

    issuer.released.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, IssuerAway) for result in results)


async def test_known_keys_work_for_a_day_without_their_issuer(
    issuer: TokenIssuer, cabinet: Cabinet
) -> None:
    """Then nobody knows whether they are still good."""
    await cabinet.keys.find(issuer.settings, "k1")
    issuer.answers[KEYS] = lambda handler: send(handler, b"", 500)
    cabinet.ahead = USABLE_SECONDS - 60
    await cabinet.keys.renew_all([issuer.settings])
    assert await cabinet.keys.find(issuer.settings, "k1") is not None

    cabinet.ahead = USABLE_SECONDS + 60

    with pytest.raises(IssuerAway, match="500"):
        await cabinet.keys.find(issuer.settings, "k1")
    del issuer.answers[KEYS]
    cabinet.ahead += RETRY_SECONDS
    assert await cabinet.keys.find(issuer.settings, "k1") is not None


async def test_keys_are_renewed_each_hour_beside_the_mail(
    issuer: TokenIssuer, cabinet: Cabinet
) -> None:
    """A key that was withdrawn is good no more, and no login waited for that."""
    await cabinet.keys.renew_all([issuer.settings, issuer.settings])
    issuer.keys = {"k2": rsa_key("k2")}
    await cabinet.keys.renew_all([issuer.settings])
    assert issuer.asked[KEYS] == 1

    cabinet.ahead = FRESH_SECONDS + 1
    await cabinet.keys.renew_all([issuer.settings])

    assert issuer.asked[KEYS] == 2
    assert await cabinet.keys.find(issuer.settings, "k1") is None
    assert await cabinet.keys.find(issuer.settings, "k2") is not None
    assert issuer.asked[KEYS] == 2


async def test_only_public_keys_for_signatures_are_kept(
    issuer: TokenIssuer, cabinet: Cabinet
) -> None:
    """No secrets, no short keys, no nonsense, and not without end; one bad key spoils no other."""
    good = {**rsa_key("k1").as_dict(private=False), "use": "sig"}
    modulus = str(good["n"])
    entries = [
        {**OctKey.generate_key(256).as_dict(private=True), "kid": "secret"},
        {**good, "kid": "short", "n": modulus[:170]},
        {**good, "kid": "long", "n": modulus * 5},
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": 7},
        {**good, "kid": "number", "n": 7},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off the curve"},
        {"kty": "new", "kid": "new"},
        "text",
        None,
        {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "ec"},
        {**good, "kid": "good"},
        *({"kty": "new", "kid": str(number)} for number in range(MOST_KEYS)),
        {**good, "kid": "late"},
    ]
    issuer.documents[KEYS] = lambda: {"keys": entries}

    found = {
        name
        for name in [*(str(e.get("kid")) for e in entries if isinstance(e, dict)), ""]
        if await cabinet.keys.find(issuer.settings, name) is not None
    }

    assert found == {"good", "ec"}


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({"issuer": "https://localhost/other"}, "calls itself otherwise"),
        ({"issuer": None}, "calls itself otherwise"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"jwks_uri": 7}, "no jwks_uri"),
        ({"jwks_uri": "http://localhost/keys"}, "no https URL"),
        ({"jwks_uri": "file:///etc/passwd"}, "no https URL"),
        ({"jwks_uri": "https://127.0.0.1/keys"}, "private network"),
        ({"jwks_uri": "https://[::1]/keys"}, "private network"),
        ({"jwks_uri": "https://[::ffff:10.0.0.1]/keys"}, "private network"),
        ({"jwks_uri": "https://[64:ff9b::a00:1]/keys"}, "private network"),
        ({"jwks_uri": "https://169.254.169.254/latest/meta-data"}, "private network"),
    ],
)
async def test_a_document_that_can_not_be_followed(
    issuer: TokenIssuer, cabinet: Cabinet, document: dict[str, object], cause: str
) -> None:
    """Another issuer's, or one that leads inside of our own network (RFC 8414 section 3.3)."""
    answer = {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, **document}
    issuer.documents[f"/acme{DISCOVERY}"] = lambda: answer

    with pytest.raises(IssuerAway, match=cause):
        await cabinet.keys.find(issuer.settings, "k1")
    assert issuer.asked[KEYS] == 0


def _redirect(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"", 302, Location="/elsewhere")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (_redirect, "answered 302"),
        (lambda handler: send(handler, b" " * 300_000), "longer than"),
        (lambda handler: send(handler, b"<html>"), "no JSON"),
        (lambda handler: send(handler, b"[]"), "no JSON object"),
        (lambda handler: send(handler, b"{}", 404), "answered 404"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "request failed"),
        (lambda _: None, "request failed"),
    ],
    ids=["redirect", "long", "html", "list", "missing", "nonsense", "nothing"],
)
async def test_an_answer_that_is_none(
    issuer: TokenIssuer, cabinet: Cabinet, answer: object, cause: str
) -> None:
    """Nothing else is asked because of it."""
    issuer.answers[f"/acme{DISCOVERY}"] = answer  # type: ignore[assignment]  # one of the above

    with pytest.raises(IssuerAway, match=cause):
        await cabinet.keys.find(issuer.settings, "k1")
    assert sum(issuer.asked.values()) == 1


async def test_a_certificate_that_is_not_trusted(issuer: TokenIssuer, cabinet: Cabinet) -> None:
    """Whoever could stand in between could say which keys are good."""
    with pytest.raises(IssuerAway, match="not trusted"):
        await cabinet.keys.find(replace(issuer.settings, ca_file=""), "k1")
    assert not issuer.asked


async def test_a_name_that_is_not_in_the_certificate(issuer: TokenIssuer, cabinet: Cabinet) -> None:
    """The name of the URL counts, not the address that was connected to."""
    url = issuer.settings.url.replace("localhost", "127.0.0.1")

    with pytest.raises(IssuerAway, match="not trusted"):
        await cabinet.keys.find(replace(issuer.settings, url=url), "k1")
