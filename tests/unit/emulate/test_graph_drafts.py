"""The emulator's drafts: made, filled, looked for, sent and deleted."""

from email import message_from_bytes

import httpx
import pytest
from tests.support.emulated import RECIPIENT, client_context
from tests.unit.emulate.test_graph import MIME, graph, graphing, send

from pillarbox.emulate.config import SAMPLE_MAILBOX
from pillarbox.emulate.emulator import Emulator

DRAFTS = f"/v1.0/users/{SAMPLE_MAILBOX}/messages"


async def test_a_large_attachment_comes_in_ranges() -> None:
    """Draft, upload session, PUT in order without a token, then send."""
    size = 3 * 1024 * 1024 + 100
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    draft = {
        "subject": "Report",
        "body": {"contentType": "Text", "content": "attached"},
        "toRecipients": [{"emailAddress": {"address": RECIPIENT}}],
    }
    item = {"attachmentType": "file", "name": "report.bin", "size": size}

    async with graphing() as (emulator, http):
        draft_id = (await http.post(DRAFTS, json=draft)).json()["id"]
        path = f"{DRAFTS}/{draft_id}"
        session = (
            await http.post(
                f"{path}/attachments/createUploadSession", json={"AttachmentItem": item}
            )
        ).json()
        async with httpx.AsyncClient(verify=client_context(emulator)) as uploader:
            statuses = []
            for first, last in ((5, 9), (0, 2_000_000), (2_000_001, size - 1)):
                answer = await uploader.put(
                    session["uploadUrl"],
                    content=content[first : last + 1],
                    headers={"Content-Range": f"bytes {first}-{last}/{size}"},
                )
                statuses.append(answer.status_code)
                if answer.status_code == 200:
                    assert answer.json()["nextExpectedRanges"] == ["2000001"]
        sent = await http.post(f"{path}/send")
        again = await http.post(f"{path}/send")

    (message,) = emulator.world.messages.all()
    (part,) = [p for p in message_from_bytes(message.seen).walk() if p.get_filename()]
    assert session["nextExpectedRanges"] == ["0-"]
    assert statuses == [416, 200, 201]
    assert (sent.status_code, again.status_code) == (202, 404)
    assert part.get_payload(decode=True) == content
    assert message.arrival.recipients == (RECIPIENT,)


async def test_a_draft_of_mime_is_sent_as_it_came() -> None:
    """And a small attachment has no upload session."""
    item = {"attachmentType": "file", "name": "small", "size": 100}

    async with graphing() as (emulator, http):
        created = await send(http, path=DRAFTS)
        path = f"{DRAFTS}/{created.json()['id']}"
        refused = await http.post(
            f"{path}/attachments/createUploadSession", json={"AttachmentItem": item}
        )
        sent = await http.post(f"{path}/send")

    (message,) = emulator.world.messages.all()
    assert (created.status_code, refused.status_code, sent.status_code) == (201, 400, 202)
    assert message.arrival.raw == MIME


@pytest.mark.parametrize(("ids", "status"), [("kept", 200), ("changed", 404)])
async def test_what_became_of_a_draft_can_be_asked(ids: str, status: int) -> None:
    """By its id, where that is kept, and by its Message-ID."""
    mime = b"Message-ID: <it's@here.example>\r\n" + MIME
    query = {"$filter": "internetMessageId eq '<it''s@here.example>'"}
    async with graphing({"draft_ids": ids}) as (emulator, http):
        path = f"{DRAFTS}/{(await send(http, mime, DRAFTS)).json()['id']}"
        before, found_before = await http.get(path), await http.get(DRAFTS, params=query)
        await http.post(f"{path}/send")
        after, found_after = await http.get(path), await http.get(DRAFTS, params=query)

    assert (before.json()["isDraft"], after.status_code) == (True, status)
    assert [item["isDraft"] for item in found_before.json()["value"]] == [True]
    assert [item["isDraft"] for item in found_after.json()["value"]] == [False]
    assert emulator.drafts == 0


async def test_a_draft_can_be_deleted() -> None:
    """And is there no more."""
    async with graphing() as (emulator, http):
        path = f"{DRAFTS}/{(await send(http, path=DRAFTS)).json()['id']}"
        assert emulator.drafts == 1
        statuses = [(await http.delete(path)).status_code, (await http.get(path)).status_code]

    assert (statuses, emulator.drafts) == ([204, 404], 0)


async def test_an_upload_session_ends() -> None:
    """After an hour: what was sent of the file is gone with it."""
    now = [1_800_000_000.0]
    item = {"attachmentType": "file", "name": "report.bin", "size": 4_000_000}

    async with Emulator(clock=lambda: now[0]) as emulator, graph(emulator) as http:
        path = f"{DRAFTS}/{(await send(http, path=DRAFTS)).json()['id']}/attachments"
        made = await http.post(f"{path}/createUploadSession", json={"AttachmentItem": item})
        statuses = []
        async with httpx.AsyncClient(verify=client_context(emulator)) as uploader:
            for first in (0, 1000):
                headers = {"Content-Range": f"bytes {first}-{first + 999}/4000000"}
                url = made.json()["uploadUrl"]
                answer = await uploader.put(url, content=bytes(1000), headers=headers)
                statuses.append(answer.status_code)
                now[0] += 3600

    assert statuses == [200, 404]
