"""Whom a message that came back is about, and what his sender is told of it. Decides only."""

from dataclasses import dataclass
from string import ascii_letters, digits

from pillarbox.explain.remedies import Bounce
from pillarbox.explain.replies import ReplyContext, bounce_of
from pillarbox.mail.dsn_words import Action, ReportedRecipient
from pillarbox.mail.envelope import Notify, RecipientState
from pillarbox.mail.reply import Reply
from pillarbox.mail.returned import Returned, ReturnedRecipient, ReturnKind
from pillarbox.mail.spooled import SpooledRecipient
from pillarbox.outcome.settle import explained, wants_report
from pillarbox.retry import give_up_at
from pillarbox.store.records import Tenant
from pillarbox.store.returns import NOBODY, Sent

_WORST_FIRST = (
    *(ReturnKind.FAILED, ReturnKind.DELAYED, ReturnKind.DELIVERED),
    *(ReturnKind.COMPLAINT, ReturnKind.OTHER),
)
_OVER = frozenset({RecipientState.FAILED, RecipientState.EXPIRED})
"""His sender was told already."""

_NOTHING_SAID = Reply(550, "5.0.0", ("The report says nothing more",))


@dataclass(frozen=True, slots=True)
class Entry:
    """What came back about one recipient; None: nobody knows about whom."""

    kind: ReturnKind
    recipient: SpooledRecipient | None
    said: ReturnedRecipient

    @property
    def number(self) -> int:
        """That of the recipient."""
        return NOBODY if self.recipient is None else self.recipient.recipient.number

    @property
    def reply(self) -> Reply:
        """What the server said that did not want it."""
        return self.said.reply or _NOTHING_SAID

    @property
    def bounce(self) -> Bounce | None:
        """What the failure is counted as; None for all else."""
        if self.kind is not ReturnKind.FAILED:
            return None
        return bounce_of(self.reply, ReplyContext(host=self.said.remote_host))


def entries_of(found: Returned, sent: Sent) -> list[Entry]:
    """Whom it is about. An address of one recipient says that itself, whoever the report names:
    mail that was forwarded fails for somebody else. Else the report has to name one of them; one
    that names nobody counts as what nobody can read."""
    candidates = sent.candidates
    if len(candidates) == 1:
        worst = min(found.recipients, key=lambda one: _WORST_FIRST.index(one.kind), default=None)
        return [Entry(found.kind, candidates[0], worst or ReturnedRecipient(found.kind))]
    by_key = {one.recipient.forward_path.key: one for one in candidates}
    entries: dict[int, Entry] = {}
    for said in sorted(found.recipients, key=lambda one: _WORST_FIRST.index(one.kind)):
        for key in said.keys & by_key.keys():
            entry = Entry(said.kind, by_key[key], said)
            entries.setdefault(entry.number, entry)
    if entries:
        return list(entries.values())
    return [_unnamed(found, by_key)]


def _unnamed(found: Returned, by_key: dict[str, SpooledRecipient]) -> Entry:
    """Named in the text, or as who wrote it; or nobody."""
    text = found.text.lower()
    if found.recipients and not any(one.keys for one in found.recipients):
        named = [key for key in by_key if _stands_in(text, key)]
        if len(named) == 1:
            return Entry(found.kind, by_key[named[0]], found.recipients[0])
    if found.kind is ReturnKind.COMPLAINT:
        return Entry(found.kind, None, ReturnedRecipient(found.kind))
    kind = found.kind if found.kind is ReturnKind.AUTO_REPLY else ReturnKind.OTHER
    return Entry(kind, by_key.get(found.author), ReturnedRecipient(kind))


_BEFORE = frozenset(".-_+=%/@" + ascii_letters + digits)
_BEHIND = frozenset("-_@" + ascii_letters + digits)


def _stands_in(text: str, address: str) -> bool:
    """Whether an address stands there, and not as a part of another one."""
    at = text.find(address)
    while at >= 0:
        end = at + len(address)
        before, behind = text[at - 1 : at], text[end : end + 2]
        goes_on = behind[:1] in _BEHIND or (behind[:1] == "." and behind[1:] in _BEHIND)
        if before not in _BEFORE and not goes_on:
            return True
        at = text.find(address, at + 1)
    return False


_OCCASIONS = {
    ReturnKind.FAILED: (Action.FAILED, Notify.FAILURE),
    ReturnKind.DELAYED: (Action.DELAYED, Notify.DELAY),
    ReturnKind.DELIVERED: (Action.DELIVERED, Notify.SUCCESS),
}


def reported(entry: Entry, sent: Sent, tenant: Tenant) -> ReportedRecipient | None:
    """What the sender is told of him, as he asked for it (RFC 3461 section 4.1); None: nothing."""
    spooled = entry.recipient
    if spooled is None or entry.kind not in _OCCASIONS:
        return None
    action, occasion = _OCCASIONS[entry.kind]
    is_over = spooled.state in _OVER or (entry.number, ReturnKind.FAILED.value) in sent.known
    if is_over or not wants_report(spooled.recipient.notify, occasion):
        return None
    if entry.said.is_relayed:
        action = Action.RELAYED
    cause, fix = explained(entry.reply)
    is_delay = action is Action.DELAYED
    return ReportedRecipient(
        recipient=spooled.recipient,
        action=action,
        reply=entry.reply,
        remote_host=entry.said.remote_host,
        retry_until=give_up_at(tenant.retry, sent.message.received_at) if is_delay else None,
        is_expired=action is Action.FAILED and entry.reply.code < 500,
        cause=cause,
        fix=fix,
        was_taken=True,
    )
