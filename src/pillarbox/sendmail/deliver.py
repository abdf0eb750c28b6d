"""Sending one message by a profile, and what that means: sent, not now, or never.

What can not be told by the message itself (no network, a wrong password, a certificate that has
ended) passes or is mended, so such mail waits where there is a spool. Only what the server refuses
for good, of this message or of a recipient, is refused.
"""

from typing import NamedTuple

from pillarbox.client import (
    ArgumentError,
    Client,
    ClientError,
    ConnectError,
    DiscoveryError,
    Dsn,
    LoginError,
    MessageRefused,
    RecipientResult,
    SendState,
    TlsError,
)
from pillarbox.errors import AddressError, ConfigError
from pillarbox.explain.command_words import for_profile
from pillarbox.mail.address import parse_mailbox
from pillarbox.profiles import Profile, connect
from pillarbox.sendmail import codes
from pillarbox.sendmail.spool import Mail


class Verdict(NamedTuple):
    """What became of a message. `waiting` do not have it and may get it later, `refused` never;
    `code` is the exit code where nothing is done about it, `text` what a person reads."""

    waiting: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    code: int = codes.OK
    text: str = ""


class Courier:
    """Sends messages by the profiles that they name; one client for each."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._client: Client | None = None

    def send(self, mail: Mail, content: bytes) -> Verdict:
        """One attempt for all recipients that do not have it yet. What is no address does not keep
        it from the others."""
        wrong = {one: why for one in mail.recipients if (why := _why_no_address(one))}
        rest = tuple(one for one in mail.recipients if one not in wrong)
        if not wrong:
            return self._attempt(mail, content)
        verdict = self._attempt(mail._replace(recipients=rest), content) if rest else Verdict()
        return Verdict(
            verdict.waiting,
            (*verdict.refused, *wrong),
            verdict.code if verdict.refused else codes.DATA,
            "\n".join(filter(None, (verdict.text, *wrong.values()))),
        )

    def _attempt(self, mail: Mail, content: bytes) -> Verdict:
        try:
            if self._client is None:
                self._client = connect(self._profile)
        except (ConfigError, ArgumentError) as error:
            # A wrong setting says nothing about the message.
            return Verdict(mail.recipients, (), codes.CONFIG, str(error))
        except ClientError as error:
            return _failed(mail, error)
        try:
            result = self._client.send(
                content,
                sender=mail.sender,
                recipients=mail.recipients,
                dsn=_dsn(mail),
            )
        except ConfigError as error:
            return Verdict(mail.recipients, (), codes.CONFIG, str(error))
        except ClientError as error:
            return _failed(mail, error)
        return _told(result.recipients)

    def close(self) -> None:
        """Say good-bye."""
        if self._client is not None:
            self._client.close()


def _why_no_address(text: str) -> str:
    try:
        parse_mailbox(text)
    except AddressError as error:
        return f"{text!r} is no address: {error} (fix: write it as name@example.org)"
    return ""


def _failed(mail: Mail, error: ClientError) -> Verdict:
    if isinstance(error, ArgumentError):
        return Verdict((), mail.recipients, codes.DATA, for_profile(str(error)))
    if isinstance(error, MessageRefused) and error.result is not None:
        return _told(error.result.recipients)
    return Verdict(mail.recipients, (), code_of(error), for_profile(str(error)))


def code_of(error: ClientError) -> int:
    """The exit code for an error."""
    match error:
        case ArgumentError():
            return codes.DATA
        case MessageRefused() if error.result is not None:
            return _told(error.result.recipients).code
        case LoginError():
            return codes.TRY_LATER if error.is_transient else codes.NO_PERMISSION
        case TlsError():
            return codes.CONFIG
        case ConnectError() | DiscoveryError() if not error.is_transient:
            return codes.UNAVAILABLE
    return codes.TRY_LATER


def _told(results: tuple[RecipientResult, ...]) -> Verdict:
    """By recipient. An unknown one is tried again: a copy is better than a loss."""
    missing = [one for one in results if not one.is_accepted]
    refused = [one for one in missing if _is_final(one)]
    waiting = [one for one in missing if not _is_final(one)]
    code = codes.OK
    if refused:
        code = codes.NO_USER if _all(refused, "5.1.") else codes.UNAVAILABLE
        code = codes.NO_PERMISSION if _all(refused, "5.7.") else code
    elif waiting:
        code = codes.TRY_LATER
    return Verdict(
        tuple(one.address for one in waiting),
        tuple(one.address for one in refused),
        code,
        "\n".join(_line(one) for one in missing),
    )


def _is_final(one: RecipientResult) -> bool:
    return one.state is SendState.REFUSED and not one.is_transient and one.code >= 500


def _all(results: list[RecipientResult], begin: str) -> bool:
    return all(one.enhanced_code.startswith(begin) for one in results)


def _line(one: RecipientResult) -> str:
    fix = for_profile(one.fix)
    return f"{one} (fix: {fix})" if fix and one.fix not in one.text else str(one)


def _dsn(mail: Mail) -> Dsn | None:
    if not (mail.notify or mail.ret or mail.envelope_id):
        return None
    notify = tuple(word.strip().lower() for word in mail.notify.split(",") if word.strip())
    ret = {"full": "full", "hdrs": "headers"}.get(mail.ret.lower())
    return Dsn(notify, ret, mail.envelope_id)  # type: ignore[arg-type] # checked by the client
