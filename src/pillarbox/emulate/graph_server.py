"""graph.microsoft.com, as far as it sends mail: who may, how fast, and what comes of it."""

import asyncio
from dataclasses import dataclass, replace

from pillarbox.emulate.config import GRAPH_SEND, GRAPH_WRITE
from pillarbox.emulate.faults import Stage
from pillarbox.emulate.graph_errors import DENIALS, GraphError, error_response, ordered_response
from pillarbox.emulate.graph_mail import Drafts, attach_file, compose, decode_mime, read_json
from pillarbox.emulate.graph_throttle import RETRY_AFTER, Throttle
from pillarbox.emulate.headers import read_addresses
from pillarbox.emulate.http import Request, Response, json_response, meet_fault
from pillarbox.emulate.issuing import object_id
from pillarbox.emulate.messages import Arrival
from pillarbox.emulate.submission import judge, take
from pillarbox.emulate.tokens import GRAPH_AUDIENCES, Access
from pillarbox.emulate.world import Owner, World

_VERSIONS = ("v1.0", "beta")


@dataclass(frozen=True, slots=True)
class _Call:
    """A request of which the caller and the mailbox are known."""

    access: Access
    owner: Owner
    request: Request
    body: bytes

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower()


class GraphServer:
    """The handler of Graph. `url` is its root, known once it listens."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._drafts = Drafts(world)
        self._throttle = Throttle(world)
        self.url = ""

    @property
    def drafts(self) -> int:
        """How many drafts there are in all mailboxes."""
        return self._drafts.left

    def forget(self) -> None:
        """Begin anew with what is throttled."""
        self._throttle.forget()

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        access = self._access(request)
        owner = self._owner(request, access)
        app_id, mailbox = self._counted(request, access, owner)
        if mailbox:
            self._throttle.arrived(app_id, mailbox)
        try:
            response = await meet_fault(self._world, "graph", Stage.REQUEST, request, mailbox)
            if response is None:
                response = await self._answer(request, access, owner)
            else:
                response = self._ordered(response)
        except GraphError as error:
            response = error_response(error, self._world.now())
        if mailbox:
            self._throttle.answered(app_id, mailbox, response.status, response.headers)
        return response

    # Who asks, and for whom

    def _access(self, request: Request) -> Access | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._world.signer.read(token.strip(), now=self._world.clock())

    def _owner(self, request: Request, access: Access | None) -> Owner | None:
        match request.segments:
            case [_, "me", *_] if access and access.user:
                return self._world.owner(access.user)
            case [_, "users", name, *_]:
                return self._world.owner(name) or next(
                    (
                        owner
                        for tenant in self._world.config.tenants
                        for mailbox in tenant.mailboxes
                        if object_id(mailbox.address) == name
                        and (owner := self._world.owner(mailbox.address))
                    ),
                    None,
                )
            case _:
                return None

    def _counted(
        self, request: Request, access: Access | None, owner: Owner | None
    ) -> tuple[str, str]:
        """The app and the mailbox that a request counts for, "" for none."""
        upload = self._drafts.upload_of(request.segments)
        if upload is not None:
            return upload.app_id, upload.draft.owner.mailbox.address
        return access.app_id if access else "", owner.mailbox.address if owner else ""

    async def _answer(
        self, request: Request, access: Access | None, owner: Owner | None
    ) -> Response:
        if request.segments[:1] == ("upload",):
            return await self._upload(request)
        access, owner = self._check(request, access, owner)
        with self._throttle.under_way(access.app_id, owner.mailbox.address):
            body = await request.body(self._world.limits.graph_request_octets)
            if body is None:
                raise GraphError("request-size")
            self._throttle.upload(access.app_id, owner.mailbox.address, len(body))
            await asyncio.sleep(self._world.limits.graph_seconds)
            return await self._route(_Call(access, owner, request, body))

    def _check(
        self, request: Request, access: Access | None, owner: Owner | None
    ) -> tuple[Access, Owner]:
        """Token, user and mailbox. Raises GraphError."""
        if "authorization" not in request.headers:
            raise GraphError("no-token")
        if access is None:
            raise GraphError("token")
        if access.audience not in GRAPH_AUDIENCES | self._world.graph_audiences:
            raise GraphError("audience")
        if request.segments[0] not in _VERSIONS or len(request.segments) < 2:
            raise GraphError("path")
        if request.segments[1] == "me" and not access.user:
            raise GraphError("not-me")
        if owner is None or owner.tenant.id != access.tenant_id:
            raise GraphError("user")
        switches = self._world.switches
        if switches.is_at("graph_mailbox", "disabled", owner.targets) or switches.is_at(
            "mailbox", "disabled", owner.targets
        ):
            raise GraphError("mailbox")
        return access, owner

    def _need(self, call: _Call, permission: str) -> None:
        """Raises GraphError unless the token has this permission for this mailbox."""
        access, mailbox = call.access, call.owner.mailbox
        if access.user:
            is_his = access.user == mailbox.address
            is_open = is_his or access.user in mailbox.delegates
            has = is_open and (permission if is_his else f"{permission}.Shared") in access.scopes
        else:
            app = self._world.app(call.owner.tenant, access.app_id)
            has = app is not None and permission in access.roles
        if not has:
            raise GraphError("access")

    # What is asked for

    async def _route(self, call: _Call) -> Response:
        segments = call.request.segments
        rest = segments[2:] if segments[1] == "me" else segments[3:]
        match call.request.method, rest:
            case "POST", ("sendMail",):
                self._need(call, GRAPH_SEND)
                return await self._send_mail(call)
            case "POST", ("messages", draft_id, "send"):
                self._need(call, GRAPH_SEND)
                draft = self._drafts.find(call.owner, draft_id)
                return await self._submit(call, draft.content(), draft_id)
            case "GET", ():
                address = call.owner.mailbox.address
                user = {"id": object_id(address), "userPrincipalName": address, "mail": address}
                return json_response(200, user)
            case _, ("messages", *_):
                self._need(call, GRAPH_WRITE)
                return self._draft(call, rest[1:])
            case _:
                raise GraphError("path")

    def _draft(self, call: _Call, rest: tuple[str, ...]) -> Response:
        match call.request.method, rest:
            case "POST", ():
                draft_id = self._drafts.create(call.owner, call.content_type, call.body)
                return json_response(201, {"id": draft_id, "isDraft": True})
            case "GET", ():
                query = call.request.query.get("$filter", "")
                return json_response(200, self._drafts.search(call.owner, query))
            case "GET", (item_id,):
                return json_response(200, self._drafts.look(call.owner, item_id))
            case "DELETE", (item_id,):
                self._drafts.remove(call.owner, item_id)
                return Response(204)
            case "POST", (draft_id, "attachments"):
                draft = self._drafts.find(call.owner, draft_id)
                attach_file(draft, read_json(call.body))
                return json_response(201, {})
            case "POST", (draft_id, "attachments", "createUploadSession"):
                draft = self._drafts.find(call.owner, draft_id)
                app_id = call.access.app_id
                answer = self._drafts.begin_upload(draft, app_id, call.body, self.url)
                return json_response(201, answer)
            case _:
                raise GraphError("path")

    async def _upload(self, request: Request) -> Response:
        """A piece of an attachment: the URL is the permission, a token beside it is refused."""
        if request.method != "PUT" or len(request.segments) != 2:
            raise GraphError("path")
        if "authorization" in request.headers:
            raise GraphError("token")
        token = request.segments[1]
        upload = self._drafts.upload(token)
        mailbox = upload.draft.owner.mailbox.address
        with self._throttle.under_way(upload.app_id, mailbox):
            body = await request.body(self._world.limits.graph_request_octets - 1)
            if body is None:
                raise GraphError("request-size")
            self._throttle.upload(upload.app_id, mailbox, len(body))
            await asyncio.sleep(self._world.limits.graph_seconds)
            content_range = request.headers.get("content-range", "")
            answer = self._drafts.take_range(token, content_range, body)
        if answer is None:
            return Response(201, headers={"Location": f"{self.url}/v1.0/attachments/{token}"})
        return json_response(200, answer)

    # Sending

    async def _send_mail(self, call: _Call) -> Response:
        if call.content_type == "text/plain":
            return await self._submit(call, decode_mime(call.body))
        if call.content_type == "application/json":
            message = read_json(call.body).get("message")
            if not isinstance(message, dict):
                raise GraphError("json")
            return await self._submit(call, compose(message).as_bytes())
        raise GraphError("type")

    async def _submit(self, call: _Call, raw: bytes, draft_id: str = "") -> Response:
        world, owner = self._world, call.owner
        address = owner.mailbox.address
        fault = await meet_fault(world, "graph", Stage.CONTENT, call.request, address)
        if fault is not None:
            return self._ordered(fault)
        if len(raw) > world.limits.message_octets:
            raise GraphError("message-size")
        addresses = read_addresses(raw)
        if not addresses.recipients:
            raise GraphError("recipients")
        if not addresses.authors:
            # Graph puts the mailbox there.
            addresses = replace(addresses, authors=(address,))
        arrival = self._arrival(call, raw, addresses.recipients)
        if world.switches.is_at("graph_success", "200", owner.targets):
            return Response(200)
        denial = judge(world, owner, arrival, addresses)
        if denial is not None:
            world.statistics[address].refused += 1
            raise GraphError(DENIALS[denial.name])
        message = await take(world, owner, arrival, addresses)
        if draft_id:
            self._drafts.sent(owner, draft_id)
        # Until the answer is out nobody knows of the message.
        message.is_answered = False
        fault = await meet_fault(world, "graph", Stage.TAKEN, call.request, address)
        message.is_answered = fault is None
        return self._ordered(fault) if fault is not None else Response(202)

    def _arrival(self, call: _Call, raw: bytes, recipients: tuple[str, ...]) -> Arrival:
        address = call.owner.mailbox.address
        return Arrival(
            way="graph",
            mailbox=address,
            login=call.access.user or call.access.app_id,
            mechanism="Bearer",
            sender=address,
            recipients=recipients,
            raw=raw,
            received_at=self._world.clock(),
            app_id=call.access.app_id,
        )

    def _ordered(self, response: Response) -> Response:
        """What a fault gives, Retry-After in the form of the switch."""
        seconds = response.headers.get(RETRY_AFTER, "")
        if seconds.isdigit():
            headers = dict(response.headers) | self._throttle.headers(int(seconds))
            response = replace(response, headers=headers)
        return ordered_response(response, self._world.now())
