"""Faults on order: what goes wrong at which stage, how often, and for whom. No I/O.

A fault is taken up by the first request at its stage that matches. `times` counts down to nothing;
`percent` throws a die that the seed decides, so a run can be repeated.
"""

import random
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pillarbox.emulate.replies import REPLIES


class Stage(StrEnum):
    """Where in the way of a request a fault comes in."""

    CONNECT = "connect"
    """SMTP: before the greeting."""
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    """SMTP: instead of the 354, or of the answer to the first chunk."""
    CONTENT = "content"
    """SMTP: the content is there and nothing has been taken; Graph: the same of a request."""
    TAKEN = "taken"
    """The message counts as taken (a token as given out), only the answer is due."""
    REQUEST = "request"
    """HTTP: before anything is looked at."""


class Action(StrEnum):
    """What happens."""

    REPLY = "reply"
    """Another answer than the usual one."""
    CUT = "cut"
    """The connection ends without an answer."""
    HANG = "hang"
    """No answer ever; the client has to give up."""
    DELAY = "delay"
    """The usual answer, `seconds` later."""


Service = Literal["smtp", "login", "graph"]

_SMTP_ONLY = {Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL, Stage.RCPT}
_SMTP_ONLY |= {Stage.DATA}


class Fault(BaseModel):
    """One order. `reply` is a name of emulate.replies or a reply as it stands on the wire;
    `status`, `headers` and `body` are the answer of HTTP. `mailbox` and `path` (how it begins)
    narrow the order down; `times` None goes on for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: Service = "smtp"
    stage: Stage
    action: Action = Action.REPLY
    reply: str = ""
    status: int = Field(default=503, ge=400, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""
    seconds: float = Field(default=1.0, ge=0)
    percent: float = Field(default=100.0, ge=0, le=100)
    times: int | None = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    """So many requests at this stage pass before it begins."""
    mailbox: str = ""
    path: str = ""

    @model_validator(mode="after")
    def _fits(self) -> "Fault":
        if self.service != "smtp" and self.stage in _SMTP_ONLY:
            raise ValueError(f"{self.service} has the stages request, content and taken")
        if self.service == "smtp" and self.stage is Stage.REQUEST:
            raise ValueError("SMTP has no stage request")
        if self.service == "smtp" and self.action is Action.REPLY and not self._is_reply():
            raise ValueError("reply is a name of a reply, or like '451 4.7.0 Try later'")
        return self

    def _is_reply(self) -> bool:
        digits = self.reply[:3]
        return self.reply in REPLIES or (digits.isdigit() and digits[0] in "245")


class _Order:
    """A fault and how often it has been met."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.met = 0
        self.hits = 0

    @property
    def is_over(self) -> bool:
        return self.fault.times is not None and self.hits >= self.fault.times


class Faults:
    """All orders, in order."""

    def __init__(self, seed: int) -> None:
        self._die = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
        self._orders: dict[int, _Order] = {}
        self._last = 0

    def order(self, fault: Fault) -> int:
        """Take an order; its number."""
        self._last += 1
        self._orders[self._last] = _Order(self._last, fault)
        return self._last

    def cancel(self, number: int) -> bool:
        """Forget one; whether it was there."""
        return self._orders.pop(number, None) is not None

    def clear(self) -> None:
        """Forget all."""
        self._orders.clear()

    def take(
        self, service: Service, stage: Stage, *, mailbox: str = "", path: str = ""
    ) -> Fault | None:
        """The fault that hits this request, if one does."""
        for order in list(self._orders.values()):
            fault = order.fault
            if fault.service != service or fault.stage is not stage or order.is_over:
                continue
            if fault.mailbox.lower() not in ("", mailbox.lower()):
                continue
            if not path.startswith(fault.path):
                continue
            order.met += 1
            if order.met <= fault.skip or self._die.random() * 100 >= fault.percent:
                continue
            order.hits += 1
            return fault
        return None

    @property
    def hits(self) -> int:
        """How often the orders that stand have hit, together."""
        return sum(order.hits for order in list(self._orders.values()))

    def all(self) -> list[dict[str, object]]:
        """Every order with its number and how often it hit."""
        return [
            {"id": order.number, "hits": order.hits, **order.fault.model_dump(mode="json")}
            for order in list(self._orders.values())
        ]
