"""What a reply of a next hop means, and what to do about it: looked up in replies.toml. Pure.

`explain_reply` is for a reply at hand and takes it at its word; `explain_text` is for what people
paste: a line of a log, a non-delivery report, an error of a token endpoint.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.explain.failures import explain as explain_kind
from pillarbox.explain.remedies import Bounce, Grade, Remedy, Scope, Stage, Way
from pillarbox.explain.reply_table import TABLE, Question, Row
from pillarbox.mail.reply import Reply, split_enhanced

MAX_TEXT_CHARACTERS = 200_000
"""What is pasted is cut here; a report with its attachments may be long."""

_ENHANCED = re.compile(r"(?<![\w.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_CODE = re.compile(
    # At the begin of a line, behind quotes, a colon or a semicolon, before an enhanced code, or as
    # Python shows it: other numbers of three digits are only numbers.
    r"(?:(?:^|[\"':;#>])\s{0,4}"
    r"|(?<![\w.])(?=[45]\d\d[ -]#?[45]\.\d{1,3}\.\d)"
    r"|\((?=\d+, b?[\"']))"
    r"([45]\d\d)(?=[ ,-]|$)",
    re.MULTILINE,
)
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]{5,59}")
_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
_OF_SOMETHING_ELSE = re.compile(
    r"\b(?:sender|from address|mail from|callback|callout|spam|virus|content|block(?:ed|ing|list)?"
    r"|black ?list(?:ed)?|dnsbl|rbl|denylist|listed|reputation|policy|denied|spf|dkim|dmarc"
    r"|your ip|your (?:host|server)|rate|quota|full|too many|too much|temporar\w*|later)\b"
)
"""Words of replies that are, or may be, about who sends, what, or how much."""

_STAGES = {
    FailureKind.GREETING_REFUSED: Stage.GREETING,
    FailureKind.HELLO_REFUSED: Stage.EHLO,
    FailureKind.TLS_REFUSED: Stage.TLS,
    FailureKind.LOGIN_REFUSED: Stage.AUTH,
    FailureKind.LOGIN_UNAVAILABLE: Stage.AUTH,
    FailureKind.LOGIN_NEEDED: Stage.MAIL,
}

_HOST_TAKES_NO_MAIL = 521
_PASSING_CODES = frozenset({"4.3.2", "4.4.1", "4.4.2", "4.4.3", "4.5.0"})
_NOTHING_TO_DO = "Nothing to change here"

_OF_THE_MESSAGE = frozenset(
    {
        *(FailureKind.EIGHT_BIT_NOT_TAKEN, FailureKind.BINARY_NOT_TAKEN),
        *(FailureKind.UTF8_NOT_TAKEN, FailureKind.TOO_LARGE),
        *(FailureKind.HEADER_NOT_TAKEN, FailureKind.SIZE_NOT_TAKEN, FailureKind.PARTS_NOT_TAKEN),
        FailureKind.REQUEST_NOT_TAKEN,
    }
)


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """Where a reply came from. `host` is the name of the next hop."""

    way: Way = Way.SMTP
    stage: Stage | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is behind a reply and what helps. `id` names its row for ever ("m365-12"); `provider`
    is "" for what holds for every server; `sources` say where it is known from."""

    id: str
    provider: str
    remedy: Remedy
    scope: Scope
    bounce: Bounce
    cause: str
    fix: str
    grade: Grade
    sources: tuple[str, ...] = ()

    @property
    def suspends(self) -> bool:
        """Whether other mail of the hop would meet the same until something is changed, or until
        a limit of the hop has moved on."""
        return self.scope is Scope.HOP and self.remedy is not Remedy.RETRY

    @property
    def passes(self) -> bool:
        """Whether the same mail is taken later, whatever the code of the reply says."""
        return self.remedy in {Remedy.RETRY, Remedy.WAIT}


NOWHERE = ReplyContext()


def explain_reply(reply: Reply, context: ReplyContext = NOWHERE) -> Explanation | None:
    """The explanation of a reply of a next hop; None for one that nobody knows."""
    if reply.code < 400:
        return None
    text = " ".join(str(reply).lower().split())
    enhanced = reply.enhanced
    if not enhanced and reply.lines:
        # Some servers say 451 5.7.3: a code that is left in the text as its class does not agree.
        enhanced, _ = split_enhanced(reply.lines[0])
    has_tokens = context.way is not Way.SMTP
    found = _explanation(
        TABLE.find(
            Question(
                text=text,
                codes=frozenset({reply.code}),
                enhanced=frozenset({enhanced} if enhanced else ()),
                tokens=_tokens(text) if has_tokens else frozenset(),
                provider=TABLE.provider_of(context.host, text),
                way=context.way,
                stage=context.stage,
            )
        )
    )
    return _doubted(found, {reply.code}, text)


def bounce_of(reply: Reply, context: ReplyContext = NOWHERE) -> Bounce:
    """What a failure with this reply is counted as. Where the stage is not known its words count as
    those that people paste."""
    found = explain_reply(reply, context) or explain_text(str(reply))
    if found is None:
        return Bounce.SOFT if reply.code < 500 else Bounce.OTHER
    return found.bounce


def _doubted(
    found: "Explanation | None", codes: Collection[int], words: str
) -> "Explanation | None":
    """The explanation, as policy where it says that nobody has the address and these words may mean
    something else: who has a wrong doubt sends once more, and who has none where one is due
    suppresses somebody who is there."""
    if found is None or found.bounce is not Bounce.HARD:
        return found
    # RFC 7504: the host takes no mail, which many say to those whom they block.
    is_doubtful = _HOST_TAKES_NO_MAIL in codes or _OF_SOMETHING_ELSE.search(_ADDRESS.sub("", words))
    return replace(found, bounce=Bounce.POLICY) if is_doubtful else found


def explain_text(text: str) -> Explanation | None:
    """The explanation of the best known reply somewhere in a text; None if there is none."""
    lines = text[:MAX_TEXT_CHARACTERS].lower()
    joined = " ".join(lines.split())
    codes = frozenset(int(code) for code in _CODE.findall(lines))
    found = _explanation(
        TABLE.find(
            Question(
                text=joined,
                codes=codes,
                enhanced=frozenset(_ENHANCED.findall(joined)),
                tokens=_tokens(joined),
                provider=TABLE.provider_of("", joined),
                is_free_text=True,
            )
        )
    )
    return _doubted(found, codes, _replies_in(lines) or joined)


def _replies_in(lines: str) -> str:
    """Of a report or a log what replies say: lines with a code, and those that continue them."""
    kept: list[str] = []
    is_reply = False
    for line in lines.splitlines():
        is_reply = bool(_CODE.search(line) or _ENHANCED.search(line)) or (
            is_reply and line[:1].isspace()
        )
        if is_reply:
            kept.append(line.strip())
    return " ".join(kept)


def explain_failure(failure: Failure, *, host: str, port: int) -> Explanation:
    """The explanation of a hop that can not be used: what the hop said counts first, then what is
    known of this failure at this provider, then the failure as such."""
    kind = failure.kind
    if failure.said is not None:
        stage = _STAGES.get(kind)
        found = explain_reply(failure.said, ReplyContext(stage=stage, host=host))
        if found is not None and (found.scope is Scope.HOP or kind not in _STAGES):
            return found
    else:
        row = TABLE.find(
            Question(
                text=host.lower(),
                # Where a token was refused, the code of the sign-in server stands in the detail.
                tokens=_tokens(failure.detail.lower()),
                failure=kind.name,
                port=port,
                provider=TABLE.provider_of(host, ""),
                way=Way.SMTP,
            )
        )
        if row is not None:
            return _known(row)
    return _plain(failure, f"{host}:{port}")


def explanation_of(row_id: str) -> Explanation | None:
    """The explanation with this id."""
    return _explanation(TABLE.rows.get(row_id))


def _may_pass(kind: FailureKind) -> bool:
    """Whether it may pass by itself: the network, the protocol, or a hop that does not want now.
    Behind all else somebody has to change something."""
    text = kind.value
    return (
        text.enhanced in _PASSING_CODES
        or text.fix.startswith(_NOTHING_TO_DO)
        or kind is FailureKind.HANDSHAKE_FAILED
    )


def _plain(failure: Failure, hop: str) -> Explanation:
    kind = failure.kind
    told = explain_kind(failure, hop=hop)
    is_message = kind in _OF_THE_MESSAGE
    remedy = Remedy.RETRY if _may_pass(kind) else Remedy.CONFIGURATION
    return Explanation(
        id=f"hop-{kind.name.lower().replace('_', '-')}",
        provider="",
        remedy=Remedy.FINAL if is_message else remedy,
        scope=Scope.MESSAGE if is_message else Scope.HOP,
        bounce=_PLAIN_BOUNCES[Remedy.FINAL if is_message else remedy],
        cause=told.cause,
        fix=told.fix,
        grade=Grade.FIELD,
    )


_PLAIN_BOUNCES = {
    Remedy.RETRY: Bounce.SOFT,
    Remedy.CONFIGURATION: Bounce.SETUP,
    Remedy.FINAL: Bounce.CONTENT,
}


def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(text))


def _explanation(row: Row | None) -> Explanation | None:
    return None if row is None else _known(row)


def _known(row: Row) -> Explanation:
    return Explanation(
        id=row.id,
        provider=row.provider,
        remedy=row.remedy,
        scope=row.scope,
        bounce=row.bounce,
        cause=row.cause,
        fix=row.fix,
        grade=row.grade,
        sources=row.sources,
    )
