"""Text that people and programs give: addresses, parameters, configuration, and our own words."""

import tempfile
import tomllib
import unicodedata
from contextlib import suppress
from pathlib import Path
from string import Formatter

from tests.fuzz.draw import Draw
from tests.fuzz.reception import split_replies

from pillarbox.config.load import load
from pillarbox.errors import AddressError, ConfigError
from pillarbox.explain.failures import Failure, FailureKind, explain
from pillarbox.explain.refusals import Fact, Refusal
from pillarbox.explain.replies import explain_failure, explain_reply, explain_text
from pillarbox.mail.address import MAX_LOCAL_PART_OCTETS, parse_mailbox
from pillarbox.mail.envelope import Envelope
from pillarbox.smtp.client_fit import Capabilities, mail_command, rcpt_command
from pillarbox.smtp.client_replies import RawReply, to_reply
from pillarbox.smtp.grammar import CommandError, parse_bdat, parse_mail, parse_rcpt

HOST = "mx.test"
_HIDDEN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of controls, surrogates and line ends."""
ALL = Capabilities(eight_bit=True, binary=True, smtputf8=True, dsn=True, size=True)
_KINDS = tuple(FailureKind)
_REFUSALS = tuple(Refusal)


def address(octets: bytes) -> None:
    """A mailbox is read as the same mailbox again, and its key is the key of its key."""
    text = Draw(octets).rest().decode("utf-8", "surrogateescape")
    try:
        mailbox = parse_mailbox(text)
    except AddressError:
        return
    assert mailbox.address == text
    assert not _HIDDEN & {unicodedata.category(character) for character in text}
    assert len(mailbox.local_part.encode()) <= MAX_LOCAL_PART_OCTETS
    assert mailbox.domain_key.isascii()
    assert mailbox.domain_key == mailbox.domain_key.lower()
    upper = f"{mailbox.local_part}@{mailbox.domain_key.upper()}"
    assert parse_mailbox(upper).key == mailbox.key
    with suppress(AddressError):
        # A folded local part can be longer than a local part may be.
        again = parse_mailbox(mailbox.key)
        assert again.key == mailbox.key
        assert again.domain_key == mailbox.domain_key


def parameters(octets: bytes) -> None:
    """MAIL, RCPT and BDAT: what was read, written as a command and read again, is the same."""
    draw = Draw(octets)
    mail, rcpt = draw.text(), draw.rest().decode("utf-8", "replace")
    envelope, size = Envelope(None), None
    try:
        envelope, size = parse_mail(mail)
    except CommandError as error:
        split_replies(error.refusal.reply("ID", **error.facts).encode())
    assert size is None or 0 <= size < 10**20
    command = mail_command(ALL, envelope, size_octets=size or 0)
    assert parse_mail(command[5:-2]) == (envelope, size or 0)
    with suppress(CommandError):
        recipient = parse_rcpt(rcpt, envelope, number=0, host_name=HOST)
        command = rcpt_command(ALL, recipient, smtputf8=envelope.smtputf8)
        assert command.endswith("\r\n")
        again = parse_rcpt(command[5:-2], envelope, number=0, host_name=HOST)
        assert again == recipient
    with suppress(CommandError):
        size, _ = parse_bdat(rcpt)
        assert 0 <= size < 10**20


def explanations(octets: bytes) -> None:
    """Whatever a next hop said: our replies stay replies, and no place in a text stays open."""
    draw = Draw(octets)
    kind = _KINDS[draw.number(len(_KINDS))]
    refusal = _REFUSALS[draw.number(len(_REFUSALS))]
    code = 200 + draw.number(200) + draw.number(200)
    hop, detail, session_id = draw.text(), draw.text(), draw.text()
    said = to_reply(RawReply(code, draw.rest().split(b"\n")))
    given = hop + detail + str(said)
    explanation = explain(Failure(kind, detail, said), hop=hop)
    assert len(split_replies(explanation.reply.encode())) == 1
    for text in (str(explanation.reply), explanation.cause, explanation.fix):
        assert "{" in given or "{" not in text
    for known in (explain_reply(said), explain_text(given)):
        assert known is None or known.sources
    assert explain_failure(Failure(kind, detail, said), host=hop, port=25).cause
    facts: dict[str, Fact] = {
        place: "1" for _, place, _, _ in Formatter().parse(refusal.value.text) if place
    }
    answer = refusal.reply(session_id, **facts)
    assert len(split_replies(answer.encode())) == 1
    assert "{" in session_id or "{" not in str(answer)
    assert len(split_replies(said.encode())) == 1 if said.enhanced else True


def configuration(octets: bytes) -> None:
    """Any file and any environment give settings, or all that is wrong; never a secret."""
    draw = Draw(octets)
    environment = {
        f"PILLARBOX_{draw.text()}".replace("\0", ""): draw.text() for _ in range(draw.number(3))
    }
    text = draw.rest()
    with tempfile.TemporaryDirectory(prefix="pillarbox-fuzz-") as folder:
        file = Path(folder) / "pillarbox.toml"
        file.write_bytes(text)
        told = _problems(file, environment)
    secret = _secret(text)
    assert len(secret) < 12 or text.count(secret.encode()) > 1 or secret not in told


def _problems(file: Path, environment: dict[str, str]) -> str:
    """What loading complains about; "" where it gives settings."""
    try:
        load(file, environment)
    except ConfigError as error:
        return str(error)
    return ""


def _secret(text: bytes) -> str:
    with suppress(tomllib.TOMLDecodeError, UnicodeDecodeError):
        key = tomllib.loads(text.decode()).get("master_key")
        return key if isinstance(key, str) else ""
    return ""
