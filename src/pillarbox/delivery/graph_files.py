"""Adds files to a draft: in one request, or where they are large by an upload session.

Microsoft: under 3 MB by POST, from there to 150 MB by createUploadSession and PUT of ranges in
their order, each less than 4 MB, to an address that takes no token.
"""

import json
from base64 import b64encode

from pillarbox.delivery.graph_content import LargeContent
from pillarbox.delivery.graph_requests import GraphRequests
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.parts import Part
from pillarbox.net.https import Answer

SINGLE_OCTETS = 3_000_000
"""Smaller files go in one request, which base64 makes 4 MB."""

RANGE_OCTETS = 10 * 320 * 1024
"""Of one PUT; upload sessions want multiples of 320 KiB wherever Microsoft says something of it."""

TRIES = 3
"""So many sessions are opened for a file: they end, and what was sent so far goes with them."""

_JSON = "application/json"
_OK, _CREATED = 200, 201
_GONE = frozenset({404, 410})


class FileSender:
    """Adds files to the draft at `path`. What it gives is why one could not be added; None: it is
    there. Methods raise SpoolUnavailable."""

    def __init__(self, requests: GraphRequests, path: str, content: LargeContent) -> None:
        self._requests = requests
        self._path = f"{path}/attachments"
        self._content = content

    async def send(self, part: Part) -> Answer | Failure | None:
        """Add one file."""
        if (part.size_octets or 0) < SINGLE_OCTETS:
            return await self._post(part)
        failed: Answer | Failure | None = None
        for _ in range(TRIES):
            url = await self._open(part)
            if not isinstance(url, str):
                return url
            failed = await self._put_all(url, part)
            if not isinstance(failed, Answer) or failed.status not in _GONE:
                break
        return failed

    async def _post(self, part: Part) -> Answer | Failure | None:
        octets = b"".join([piece async for piece in self._content.file(part, SINGLE_OCTETS)])
        value = {
            "@odata.type": "#microsoft.graph.fileAttachment",
            **_described(part),
            "contentBytes": b64encode(octets).decode("ascii"),
        }
        answer = await self._ask(self._path, value)
        return None if isinstance(answer, Answer) and answer.status == _CREATED else answer

    async def _open(self, part: Part) -> str | Answer | Failure:
        """The address of a new session."""
        item = {"attachmentType": "file", "size": part.size_octets, **_described(part)}
        path = f"{self._path}/createUploadSession"
        answer = await self._ask(path, {"AttachmentItem": item})
        if isinstance(answer, Failure) or answer.status != _CREATED:
            return answer
        try:
            value = json.loads(answer.text)
            url = value["uploadUrl"]
        except (ValueError, RecursionError, KeyError, TypeError):
            url = ""
        is_safe = isinstance(url, str) and url.startswith("https://")
        return url if is_safe else Failure(FailureKind.CONFIRMATION_LOST, "no address to upload to")

    async def _ask(self, path: str, value: object) -> Answer | Failure:
        content = json.dumps(value).encode()
        return await self._requests.ask("POST", path, content=content, content_type=_JSON)

    async def _put_all(self, url: str, part: Part) -> Answer | Failure | None:
        """All ranges in their order; the file is there with the last one."""
        size, begin = part.size_octets or 0, 0
        async for piece in self._content.file(part, RANGE_OCTETS):
            end = begin + len(piece)
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {begin}-{end - 1}/{size}",
            }
            answer = await self._requests.put(url, content=piece, headers=headers)
            wanted = _CREATED if end == size else _OK
            if isinstance(answer, Failure) or answer.status != wanted:
                return answer
            begin = end
        return None


def _described(part: Part) -> dict[str, object]:
    """Name and type; of a picture in the text also how the text names it."""
    described: dict[str, object] = {
        "name": part.name or "attachment",
        "contentType": part.media_type,
    }
    container = part.container
    is_related = container is not None and container.media_type == "multipart/related"
    if part.content_id and (is_related or part.disposition == "inline"):
        described |= {"isInline": True, "contentId": part.content_id}
    return described
