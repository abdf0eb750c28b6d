"""Tries each step on the way into a mailbox of Microsoft 365 alone; nothing is sent.

Token, what stands in it; by SMTP also connection with STARTTLS, login, sender; where large mail
goes as a draft, also that one can be made. Each step says what it found; the first that fails names
the fix, with the cmdlet where there is one.
"""

from pillarbox.delivery.check_step import Step
from pillarbox.delivery.draft_check import check_draft
from pillarbox.delivery.smtp_connect import SessionSettings, open_session
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.errors import LocalProtocolError
from pillarbox.explain.failures import Failure, FailureKind, explain
from pillarbox.explain.remedies import Stage
from pillarbox.explain.replies import ReplyContext, explain_reply
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Envelope
from pillarbox.mail.reply import Reply
from pillarbox.net.oauth import TokenSource
from pillarbox.oauth import powershell
from pillarbox.oauth.claims import judge, judge_person, read_claims
from pillarbox.oauth.clouds import CLOUDS, Cloud
from pillarbox.oauth.sign_in import Access
from pillarbox.route import Microsoft365

_MICROSOFT = "microsoft365"
_VAGUE_ROWS = frozenset({"m365-11", "m365-login"})
"""Of the table of replies: a refusal without a reason, which has many."""


async def check_sender(hop: Microsoft365, settings: SessionSettings) -> list[Step]:
    """The steps as far as they could be made. Raises SpoolUnavailable, SecretError."""
    if settings.tokens is None:
        raise LocalProtocolError("a check needs a source of tokens")
    steps: list[Step] = []
    if hop.way.is_graph:
        steps += await _check_token(hop, hop.graph_access, settings.tokens, graph=True)
    if hop.way.has_drafts and steps[0].is_ok:
        steps.append(await check_draft(hop, settings))
    if hop.way.has_smtp:
        steps += await _check_smtp(hop, settings, settings.tokens)
    return steps


async def _check_token(
    hop: Microsoft365, access: Access, tokens: TokenSource, *, graph: bool
) -> list[Step]:
    """A token for one of the ways, and what stands in it."""
    token = await tokens.get(access)
    if isinstance(token, Failure):
        return [_failed("Token", token, hop.name)]
    issuer = hop.sign_in.issuer
    minutes = round((token.ends_at - token.got_at) / 60)
    what = "for Graph: " if graph else ""
    steps = [Step("Token", True, f"{what}got from {issuer}, ends in {minutes} minutes")]
    return steps + _inspect(hop, token.value, graph=graph)


async def _check_smtp(
    hop: Microsoft365, settings: SessionSettings, tokens: TokenSource
) -> list[Step]:
    name = f"{hop.smtp_host}:{hop.port}"
    steps = await _check_token(hop, hop.smtp_access, tokens, graph=False)
    if not steps[0].is_ok:
        return steps
    opened = await open_session(hop.smart_host, settings)
    if isinstance(opened, Failure):
        return [*steps, *_connection_failed(hop, opened, name)]
    try:
        steps.append(Step("Connection", True, f"{name}, {opened.core.tls}"))
        steps.append(Step("Login", True, f"{hop.mailbox} by XOAUTH2"))
        steps.append(await _offer(hop, opened))
    finally:
        await opened.close()
    return steps


def _inspect(hop: Microsoft365, token: str, *, graph: bool) -> list[Step]:
    claims = read_claims(token)
    root = CLOUDS[hop.cloud].graph_root if graph else ""
    drafts = hop.way.has_drafts
    if claims is None:
        return [Step("Token content", True, "opaque, as the tokens of private persons are")]
    findings = judge(claims, hop.sign_in, hop.cloud, graph_root=root, drafts=drafts)
    if graph and hop.sign_in.flow.is_for_a_person:
        findings += judge_person(claims, hop.mailbox)
    return [
        Step("Token content", not finding.fix, finding.text, (finding.fix,) if finding.fix else ())
        for finding in findings
    ]


def _connection_failed(hop: Microsoft365, failure: Failure, name: str) -> list[Step]:
    if failure.kind is FailureKind.TOKEN_REFUSED:
        fixes = _fixes_of(failure.said, hop) or _login_fixes(hop)
        said = str(failure.said)
        return [
            Step("Connection", True, name),
            Step("Login", False, f"{hop.mailbox} was refused: {said}", fixes),
        ]
    if failure.kind is FailureKind.LOGIN_UNAVAILABLE:
        fixes = (
            "A permission that was given just now takes up to an hour: try again then",
            *_login_fixes(hop),
        )
        said = str(failure.said)
        return [
            Step("Connection", True, name),
            Step("Login", False, f"{hop.mailbox}: {said}", fixes),
        ]
    return [_failed("Connection", failure, name)]


def _fixes_of(said: Reply | None, hop: Microsoft365) -> tuple[str, ...]:
    """What helps against a refusal that says itself what is wrong; nothing for any other."""
    context = ReplyContext(stage=Stage.AUTH, host=hop.smtp_host)
    found = explain_reply(said, context) if said is not None else None
    if found is None or found.provider != _MICROSOFT or found.id in _VAGUE_ROWS:
        return ()
    return (f"{found.cause} {found.fix.replace('MAILBOX', powershell.quote(hop.mailbox))}",)


def _login_fixes(hop: Microsoft365) -> tuple[str, ...]:
    """In the order in which they are usually missing."""
    mailbox, client_id = hop.mailbox, hop.sign_in.client_id
    if hop.cloud is Cloud.HVE:
        return (
            f"The account may not let the application in: {powershell.hve_access(mailbox)}",
            powershell.WARNING,
        )
    on = powershell.smtp_auth(mailbox)
    if hop.sign_in.flow.is_for_a_person:
        return (
            f"SMTP AUTH may be off for the mailbox: {on}",
            "Who signed in needs Full Access to the mailbox, where it is another one",
        )
    return (
        f"Exchange may not know the application: {powershell.service_principal(client_id)}",
        powershell.WARNING,
        "The mailbox may not be open to it (variant A): "
        f"{powershell.known_application(client_id)}; {powershell.full_access(mailbox)}",
        f"SMTP AUTH may be off for the mailbox: {on}",
    )


async def _offer(hop: Microsoft365, connection: SmtpConnection) -> Step:
    """Say MAIL FROM; QUIT ends the transaction (RFC 5321 section 4.1.1.10)."""
    core = connection.core
    core.begin(Envelope(parse_mailbox(hop.mailbox)), (), size=0)
    await connection.step()
    answer: Reply | None = core.sender_reply
    if answer is None:
        return _failed(
            "Sender",
            core.failure or Failure(FailureKind.CONNECTION_LOST, core.phase.value),
            f"{hop.smtp_host}:{hop.port}",
        )
    if answer.code < 300:
        return Step("Sender", True, f"{hop.mailbox} may send; nothing was sent")
    fixes: tuple[str, ...] = ()
    if not hop.sign_in.flow.is_for_a_person:
        known = powershell.known_application(hop.sign_in.client_id)
        fixes = (f"{known}; {powershell.send_as(hop.mailbox)}",)
    return Step("Sender", False, f"{hop.mailbox} was refused: {answer}", fixes)


def _failed(name: str, failure: Failure, hop: str) -> Step:
    what, fix = explain(failure, hop=hop).reply.lines
    return Step(name, False, what, (fix,))
