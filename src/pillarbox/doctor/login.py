"""The one try to log in, and what the login may send: MAIL and RCPT, then RSET. Nothing is sent
without being asked for."""

import secrets
import time
from dataclasses import dataclass, field
from email.utils import formatdate

from pillarbox.diagnosis.facts import Answer, LoginTry, SenderTry
from pillarbox.diagnosis.message_form import RUN_FIELD
from pillarbox.doctor.talk import Means, Place, Talk, opened
from pillarbox.errors import RemoteProtocolError
from pillarbox.smtp.client_login import Login, Token, choose_login, secrets_of
from pillarbox.smtp.client_replies import RawReply
from pillarbox.smtp.client_scram import Scrambling

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2")
"""What the doctor can log in with."""

FOREIGN_SENDER = "postmaster@example.org"
_OF_TOKENS = frozenset({"OAUTHBEARER", "XOAUTH2"})


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, and as whom he wants to send. `send` is whether a message goes out."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    mechanism: str = ""
    sender: str = ""
    recipient: str = ""
    send: bool = False

    @property
    def logs_in(self) -> bool:
        """Whether there is something to log in with."""
        return bool(self.username and (self.password or self.token))


@dataclass(frozen=True, slots=True)
class Admission:
    """What came of the session."""

    login: LoginTry | None = None
    sender: SenderTry | None = None


async def admission(place: Place, means: Means, account: Account) -> Admission:
    """Log in once and offer the sender, as far as it goes. Raises nothing."""
    login: LoginTry | None = None
    try:
        async with opened(place, means) as talk:
            if account.logs_in:
                login = await _log_in(talk, place, account)
            sender = None
            if account.sender and (login is None or _went_well(login)):
                sender = await _offer(talk, place.port, account)
            await talk.quit()
            return Admission(login, sender)
    except (OSError, RemoteProtocolError) as exc:
        what = str(exc) or "it took too long"
        offered = login.offered if login else ()
        if account.logs_in and not (login and _went_well(login)):
            return Admission(LoginTry(place.port, offered, "any", broke=what))
        return Admission(login)


def _went_well(login: LoginTry) -> bool:
    return login.answer is not None and login.answer.reply.code < 300 and not login.broke


def _choose(offered: tuple[str, ...], account: Account) -> str:
    """The first of ours that fits, "" where none does."""
    for name in (account.mechanism,) if account.mechanism else MECHANISMS:
        if name in offered and (name in _OF_TOKENS) == bool(account.token):
            return name
    return ""


async def _log_in(talk: Talk, place: Place, account: Account) -> LoginTry:
    offered = talk.capabilities.mechanisms
    by_token = bool(account.token)
    mechanism = _choose(offered, account)
    if not mechanism:
        return LoginTry(place.port, offered, is_by_token=by_token)
    login = Login(
        account.username,
        account.password,
        Token(account.token, place.host, place.port) if by_token else None,
        mechanisms=(mechanism,),
        scrambling=Scrambling(secrets.token_urlsafe(18)),
    )
    talk.secrets = secrets_of(login)
    try:
        raw = await _converse(talk, mechanism, login)
    except RemoteProtocolError as exc:
        return LoginTry(place.port, offered, mechanism, broke=str(exc), is_by_token=by_token)
    answer = Answer(talk.kept(raw), talk.evidence)
    return LoginTry(place.port, offered, mechanism, answer, is_by_token=by_token)


async def _converse(talk: Talk, mechanism: str, login: Login) -> RawReply:
    """The exchange. What a server says with the first refusal of a token is the telling part; it
    stays in the evidence."""
    dialogue = choose_login([mechanism], login)
    if dialogue is None:
        raise RemoteProtocolError(f"{mechanism} can not be done")
    raw = await talk.ask(dialogue.command.rstrip(b"\r\n"))
    while 300 <= raw.code < 400:
        raw = await talk.ask(dialogue.answer(b"".join(raw.lines).strip()))
    if raw.code < 300:
        dialogue.finish()
    return raw


async def _offer(talk: Talk, port: int, account: Account) -> SenderTry:
    """The sender, a recipient, a sender elsewhere, a size above the limit; each is taken back."""
    sender, recipient = account.sender, account.recipient or account.sender
    taken = await talk.answer(_mail(sender))
    if taken.reply.code >= 400:
        return SenderTry(port, sender, taken)
    recipient_answer = await talk.answer(f"RCPT TO:<{recipient}>".encode())
    message, mark = None, secrets.token_hex(8)
    if account.send and recipient_answer.reply.code < 300:
        message = await _message(talk, account, recipient, mark)
    await talk.ask(b"RSET")
    foreign = await talk.answer(_mail(FOREIGN_SENDER))
    await talk.ask(b"RSET")
    limit, oversize = talk.capabilities.size_limit or 0, None
    if limit:
        oversize = await talk.answer(_mail(sender) + f" SIZE={limit + 1_000_000}".encode())
        await talk.ask(b"RSET")
    return SenderTry(
        port=port,
        sender=sender,
        answer=taken,
        recipient=recipient,
        recipient_answer=recipient_answer,
        foreign_sender=FOREIGN_SENDER,
        foreign=foreign,
        size_limit=limit,
        oversize=oversize,
        message=message,
        mark=mark if message else "",
    )


def _mail(sender: str) -> bytes:
    return f"MAIL FROM:<{sender}>".encode()


async def _message(talk: Talk, account: Account, recipient: str, mark: str) -> Answer:
    """A message that says what it is, and carries the id of the run. Only with --send."""
    go_ahead = await talk.answer(b"DATA")
    if go_ahead.reply.code >= 400:
        return go_ahead
    domain = account.sender.rpartition("@")[2]
    lines = (
        f"From: <{account.sender}>",
        f"To: <{recipient}>",
        f"Subject: pillarbox doctor {mark}",
        f"Date: {formatdate(time.time(), localtime=True)}",
        f"Message-ID: <{mark}@{domain}>",
        "Auto-Submitted: auto-generated",
        f"{RUN_FIELD}: {mark}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        "A test of the way of mail, sent by pillarbox doctor --send.",
        ".",
    )
    return await talk.answer("\r\n".join(lines).encode())
