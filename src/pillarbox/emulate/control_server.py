"""The control API: switches, faults, what arrived, statistics. Plain HTTP on the loopback.

GET    /                              everything that a client needs, as on the card
GET    /switches                      PUT changes some, DELETE sets them back
GET    /faults                        POST orders one, DELETE (also /faults/ID) cancels
GET    /replies                       the names of replies that a fault can give
GET    /messages?after=ID             what arrived; DELETE forgets it, with statistics and limits
GET    /messages/ID                   one, with its header fields; /raw and /seen are its octets
GET    /mailboxes                     GET /mailboxes/ADDRESS/messages?after=ID
GET    /stats                         statistics of every mailbox
GET    /connections                   open now and at most, by port, with a login or without
DELETE /tokens                        ends all access tokens that were given out
POST   /devicecodes/USERCODE          {"decision": "approve", "user": ADDRESS}
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from email.parser import BytesHeaderParser

from pydantic import ValidationError

from pillarbox.emulate.faults import Fault
from pillarbox.emulate.http import Request, Response, json_response
from pillarbox.emulate.messages import Message
from pillarbox.emulate.replies import CODE_GUESSED, REPLIES
from pillarbox.emulate.switches import SWITCHES, SwitchError
from pillarbox.emulate.world import World

BODY_OCTETS = 1024 * 1024


class _BadRequestError(Exception):
    """The request can not be understood; the text says why."""


class _NotFoundError(Exception):
    """There is no such thing."""


class ControlServer:
    """The handler. `describe` gives the facts of the card, `forget` begins anew, `connections`
    counts them, `decide_device` plays the user with a device code."""

    def __init__(
        self,
        world: World,
        *,
        describe: Callable[[], Mapping[str, object]],
        forget: Callable[[], None],
        connections: Callable[[], Mapping[str, object]],
        decide_device: Callable[[str, str, str], bool],
    ) -> None:
        self._world = world
        self._describe = describe
        self._forget = forget
        self._connections = connections
        self._decide_device = decide_device

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return await self._route(request)
        except (_BadRequestError, SwitchError) as error:
            return json_response(400, {"error": str(error)})
        except ValidationError as error:
            return json_response(400, {"error": "; ".join(map(_line, error.errors()))})
        except _NotFoundError:
            return json_response(404, {"error": "there is nothing here: GET / tells what there is"})

    async def _route(self, request: Request) -> Response:
        head, *rest = request.segments
        match request.method, head:
            case "GET", "" if not rest:
                return json_response(200, dict(self._describe()))
            case _, "switches" if not rest:
                return await self._switches(request)
            case _, "faults":
                return await self._faults(request, rest)
            case _, "messages":
                return self._messages(request, rest)
            case _, "mailboxes":
                return self._mailboxes(request, rest)
            case "GET", "stats":
                seconds = self._world.limits.messages_seconds
                statistics = self._world.statistics.items()
                return json_response(200, {name: s.facts(seconds) for name, s in statistics})
            case "GET", "replies":
                return json_response(200, _replies())
            case "GET", "connections":
                return json_response(200, dict(self._connections()))
            case "DELETE", "tokens" if not rest:
                self._world.signer.change_key()
                return Response(204)
            case "POST", "devicecodes" if len(rest) == 1:
                return await self._decide(request, rest[0])
            case _:
                raise _NotFoundError

    async def _decide(self, request: Request, user_code: str) -> Response:
        body = await _read_object(request)
        decision, user = str(body.get("decision", "approve")), str(body.get("user", ""))
        if decision not in SWITCHES["device_code"].positions:
            raise _BadRequestError("decision is approve, wait, decline or expire")
        if not self._decide_device(user_code, decision, user):
            raise _NotFoundError
        return json_response(200, {"decision": decision})

    async def _switches(self, request: Request) -> Response:
        switches = self._world.switches
        match request.method:
            case "PUT":
                body = await _read_object(request)
                switches.change({name: str(position) for name, position in body.items()})
            case "DELETE":
                switches.reset()
            case "GET":
                pass
            case _:
                raise _NotFoundError
        return json_response(200, switches.all())

    async def _faults(self, request: Request, rest: list[str]) -> Response:
        faults = self._world.faults
        match request.method, rest:
            case "GET", []:
                return json_response(200, faults.all())
            case "POST", []:
                fault = Fault.model_validate(await _read_object(request))
                return json_response(201, {"id": faults.order(fault)})
            case "DELETE", []:
                faults.clear()
                return Response(204)
            case "DELETE", [number] if number.isdigit() and faults.cancel(int(number)):
                return Response(204)
            case _:
                raise _NotFoundError

    def _messages(self, request: Request, rest: list[str]) -> Response:
        match request.method, rest:
            case "GET", []:
                found = self._world.messages.all(after=_after(request))
                return json_response(200, [message.facts() for message in found])
            case "DELETE", []:
                self._forget()
                return Response(204)
            case "GET", [number]:
                message = self._message(number)
                return json_response(200, message.facts() | {"headers": _headers(message)})
            case "GET", [number, "raw"]:
                return Response(200, self._message(number).arrival.raw, "message/rfc822")
            case "GET", [number, "seen"]:
                return Response(200, self._message(number).seen, "message/rfc822")
            case _:
                raise _NotFoundError

    def _message(self, number: str) -> Message:
        message = self._world.messages.get(int(number)) if number.isdigit() else None
        if message is None:
            raise _NotFoundError
        return message

    def _mailboxes(self, request: Request, rest: list[str]) -> Response:
        messages = self._world.messages
        match request.method, rest:
            case "GET", []:
                mailboxes = [m for t in self._world.config.tenants for m in t.mailboxes]
                return json_response(
                    200,
                    [
                        {
                            "address": mailbox.address,
                            "aliases": list(mailbox.aliases),
                            "messages": len(messages.all(mailbox.address)),
                        }
                        for mailbox in mailboxes
                    ],
                )
            case "GET", [address, "messages"] if owner := self._world.owner(address):
                found = messages.all(owner.mailbox.address, after=_after(request))
                return json_response(200, [message.facts() for message in found])
            case _:
                raise _NotFoundError


def _replies() -> dict[str, object]:
    return {
        name: asdict(known) | {"code_guessed": known.row in CODE_GUESSED}
        for name, known in REPLIES.items()
    }


async def _read_object(request: Request) -> dict[str, object]:
    body = await request.body(BODY_OCTETS)
    try:
        value = json.loads(body or b"")
    except ValueError as error:
        raise _BadRequestError(f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise _BadRequestError("the body is to be an object")
    return value


def _after(request: Request) -> int:
    text = request.query.get("after", "0")
    if not text.isdigit():
        raise _BadRequestError("after is the id of a message")
    return int(text)


def _headers(message: Message) -> list[list[str]]:
    header = BytesHeaderParser().parsebytes(message.arrival.raw)
    return [[name, str(value)] for name, value in header.items()]


def _line(error: Mapping[str, object]) -> str:
    where = error.get("loc")
    place = ".".join(map(str, where)) if isinstance(where, tuple) else ""
    text = str(error.get("msg", "")).removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
