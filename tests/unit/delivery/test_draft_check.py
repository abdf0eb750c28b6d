"""`m365 check` of a route that makes drafts."""

from tests.support.graphing import drafting

from pillarbox.delivery.sender_check import check_sender
from pillarbox.emulate.faults import Stage


async def test_check_makes_a_draft_and_deletes_it() -> None:
    """Nothing is sent, and nothing is left."""
    async with drafting() as far:
        steps = await check_sender(far.hop, far.settings)

        assert [step.name for step in steps] == ["Token", "Token content", "Token content", "Draft"]
        assert all(step.is_ok for step in steps)
        assert (far.emulator.drafts, far.taken, far.requests) == (0, [], 2)


async def test_check_names_the_permission_that_drafts_need() -> None:
    """With the cmdlet."""
    body = '{"error": {"code": "ErrorAccessDenied", "message": "Access is denied."}}'
    async with drafting() as far:
        far.order(Stage.REQUEST, status=403, body=body, path="/v1.0/users/")
        step = (await check_sender(far.hop, far.settings))[-1]

        assert (step.name, step.is_ok) == ("Draft", False)
        assert "403 ErrorAccessDenied" in step.text
        assert "Mail.ReadWrite" in step.fixes[0]
        assert "-Role 'Application Mail.ReadWrite'" in step.fixes[1]
