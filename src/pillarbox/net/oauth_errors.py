"""What a sign-in server's refusal means (RFC 6749 section 5.2; the AADSTS codes of Microsoft).

Codes of Microsoft: learn.microsoft.com, "Microsoft Entra authentication and authorization error
codes". They choose an explanation and nothing else: whatever they say, the mail waits. Of what a
server says only its error name and the numbers are shown, for the rest might repeat a secret.
"""

import re
from collections.abc import Iterable
from typing import Final

from pillarbox.explain.failures import Failure, FailureKind

_MICROSOFT: Final[dict[FailureKind, frozenset[int]]] = {
    FailureKind.SIGN_IN_WRONG_SECRET: frozenset({7000215, 70002}),
    FailureKind.SIGN_IN_SECRET_EXPIRED: frozenset({7000222}),
    FailureKind.SIGN_IN_CERTIFICATE_REFUSED: frozenset({700024, 700027, 700030, 50012}),
    FailureKind.SIGN_IN_UNKNOWN_APPLICATION: frozenset({700016, 700011, 70001}),
    FailureKind.SIGN_IN_APPLICATION_DISABLED: frozenset({7000112}),
    FailureKind.SIGN_IN_UNKNOWN_TENANT: frozenset({90002, 90038, 900432, 900382}),
    FailureKind.SIGN_IN_NO_CONSENT: frozenset({65001, 650056, 650057, 500011, 90094}),
    FailureKind.SIGN_IN_BLOCKED: frozenset({53000, 53001, 53003, 530032, 530035, 50131}),
    FailureKind.SIGN_IN_NO_PUBLIC_CLIENT: frozenset({7000218}),
    FailureKind.SIGN_IN_AGAIN: frozenset(
        {700082, 700084, 70043, 70008, 70000, 50173, 50132, 50133, 50089, 50076, 50078, 50079}
    ),
    FailureKind.SIGN_IN_UNAVAILABLE: frozenset({50033, 90006, 90012, 90024, 90033, 90055, 90090}),
}
_OF_CODE = {code: kind for kind, codes in _MICROSOFT.items() for code in codes}

_STANDARD: Final = {
    "invalid_client": FailureKind.SIGN_IN_WRONG_SECRET,
    "invalid_grant": FailureKind.SIGN_IN_AGAIN,
    "interaction_required": FailureKind.SIGN_IN_AGAIN,
    "consent_required": FailureKind.SIGN_IN_NO_CONSENT,
    "unauthorized_client": FailureKind.SIGN_IN_UNKNOWN_APPLICATION,
    "temporarily_unavailable": FailureKind.SIGN_IN_UNAVAILABLE,
    "server_error": FailureKind.SIGN_IN_UNAVAILABLE,
}

_NAME = re.compile(r"[a-z_]{1,40}")
_AADSTS = re.compile(r"AADSTS(\d{4,9})")


def refused(issuer: str, error: object, codes: Iterable[object] = (), text: str = "") -> Failure:
    """The failure for an error that a server named. `codes` are Microsoft's numbers, which may
    stand in `text` as well."""
    numbers = [code for code in codes if isinstance(code, int)]
    numbers += map(int, _AADSTS.findall(text))
    name = error if isinstance(error, str) and _NAME.fullmatch(error) else "no error name"
    kind = next((_OF_CODE[number] for number in numbers if number in _OF_CODE), None)
    if kind is None:
        kind = _STANDARD.get(name, FailureKind.SIGN_IN_REFUSED)
    shown = f", AADSTS{numbers[0]}" if numbers else ""
    return Failure(kind, f"{issuer}: {name}{shown}")


def unreachable(issuer: str, reason: str) -> Failure:
    """Nobody answered."""
    return Failure(FailureKind.SIGN_IN_UNREACHABLE, f"{issuer}: {reason}")


def unavailable(issuer: str, reason: str) -> Failure:
    """An answer that is none, or none yet."""
    return Failure(FailureKind.SIGN_IN_UNAVAILABLE, f"{issuer}: {reason}")
