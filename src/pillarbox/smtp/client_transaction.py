"""One mail transaction as a client sees it up to the content: commands and their replies. Pure.

RFC 5321 3.3 (the order), RFC 2920 (PIPELINING: commands in groups, replies in their order).
"""

from collections.abc import Sequence

from pillarbox.errors import LocalProtocolError, RemoteProtocolError
from pillarbox.smtp.client_replies import RawReply

GROUP_COMMANDS = 100
"""So many commands leave before their replies are awaited: a group stays a few packets long, and
a refused MAIL costs no thousand RCPT."""

_GOODBYE = 421
"""RFC 5321 3.8: it may answer any command."""

_ASKS_FOR_LESS = frozenset({_GOODBYE, 432})
"""421: the session ends. 432: Microsoft 365 above the limits of a mailbox."""

_BUSY = (b"4.7.", b"4.3.2")
"""RFC 3463: policy, and "system not accepting network messages"."""

RSET = "RSET\r\n"
_DATA = "DATA\r\n"


class Transaction:
    """Says what to send next, takes the replies, and knows what they mean for each recipient."""

    __slots__ = (
        "_answered",
        "_commands",
        "_lead",
        "_pipelining",
        "_recipients",
        "_sent",
        "_surplus",
        "accepted",
        "data_reply",
        "final_reply",
        "mail_reply",
        "rcpt_replies",
    )

    def __init__(
        self, mail: str, rcpts: Sequence[str], *, data: bool, pipelining: bool, reset: bool
    ) -> None:
        """`data` is False where BDAT follows; `reset` sends RSET first, after a failed one."""
        self._commands = [RSET, mail, *rcpts] if reset else [mail, *rcpts]
        self._lead = 1 if reset else 0
        self._recipients = len(rcpts)
        if data:
            self._commands.append(_DATA)
        self._pipelining = pipelining
        self._sent = 0
        self._answered = 0
        self.mail_reply: RawReply | None = None
        self.rcpt_replies: list[RawReply] = []
        self.data_reply: RawReply | None = None
        self.final_reply: RawReply | None = None
        self.accepted = 0
        self._surplus: RawReply | None = None

    @property
    def is_unanswered(self) -> bool:
        """Whether no command of it has had a reply yet; RSET is about the one before."""
        return self._answered <= self._lead

    @property
    def is_waiting(self) -> bool:
        """Whether replies to what was sent are still to come."""
        return self._answered < self._sent

    @property
    def next_command(self) -> int:
        """Which command's reply comes next: 0 MAIL (and RSET before it), 1 RCPT, 2 DATA."""
        index = self._answered - self._lead
        return 0 if index <= 0 else 1 if index <= self._recipients else 2

    def next_group(self) -> list[str]:
        """The commands to send now that all sent ones are answered; empty when that is all."""
        sent, last = self._sent, len(self._commands)
        if sent > self._lead and self._is_lost(sent):
            return []
        end = sent + (GROUP_COMMANDS if self._pipelining else 1)
        if self._pipelining and end >= last - 1:
            end = last
        self._sent = min(end, last)
        return self._commands[sent:end]

    def _is_lost(self, sent: int) -> bool:
        """Whether there is nothing left to go on for: MAIL refused, or every RCPT."""
        if self.mail_reply is not None and self.mail_reply.code >= 400:
            return True
        return sent - self._lead > self._recipients and not self.accepted

    def take(self, raw: RawReply) -> None:
        """Take the reply to the oldest unanswered command.

        Raises RemoteProtocolError for a reply that can not be one to that command.
        """
        index = self._answered - self._lead
        self._answered += 1
        positive = raw.code < 300
        # Only DATA may be answered by 3yz, and not by 2yz: else replies and commands are out of
        # step, and nothing that follows can be believed.
        if (raw.code < 400 and positive is (index > self._recipients)) or (
            index < 0 and not positive and raw.code != _GOODBYE
        ):
            self._surplus = raw
            raise RemoteProtocolError(f"the reply {raw.code} to {self._name(index)}")
        if index == 0:
            self.mail_reply = raw
        elif 0 < index <= self._recipients:
            self.rcpt_replies.append(raw)
            self.accepted += positive
        elif index > 0:
            self.data_reply = raw

    def take_usual(self, raws: Sequence[RawReply]) -> bool:
        """Take the replies to all of its commands, by which everything was taken. False: there
        was not one group with all of them, and nothing was done."""
        count = len(raws)
        if self._answered or self._lead or not count == self._sent == self._recipients + 2:
            return False
        self._answered = count
        self.mail_reply, *self.rcpt_replies, self.data_reply = raws
        self.accepted = self._recipients
        return True

    def _name(self, index: int) -> str:
        return self._commands[index + self._lead].split(":", 1)[0].split(" ", 1)[0].strip()

    @property
    def may_send_content(self) -> bool:
        """Whether somebody is there to send the content to, and the server waits for it."""
        return (
            self.accepted > 0
            and self.mail_reply is not None
            and self.mail_reply.code < 300
            and (self.data_reply is None or self.data_reply.code < 400)
        )

    @property
    def must_end_data(self) -> bool:
        """Whether the server waits for content although it refused everybody. RFC 2920 section
        3.1: "if the DATA command was accepted the client SMTP should send a single dot"."""
        return (
            self.data_reply is not None and self.data_reply.code < 400
        ) and not self.may_send_content

    def lose_step(self, surplus: RawReply) -> None:
        """There was a reply too many: nobody knows which of them it was."""
        self._surplus = surplus

    @property
    def is_doubtful(self) -> bool:
        """Whether somebody fails for good though no 354 shows that each reply was in its place:
        with one too many, what decides may be the reply to another command."""
        data = self.data_reply
        if data is None or data.code < 400:
            return False
        return any(raw is not None and raw.code >= 500 for raw in self.verdicts())

    def verdicts(self) -> list[RawReply | None]:
        """The reply that decides about each recipient, None where none came."""
        mail = self.mail_reply
        if mail is not None and mail.code >= 400:
            return [mail] * self._recipients
        content = self.data_reply
        if content is None or content.code < 400:
            content = self.final_reply
        if self.took_all:
            return [content] * self._recipients
        verdicts = [raw if raw.code >= 400 else content for raw in self.rcpt_replies]
        verdicts += [None] * (self._recipients - len(verdicts))
        return verdicts

    def certain_verdicts(self) -> list[RawReply | None]:
        """The verdicts that stand although there was a reply too many. Behind a 354 in its place
        all before it were in theirs; and where all said yes, it does not matter which was too many.
        """
        surplus, data, final = self._surplus, self.data_reply, self.final_reply
        if surplus is None:
            return self.verdicts()
        if final is not None and (final.code >= 300 or surplus.code >= 300):
            final = None
        is_in_step = data is not None and data.code < 400
        if not is_in_step and (final is None or not self.took_all):
            return [None] * self._recipients
        return [raw if raw.code >= 400 else final for raw in self.rcpt_replies]

    @property
    def took_all(self) -> bool:
        """Whether the message was taken for every recipient."""
        final = self.final_reply
        return final is not None and final.code < 300 and self.accepted == self._recipients

    @property
    def asks_for_less(self) -> bool:
        """Whether the server deferred for the sake of how much it gets, not of this message."""
        if self.took_all:
            return False
        final = self.final_reply
        mail = self.mail_reply
        replies = [mail, *self.rcpt_replies, self.data_reply, final]
        return (
            (mail is not None and 400 <= mail.code < 500)
            or any(raw is not None and raw.code in _ASKS_FOR_LESS for raw in replies)
            or (final is not None and final.code < 500 and final.lines[0].startswith(_BUSY))
        )


def encode_commands(commands: Sequence[str]) -> bytes:
    """Command lines as octets. Raises LocalProtocolError where there are more lines than these."""
    octets = "".join(commands).encode()
    # Nothing that came from outside may have become a command of its own.
    if octets.count(b"\n") != len(commands) or octets.count(b"\r") != len(commands):
        raise LocalProtocolError("a command with a line end inside")
    return octets
