"""A transaction in which the server takes everything, as what is written and heard in turn. Pure.

Nearly all transactions go like that. Then it is enough to write each turn and to see that its
answer is yes. Where one is not, a ClientProtocol is told of all that was written and heard: it
makes the same octets out of the same message, knows what the answer means, and goes on from there.
"""

from collections.abc import Sequence
from typing import TypeAlias

from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.smtp.client_fit import Capabilities, mail_command, rcpt_command
from pillarbox.smtp.client_transaction import encode_commands
from pillarbox.smtp.data_writer import whole_data

MAX_ANSWER_OCTETS = 4096
"""A longer one is looked at with more care."""

_TAKEN, _LINE_TAKEN, _GO_AHEAD = b"250 ", b"\n250 ", b"354 "


Turn: TypeAlias = tuple[bytes, int, bytes, bool]
"""Octets to write, and the answer to be wished: so many replies of one line, of which the last
begins with these octets and all others with 250. Then whether the content ends with them."""


def whole_script(
    capabilities: Capabilities,
    envelope: Envelope,
    recipients: Sequence[Recipient],
    content: bytes,
) -> list[Turn]:
    """All in one turn, as AheadProtocol.begin_whole() writes it."""
    chunk = f"BDAT {len(content)} LAST\r\n"
    commands = [*_commands(capabilities, envelope, recipients, len(content)), chunk]
    return [(encode_commands(commands) + content, len(commands), _TAKEN, True)]


def data_script(
    capabilities: Capabilities,
    envelope: Envelope,
    recipients: Sequence[Recipient],
    content: bytes,
) -> list[Turn]:
    """With DATA, as ClientProtocol.begin() has it: the commands in one turn, or each in its own."""
    commands = [*_commands(capabilities, envelope, recipients, len(content)), "DATA\r\n"]
    octets = encode_commands(commands)
    end = (whole_data((content,)), 1, _TAKEN, True)
    if capabilities.pipelining:
        return [(octets, len(commands), _GO_AHEAD, False), end]
    turns = [(line, 1, _TAKEN, False) for line in octets.splitlines(keepends=True)]
    turns[-1] = (turns[-1][0], 1, _GO_AHEAD, False)
    turns.append(end)
    return turns


def _commands(
    capabilities: Capabilities, envelope: Envelope, recipients: Sequence[Recipient], size: int
) -> list[str]:
    utf8 = envelope.smtputf8
    return [
        mail_command(capabilities, envelope, size_octets=size),
        *[rcpt_command(capabilities, each, smtputf8=utf8) for each in recipients],
    ]


def is_wished(answer: bytes, count: int, last: bytes) -> bool:
    """Whether that is the whole answer to be wished for, and nothing else."""
    if count == 1:
        end = len(answer) - 1
        return answer[:4] == last and answer.find(b"\n") == end < MAX_ANSWER_OCTETS
    begin = answer.rfind(b"\n", 0, -1) + 1
    return (
        answer[begin : begin + 4] == last
        and answer[-1:] == b"\n"
        and answer.count(b"\n") == count
        and (b"\n" + answer[:begin]).count(_LINE_TAKEN) == count - 1
        and len(answer) <= MAX_ANSWER_OCTETS
    )


def last_text(answer: bytes) -> bytes:
    """The text of the last reply of such an answer."""
    return answer[answer.rfind(b"\n", 0, -1) + 5 :].rstrip(b"\r\n")
