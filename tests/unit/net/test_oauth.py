"""net.oauth: tokens are got once, kept, renewed in time; a sign-in server that fails or hangs."""

import asyncio
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.granting import MemoryGrants
from tests.support.issuer import TOKEN, Issuer
from tests.support.storing import open_database
from tests.support.tokens import SCOPE, SourceMaker, Time, failure, value

from pillarbox.explain.failures import FailureKind
from pillarbox.net.oauth import AccessToken
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Access, Grant
from pillarbox.route import Microsoft365, Route
from pillarbox.store.admin.routes import add_route
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.grants import Grants
from pillarbox.store.seal import Seal, new_master_key


async def test_who_asks_at_the_same_time_waits_for_one_answer(
    make: SourceMaker, issuer: Issuer, app: Access
) -> None:
    """A lane opens its connections together."""
    source = make()

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(value(source, app)) for _ in range(10)]

    assert {task.result() for task in asked} == {"access-1"}
    assert issuer.count(TOKEN) == 1


async def test_a_token_is_renewed_ten_minutes_before_it_ends(
    make: SourceMaker, time: Time, app: Access
) -> None:
    """Not before, and never later."""
    source = make()
    await value(source, app)

    time.now += 3600 - 601
    kept = await value(source, app)
    time.now += 2
    renewed = await value(source, app)

    assert (kept, renewed) == ("access-1", "access-2")


async def test_a_short_token_is_used_for_half_of_its_life(
    make: SourceMaker, time: Time, issuer: Issuer, app: Access
) -> None:
    """An issuer whose tokens last a minute is not asked for each message."""
    issuer.lifetime_seconds = 60
    source = make()
    await value(source, app)

    time.now += 29
    kept = await value(source, app)
    time.now += 2
    renewed = await value(source, app)

    assert (kept, renewed) == ("access-1", "access-2")


async def test_while_the_issuer_fails_the_old_token_serves_to_its_end(
    make: SourceMaker, time: Time, issuer: Issuer, app: Access
) -> None:
    """A short outage of the sign-in server is not felt."""
    source = make()
    await value(source, app)
    issuer.answers[TOKEN] = deque([(503, "busy"), (503, "busy"), (503, "busy"), (503, "busy")])

    time.now += 3600 - 300
    served = await value(source, app)
    time.now += 250
    refused = await failure(source, app)

    assert served == "access-1"
    assert refused.kind is FailureKind.SIGN_IN_UNAVAILABLE


async def test_a_refused_sign_in_is_not_repeated_at_once(
    make: SourceMaker, time: Time, issuer: Issuer, app: Access
) -> None:
    """All mailboxes of a pool want a token; one refusal tells them all."""
    issuer.answers[TOKEN] = deque([(400, {"error": "invalid_client"})])
    source = make()
    first = await failure(source, app)
    again = await failure(source, app)
    time.now += 16

    assert first == again
    assert await value(source, app) == "access-1"
    assert issuer.count(TOKEN) == 2


async def test_a_refused_token_is_fetched_anew_once(
    make: SourceMaker, time: Time, app: Access
) -> None:
    """One that was refused right after it came would be refused again."""
    source = make()
    token = await source.get(app)
    assert isinstance(token, AccessToken)

    at_once = await source.renew(app, token)
    time.now += 120
    later = await source.renew(app, token)
    for_the_slow_one = await source.renew(app, token)

    assert at_once is None
    assert isinstance(later, AccessToken)
    assert later.value == "access-2"
    assert for_the_slow_one is later


async def test_a_hung_issuer_holds_up_nobody_else(
    make: SourceMaker, issuer: Issuer, issuer_ca: Path, app: Access
) -> None:
    """The event loop runs, and tokens of other issuers come (smtp-oauth-relay, 1c)."""
    source = make()
    issuer.hold(TOKEN)
    waiting = asyncio.create_task(value(source, app))
    await asyncio.to_thread(issuer.reached.wait, 20)

    with Issuer(issuer_ca / "certificate.pem", issuer_ca / "key.pem") as well:
        sign_in = replace(app.sign_in, authority=well.url)
        meanwhile = await value(source, Access(sign_in, SCOPE))

    assert meanwhile == "access-1"
    assert not waiting.done()
    issuer.let_go()
    assert await waiting == "access-1"


async def test_who_gives_up_does_not_lose_the_refresh_token(
    make: SourceMaker, issuer: Issuer, person: Access
) -> None:
    """The attempt is cancelled while the issuer has spoilt the old token already."""
    issuer.rotates = True
    issuer.hold(TOKEN)
    grants = MemoryGrants()
    source = make(grants)
    waiting = asyncio.create_task(value(source, person))
    await asyncio.to_thread(issuer.reached.wait, 20)

    waiting.cancel()
    issuer.let_go()
    await source.close()

    assert grants.tokens == {7: issuer.refresh_token}
    assert issuer.refresh_token != "refresh-0"
    assert grants.owner == ""


@pytest.mark.parametrize("who", ["person", "other"])
async def test_the_newest_refresh_token_is_kept(
    make: SourceMaker, time: Time, issuer: Issuer, who: str, request: pytest.FixtureRequest
) -> None:
    """Each use spoils the one before it: Microsoft's kind and any other."""
    access = request.getfixturevalue(who)
    issuer.rotates = True
    grants = MemoryGrants()
    source = make(grants)

    for _ in range(3):
        await value(source, access)
        time.now += 3600

    assert [form["refresh_token"] for form in issuer.forms()] == [
        "refresh-0",
        "refresh-1",
        "refresh-2",
    ]
    assert grants.tokens == {7: "refresh-3"}
    assert issuer.reused == []


async def test_processes_take_turns_at_a_refresh_token(
    make: SourceMaker, issuer: Issuer, person: Access
) -> None:
    """Two workers and one grant whose tokens can be used once: none is used twice, none is lost."""
    issuer.rotates = True
    grants = MemoryGrants()
    sources = [make(grants, owner) for owner in ("one", "two", "three")]

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(value(source, person)) for source in sources]

    assert len({task.result() for task in asked}) == 3
    assert issuer.reused == []
    assert grants.tokens == {7: issuer.refresh_token}


async def test_processes_meet_in_the_store(
    make: SourceMaker, issuer: Issuer, person: Access, database_url: str
) -> None:
    """The same with the store itself."""
    issuer.rotates = True
    database, seal = open_database(database_url), Seal(new_master_key())
    database.write_now(lambda c: add_tenant(c, "acme", now=0))
    hop = Microsoft365("a@x.test", Cloud.WORLDWIDE, person.sign_in)
    route_id = database.write_now(
        lambda c: add_route(
            c, "acme", Route(0, "", "", hop), seal=seal, now=0, refresh_token="refresh-0"
        )
    )
    access = Access(replace(person.sign_in, grant_id=route_id), person.scope)
    sources = [make(Grants(database, seal), owner) for owner in ("one", "two", "three")]

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(value(source, access)) for source in sources]
    kept = await Grants(database, seal).lease(route_id, owner="test", lease_ms=1)
    await database.close()

    assert len({task.result() for task in asked}) == 3
    assert issuer.reused == []
    assert isinstance(kept, Grant)
    assert (kept.refresh_token, kept.version) == (issuer.refresh_token, 4)


async def test_a_token_is_not_used_before_its_refresh_token_is_durable(
    make: SourceMaker, issuer: Issuer, person: Access
) -> None:
    """While the store is away the token waits; then nothing was lost."""
    issuer.rotates = True
    grants = MemoryGrants()
    grants.is_away = True
    waiting = asyncio.create_task(value(make(grants), person))
    await grants.save_failed.wait()

    assert not waiting.done()
    grants.is_away = False
    assert await waiting == "access-1"
    assert grants.tokens == {7: "refresh-1"}


async def test_nobody_has_signed_in(make: SourceMaker, issuer: Issuer, person: Access) -> None:
    """The fix is to sign in; the issuer is not asked."""
    refused = await failure(make(MemoryGrants("")), person)

    assert refused.kind is FailureKind.SIGN_IN_AGAIN
    assert issuer.asked == []
