"""Messages of Graph: sendMail with MIME or JSON, drafts, attachments, upload sessions, send."""

import base64
import binascii
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from pillarbox.emulate.graph_errors import GraphError
from pillarbox.emulate.world import Owner, World

UPLOAD_SECONDS = 3600
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_BY_MESSAGE_ID = re.compile(r"internetMessageId eq '(.+)'")

Json = dict[str, Any]


@dataclass(slots=True)
class Draft:
    """A message that is being put together."""

    owner: Owner
    message: EmailMessage
    raw: bytes | None
    """As it came, while nothing has been added to it."""

    def content(self) -> bytes:
        """The octets that are sent."""
        return self.raw if self.raw is not None else self.message.as_bytes(policy=SMTP)


@dataclass(slots=True)
class Upload:
    """An attachment that comes in pieces."""

    draft: Draft
    app_id: str
    name: str
    content_type: str
    size: int
    ends_at: float
    content_id: str = ""
    """Of a picture in the text."""
    parts: list[bytes] = field(default_factory=list)
    received: int = 0


class Drafts:
    """Drafts and uploads of all mailboxes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._drafts: dict[str, Draft] = {}
        self._uploads: dict[str, Upload] = {}
        self._sent: dict[str, tuple[Owner, Json]] = {}

    def create(self, owner: Owner, content_type: str, body: bytes) -> str:
        """A new draft; its id."""
        draft_id = _new_id()
        if content_type == "text/plain":
            raw = decode_mime(body)
            parsed = message_from_bytes(raw, policy=SMTP)
            self._drafts[draft_id] = Draft(owner, parsed, raw)
        else:
            self._drafts[draft_id] = Draft(owner, compose(read_json(body)), None)
        return draft_id

    def find(self, owner: Owner, draft_id: str) -> Draft:
        """Raises GraphError where the mailbox has no such draft."""
        draft = self._drafts.get(draft_id)
        if draft is None or draft.owner is not owner:
            raise GraphError("item")
        return draft

    def look(self, owner: Owner, item_id: str) -> Json:
        """A draft, or what stands in Sent Items. Raises GraphError."""
        if item_id in self._sent and self._sent[item_id][0] is owner:
            return self._sent[item_id][1]
        return _shown(item_id, self.find(owner, item_id), is_draft=True)

    def search(self, owner: Owner, query: str) -> Json:
        """The items with a Message-ID. Raises GraphError."""
        match = _BY_MESSAGE_ID.fullmatch(query)
        if match is None:
            raise GraphError("json")
        drafts = [
            _shown(key, draft, is_draft=True)
            for key, draft in self._drafts.items()
            if draft.owner is owner
        ]
        items = [*drafts, *(item for whose, item in self._sent.values() if whose is owner)]
        wanted = match[1].replace("''", "'")
        return {"value": [item for item in items if item["internetMessageId"] == wanted]}

    def remove(self, owner: Owner, item_id: str) -> None:
        """Delete a draft, or what was sent. Raises GraphError."""
        self.look(owner, item_id)
        self._drafts.pop(item_id, None)
        self._sent.pop(item_id, None)

    def sent(self, owner: Owner, draft_id: str) -> None:
        """The draft stands in Sent Items now."""
        draft = self._drafts.pop(draft_id)
        is_changed = self._world.switches.is_at("draft_ids", "changed", owner.targets)
        item_id = _new_id() if is_changed else draft_id
        self._sent[item_id] = owner, _shown(item_id, draft, is_draft=False)

    @property
    def left(self) -> int:
        """How many drafts there are."""
        return len(self._drafts)

    def begin_upload(self, draft: Draft, app_id: str, body: bytes, base_url: str) -> Json:
        """createUploadSession: where the pieces go."""
        item = read_json(body).get("AttachmentItem")
        if not isinstance(item, dict) or not isinstance(item.get("size"), int):
            raise GraphError("json")
        if item["size"] < self._world.limits.graph_attachment_least_octets:
            raise GraphError("attachment-size")
        token = secrets.token_urlsafe(32)
        self._uploads[token] = Upload(
            draft,
            app_id,
            str(item.get("name", "attachment")),
            str(item.get("contentType", "application/octet-stream")),
            item["size"],
            self._world.clock() + UPLOAD_SECONDS,
            str(item.get("contentId", "")) if item.get("isInline") else "",
        )
        return {"uploadUrl": f"{base_url}/upload/{token}", **self._expected("0-")}

    def upload(self, token: str) -> Upload:
        """Raises GraphError where there is no such session, or none any more."""
        upload = self._uploads.get(token)
        if upload is None or self._world.clock() >= upload.ends_at:
            raise GraphError("item")
        return upload

    def upload_of(self, segments: tuple[str, ...]) -> Upload | None:
        """The session of a URL, if it is one and there is such a session."""
        is_one = len(segments) == 2 and segments[0] == "upload"
        return self._uploads.get(segments[1]) if is_one else None

    def take_range(self, token: str, content_range: str, body: bytes) -> Json | None:
        """One piece, in order; None where it was the last one. Raises GraphError."""
        upload = self.upload(token)
        match = _RANGE.fullmatch(content_range)
        if match is None:
            raise GraphError("range")
        first, last, size = map(int, match.groups())
        fits = first == upload.received and last - first + 1 == len(body) and last < size
        if not fits or size != upload.size:
            raise GraphError("range")
        upload.parts.append(body)
        upload.received += len(body)
        if upload.received < size:
            return self._expected(str(upload.received))
        del self._uploads[token]
        content = b"".join(upload.parts)
        attach(
            upload.draft, upload.name, upload.content_type, content, content_id=upload.content_id
        )
        return None

    def _expected(self, next_range: str) -> Json:
        ends = self._world.now() + timedelta(seconds=UPLOAD_SECONDS)
        return {
            "expirationDateTime": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
            "nextExpectedRanges": [next_range],
        }


def _new_id() -> str:
    return f"AAMk{secrets.token_urlsafe(48)}"


def _shown(item_id: str, draft: Draft, *, is_draft: bool) -> Json:
    message_id = str(draft.message.get("Message-ID", ""))
    return {"id": item_id, "isDraft": is_draft, "internetMessageId": message_id}


def attach(
    draft: Draft, name: str, content_type: str, content: bytes, *, content_id: str = ""
) -> None:
    """Add a file to a draft; it is written anew."""
    main, _, sub = content_type.partition("/")
    draft.message.add_attachment(
        content,
        maintype=main or "application",
        subtype=sub or "octet-stream",
        disposition="inline" if content_id else "attachment",
        filename=name,
        cid=f"<{content_id}>" if content_id else None,
    )
    draft.raw = None


def attach_file(draft: Draft, value: Json) -> None:
    """Add a file that came as JSON (the resource type `fileAttachment`). Raises GraphError."""
    try:
        content = base64.b64decode(value["contentBytes"], validate=True)
        name = str(value["name"])
        content_type = str(value.get("contentType") or "application/octet-stream")
        content_id = str(value.get("contentId", "")) if value.get("isInline") else ""
        attach(draft, name, content_type, content, content_id=content_id)
    except (KeyError, TypeError, ValueError) as error:
        raise GraphError("json") from error


def decode_mime(body: bytes) -> bytes:
    """The message of a text/plain request. Raises GraphError."""
    try:
        raw = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise GraphError("base64") from error
    if not raw:
        raise GraphError("mime")
    return raw


def read_json(body: bytes) -> Json:
    """An object. Raises GraphError."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise GraphError("json") from error
    if not isinstance(value, dict):
        raise GraphError("json")
    return value


def compose(value: Json) -> EmailMessage:
    """The message of a JSON object (the resource type `message`). Raises GraphError."""
    message = EmailMessage(policy=SMTP)
    try:
        for name, key in (("To", "toRecipients"), ("Cc", "ccRecipients"), ("Bcc", "bccRecipients")):
            addresses = [_address(entry) for entry in value.get(key, [])]
            if addresses:
                message[name] = ", ".join(addresses)
        for name, key in (("From", "from"), ("Sender", "sender")):
            if key in value:
                message[name] = _address(value[key])
        message["Subject"] = str(value.get("subject", ""))
        for entry in value.get("internetMessageHeaders", []):
            message[str(entry["name"])] = str(entry["value"])
        body = value.get("body", {})
        is_html = str(body.get("contentType", "text")).lower() == "html"
        message.set_content(str(body.get("content", "")), subtype="html" if is_html else "plain")
        for entry in value.get("attachments", []):
            content = base64.b64decode(entry["contentBytes"], validate=True)
            main, _, sub = str(entry.get("contentType", "application/octet-stream")).partition("/")
            message.add_attachment(
                content, maintype=main, subtype=sub, filename=str(entry.get("name", "attachment"))
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GraphError("json") from error
    return message


def _address(entry: Json) -> str:
    return str(entry["emailAddress"]["address"])
