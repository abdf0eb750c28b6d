"""The emulator's Graph, seen by httpx: what it takes, what it refuses, and how it throttles."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from tests.e2e.waiting import wait_until
from tests.support.emulated import RECIPIENT, app_token, client_context, emulating

from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_MAILBOX,
    SAMPLE_SHARED,
    EmulatorConfig,
    Limits,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Action, Fault, Stage

GRAPH = "https://graph.microsoft.com"
ROLES = ["Mail.Send", "Mail.ReadWrite"]
SEND = f"/v1.0/users/{SAMPLE_MAILBOX}/sendMail"
MIME = (
    f"From: {SAMPLE_MAILBOX}\r\nTo: {RECIPIENT}\r\nCc: Two <two@fabrikam.example>\r\n"
    "Bcc: hidden@fabrikam.example\r\nSubject: Toner\r\n\r\nIt is empty.\r\n"
).encode()


def graph(emulator: Emulator, **claims: object) -> httpx.AsyncClient:
    """A client with a token of the sample app, or with other claims."""
    token = app_token(emulator, **({"aud": GRAPH, "roles": ROLES} | claims))
    return httpx.AsyncClient(
        base_url=emulator.graph_url,
        verify=client_context(emulator),
        headers={"Authorization": f"Bearer {token}"},
    )


async def send(http: httpx.AsyncClient, mime: bytes = MIME, path: str = SEND) -> httpx.Response:
    """sendMail with MIME."""
    return await http.post(
        path, content=base64.b64encode(mime), headers={"Content-Type": "text/plain"}
    )


@asynccontextmanager
async def graphing(
    switches: dict[str, str] | None = None, **limits: Any
) -> AsyncIterator[tuple[Emulator, httpx.AsyncClient]]:
    """An emulator and a client of its Graph."""
    async with emulating(switches, **limits) as emulator, graph(emulator) as http:
        yield emulator, http


async def test_mime_is_accepted_with_202_and_goes_to_the_headers_recipients() -> None:
    """To, Cc and Bcc; Bcc does not show in what they see, and the rest stays as it came."""
    async with graphing() as (emulator, http):
        answer = await send(http)

    (message,) = emulator.world.messages.all(SAMPLE_MAILBOX)
    assert (answer.status_code, answer.content) == (202, b"")
    assert message.arrival.recipients == (
        RECIPIENT,
        "two@fabrikam.example",
        "hidden@fabrikam.example",
    )
    assert message.arrival.raw == MIME
    assert message.seen == MIME.replace(b"Bcc: hidden@fabrikam.example\r\n", b"")
    assert message.facts()["login"] == SAMPLE_APP


async def test_a_user_sends_as_me() -> None:
    """With a delegated token."""
    claims = {"upn": SAMPLE_MAILBOX, "scp": "Mail.Send", "roles": []}

    async with emulating() as emulator, graph(emulator, **claims) as http:
        answer = await send(http, path="/v1.0/me/sendMail")

    assert answer.status_code == 202


@pytest.mark.parametrize(("scope", "status"), [("Mail.Send", 403), ("Mail.Send.Shared", 202)])
async def test_a_user_in_a_shared_mailbox_needs_another_permission(scope: str, status: int) -> None:
    """Beside full access to it."""
    claims = {"upn": SAMPLE_MAILBOX, "scp": scope, "roles": []}
    path = f"/v1.0/users/{SAMPLE_SHARED}/sendMail"

    async with emulating() as emulator, graph(emulator, **claims) as http:
        answer = await send(http, MIME.replace(b"printer@", b"alerts@"), path)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("claims", "path", "status", "code"),
    [
        ({"aud": "https://outlook.office365.com"}, SEND, 401, "InvalidAuthenticationToken"),
        ({"exp": 1}, SEND, 401, "InvalidAuthenticationToken"),
        ({"roles": ["Mail.Read"]}, SEND, 403, "ErrorAccessDenied"),
        ({"tid": "another"}, SEND, 404, "ErrorInvalidUser"),
        ({}, "/v1.0/users/nobody@contoso.example/sendMail", 404, "ErrorInvalidUser"),
        ({}, "/v1.0/me/sendMail", 400, "BadRequest"),
        (
            {"upn": SAMPLE_SHARED, "scp": "Mail.Send", "roles": []},
            SEND,
            403,
            "ErrorAccessDenied",
        ),
    ],
)
async def test_who_may_not_is_told_in_graphs_json(
    claims: dict[str, object], path: str, status: int, code: str
) -> None:
    """Code, message, and the ids that support asks for."""
    async with emulating() as emulator, graph(emulator, **claims) as http:
        answer = await send(http, path=path)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert {"date", "request-id", "client-request-id"} == set(error["innerError"])


@pytest.mark.parametrize(
    ("switch", "status", "code"),
    [
        ("graph_mailbox=disabled", 404, "MailboxNotEnabledForRESTAPI"),
        ("mailbox_storage=full", 507, "ErrorQuotaExceeded"),
        ("outbound=blocked", 403, "ErrorMessageSubmissionBlocked"),
        ("app=missing", 403, "ErrorAccessDenied"),
    ],
)
async def test_a_switch_refuses_a_message(switch: str, status: int, code: str) -> None:
    """With the error of that setting."""
    name, _, position = switch.partition("=")

    async with graphing({name: position}) as (_, http):
        answer = await send(http)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_200_is_no_success() -> None:
    """Seen with large messages: no error, and no mail."""
    async with graphing({"graph_success": "200"}) as (emulator, http):
        answer = await send(http)

    assert answer.status_code == 200
    assert emulator.world.messages.all() == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"no base64!", "text/plain", 400, "ErrorMimeContentInvalidBase64String"),
        (base64.b64encode(b"Subject: x\r\n\r\n"), "text/plain", 400, "ErrorInvalidRecipients"),
        (base64.b64encode(MIME), "message/rfc822", 415, "UnsupportedMediaType"),
        (b"{", "application/json", 400, "BadRequest"),
        (b"x" * (4 * 1024 * 1024 + 1), "text/plain", 413, "BadRequest"),
    ],
)
async def test_a_bad_request_is_refused(
    body: bytes, content_type: str, status: int, code: str
) -> None:
    """By its size, its base64, its type or its lack of recipients."""
    async with graphing() as (emulator, http):
        answer = await http.post(SEND, content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert emulator.world.messages.all() == []


async def test_another_from_needs_send_as() -> None:
    """403 ErrorSendAsDenied."""
    async with graphing() as (_, http):
        answer = await send(http, MIME.replace(b"printer@", b"boss@"))
        allowed = await send(http, MIME.replace(b"printer@", b"alerts@"))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ErrorSendAsDenied")
    assert allowed.status_code == 202


# Throttling


async def until(look: Callable[[], object]) -> None:
    """Wait for what can be seen in the emulator."""
    await asyncio.to_thread(wait_until, look, 30, "the emulator to have it")


@asynccontextmanager
async def four_requests(emulator: Emulator, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """Four that run and are not answered."""
    fault = Fault(service="graph", stage=Stage.CONTENT, action=Action.HANG, times=4)
    emulator.world.faults.order(fault)
    statistics = emulator.world.statistics[SAMPLE_MAILBOX]
    requests = [asyncio.create_task(send(http)) for _ in range(4)]
    await until(lambda: statistics.parallel_requests == emulator.world.faults.hits == 4)
    yield
    for request in requests:
        request.cancel()
    await asyncio.wait(requests)


async def test_a_fifth_parallel_request_is_throttled() -> None:
    """429 with Retry-After; the statistics know how many ran at once, and who came too soon."""
    async with graphing() as (emulator, http), four_requests(emulator, http):
        fifth, soon = await send(http), await send(http)

    facts = emulator.world.statistics[SAMPLE_MAILBOX].facts(60)
    assert (fifth.status_code, soon.status_code) == (429, 429)
    assert fifth.headers["retry-after"] == "2"
    assert fifth.json()["error"]["code"] == "ApplicationThrottled"
    assert (facts["most_parallel_requests"], facts["throttled"]) == (4, 2)
    assert facts["too_early"] == 1


async def test_parallel_requests_count_by_mailbox_or_by_app() -> None:
    """As the switch says: another mailbox has four of its own, or none."""
    other = f"/v1.0/users/{SAMPLE_SHARED}/sendMail"
    mime = MIME.replace(b"printer@", b"alerts@")

    async with graphing() as (emulator, http), four_requests(emulator, http):
        by_mailbox = await send(http, mime, other)
        emulator.world.switches.change({"graph_parallel": "app"})
        by_app = await send(http, mime, other)

    assert (by_mailbox.status_code, by_app.status_code) == (202, 429)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("graph_requests", 2, "Application is over its request limit for the mailbox."),
        ("graph_upload_octets", 600, "Application is over its upload limit for the mailbox."),
    ],
)
async def test_requests_and_octets_have_windows(limit: str, value: int, message: str) -> None:
    """10,000 in ten minutes and 150 MB in five; Retry-After is when there is room again."""
    async with graphing(None, **{limit: value}) as (_, http):
        answers = [await send(http) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].json()["error"]["message"] == message
    assert 250 < int(answers[2].headers["retry-after"]) <= 600


async def test_requests_that_are_refused_count() -> None:
    """Who tries again at once waits longer."""
    now = [1_800_000_000.0]
    config = EmulatorConfig(limits=Limits(graph_requests=1))

    async with Emulator(config, clock=lambda: now[0]) as emulator, graph(emulator) as http:
        statuses = [(await send(http)).status_code]
        for seconds in (300, 301, 600):
            now[0] += seconds
            statuses.append((await send(http)).status_code)

    assert statuses == [202, 429, 429, 202]


async def test_retry_after_can_be_a_date() -> None:
    """Never before so many seconds are over."""
    async with graphing({"retry_after": "date"}, graph_requests=1) as (emulator, http):
        await send(http)
        answer = await send(http)
        now = datetime.fromtimestamp(emulator.world.clock(), UTC)

    date = parsedate_to_datetime(answer.headers["retry-after"])
    assert 590 < (date - now).total_seconds() <= 601


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
async def test_a_status_comes_on_order(status: int) -> None:
    """With an error in JSON and with Retry-After, which counts as one."""
    fault = Fault(service="graph", stage=Stage.REQUEST, status=status, headers={"Retry-After": "7"})

    async with graphing() as (emulator, http):
        emulator.world.faults.order(fault)
        first, second = await send(http), await send(http)

    assert (first.status_code, second.status_code) == (status, 202)
    assert first.headers["retry-after"] == "7"
    assert first.json()["error"]["message"]
    assert emulator.world.statistics[SAMPLE_MAILBOX].too_early == 1


@pytest.mark.parametrize(
    ("stage", "action", "taken"),
    [
        (Stage.CONTENT, Action.CUT, 0),
        (Stage.TAKEN, Action.CUT, 1),
        (Stage.TAKEN, Action.REPLY, 1),
    ],
)
async def test_an_answer_can_be_lost(stage: Stage, action: Action, taken: int) -> None:
    """Before or after the message was taken; it is marked as not answered."""
    fault = Fault(service="graph", stage=stage, action=action, mailbox=SAMPLE_MAILBOX)

    async with graphing() as (emulator, http):
        emulator.world.faults.order(fault)
        if action is Action.REPLY:
            assert (await send(http)).status_code == 503
        else:
            with pytest.raises(httpx.TransportError):
                await send(http)

    messages = emulator.world.messages.all()
    assert [message.is_answered for message in messages] == [False] * taken


async def test_an_answer_may_never_come() -> None:
    """The message was taken, and the client has to give up."""
    fault = Fault(service="graph", stage=Stage.TAKEN, action=Action.HANG)

    async with graphing() as (emulator, http):
        emulator.world.faults.order(fault)
        request = asyncio.create_task(send(http))
        await until(emulator.world.messages.all)
        request.cancel()
        await asyncio.wait([request])

    assert [message.is_answered for message in emulator.world.messages.all()] == [False]


async def test_json_is_sent_too() -> None:
    """The form that most programs use."""
    message = {
        "subject": "Hello",
        "body": {"contentType": "HTML", "content": "<b>Hello</b>"},
        "toRecipients": [{"emailAddress": {"address": RECIPIENT}}],
        "bccRecipients": [{"emailAddress": {"address": "hidden@fabrikam.example"}}],
    }

    async with graphing() as (emulator, http):
        answer = await http.post(SEND, content=json.dumps({"message": message}))
        right = await http.post(SEND, json={"message": message})

    (taken,) = emulator.world.messages.all()
    assert (answer.status_code, right.status_code) == (415, 202)
    assert taken.arrival.recipients == (RECIPIENT, "hidden@fabrikam.example")
    assert b"hidden" not in taken.seen
