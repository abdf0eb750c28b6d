"""Whether a draft can be made in a mailbox: one is made and deleted at once; nothing is sent."""

import base64

from pillarbox.delivery.check_step import Step
from pillarbox.delivery.graph_answer import said_by
from pillarbox.delivery.graph_draft import IMMUTABLE, draft_path, read_id
from pillarbox.delivery.graph_requests import GraphRequests
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.explain.failures import Failure, explain
from pillarbox.net.https import Answer
from pillarbox.oauth import powershell
from pillarbox.route import Microsoft365

_DRAFT = b"Subject: pillarbox m365 check\r\n\r\nThis draft may be deleted.\r\n"
_DELETED = 204


async def check_draft(hop: Microsoft365, settings: SessionSettings) -> Step:
    """Make one and delete it. Raises SpoolUnavailable."""
    requests = GraphRequests(hop, settings)
    try:
        content = base64.b64encode(_DRAFT)
        made = await requests.ask(
            "POST", "messages", content=content, content_type="text/plain", headers=IMMUTABLE
        )
        draft_id = read_id(made)
        if not draft_id:
            return Step("Draft", False, f"could not be made: {_said(made, hop)}", _fixes(hop))
        gone = await requests.ask("DELETE", draft_path(draft_id), headers=IMMUTABLE)
        if isinstance(gone, Answer) and gone.status == _DELETED:
            return Step("Draft", True, "can be made, for large mail; it was deleted again")
        said = _said(gone, hop)
        return Step("Draft", False, f"was made and could not be deleted: {said}", _fixes(hop))
    finally:
        await requests.close()


def _said(answer: Answer | Failure, hop: Microsoft365) -> str:
    if isinstance(answer, Failure):
        return explain(answer, hop=hop.name).reply.lines[0]
    return str(said_by(answer))


def _fixes(hop: Microsoft365) -> tuple[str, ...]:
    if hop.sign_in.flow.is_for_a_person:
        return ("Add the delegated permission Mail.ReadWrite of Graph, consent, sign in again",)
    return (
        "Give the application the permission Mail.ReadWrite of Microsoft Graph, with admin consent",
        f"or, by RBAC for Applications: {powershell.draft_role(hop.sign_in.client_id)}",
        "Or let large mail go by SMTP: --way graph-or-smtp",
    )
