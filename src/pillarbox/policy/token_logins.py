"""Who presents a token? It becomes an account, or a refusal that gives nothing away.

A token is verified before anybody looks who wants to log in with it, so only who has a good token
of one of the issuers learns anything at all, and whether an account exists is not told even then.
Guessing is in vain, so a good token is never held up by the failures of others; bad ones are
counted with the wrong passwords (policy.login_limits).
"""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from pillarbox.errors import SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Timestamp
from pillarbox.observe import metrics
from pillarbox.policy.authenticate import Grant, Verdict, grant_of
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.issuer_keys import IssuerAway, IssuerKeys
from pillarbox.policy.tokens import (
    Claims,
    Origin,
    TokenError,
    judge,
    origin_of,
    subject_of,
    verify,
)
from pillarbox.smtp.events import BearerToken
from pillarbox.store.records import Issuer, LoginRecord, SubjectCredential

_Outcome: TypeAlias = Claims | IssuerAway | TokenError


class Issuers(Protocol):
    """What is asked of the directory (store.directory)."""

    @property
    def generation(self) -> int:
        """Grows with every change in the directory."""
        ...

    async def issuers(self) -> Mapping[int, Issuer]:
        """Whose tokens log in, by the id of the tenant."""
        ...

    async def login(self, username: str) -> LoginRecord | None:
        """The account of this user name with its subjects."""
        ...

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note that a credential was used."""
        ...


class Failures(Protocol):
    """What is asked of whoever counts failed logins (policy.authenticate)."""

    def count_failure(self, username: str, address: str, denial: Denial) -> Denial:
        """Count one; what to answer."""
        ...


class TokenLogins:
    """Checks tokens for one process."""

    def __init__(
        self, directory: Issuers, keys: IssuerKeys, failures: Failures, clock: Clock
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._failures = failures
        self._clock = clock

    async def check(self, presented: BearerToken, address: str) -> Verdict:
        """Check a token that a client at this address presents for an account."""
        try:
            grant = await self._grant(presented)
        except TokenError as error:
            denial = Denial(Refusal.TOKEN_REFUSED, f"the token is not good: {error}")
            return self._failures.count_failure(presented.username, address, denial)
        except IssuerAway as error:
            metrics.LOGINS_UNAVAILABLE.inc()
            cause = f"the keys of the issuer can not be had: {error}"
            return Denial(Refusal.LOGIN_UNAVAILABLE, cause)
        except SpoolUnavailable as error:
            metrics.LOGINS_UNAVAILABLE.inc()
            cause = f"the directory did not answer: {error.cause}"
            return Denial(Refusal.LOGIN_UNAVAILABLE, cause)
        metrics.LOGINS_OK.inc()
        return grant

    async def _grant(self, presented: BearerToken) -> Grant:
        generation = self._directory.generation
        issuers = await self._directory.issuers()
        origin = origin_of(presented.token)
        by_roots = await self._verified(presented.token, origin, issuers)
        record = await self._directory.login(presented.username)
        if record is None:
            raise TokenError("no such account, or it is switched off")
        issuer = issuers.get(record.account.tenant.tenant_id)
        if issuer is None or issuer.url != origin.issuer:
            raise TokenError("it is of the issuer of another tenant")
        claims = by_roots[issuer.ca_file]
        if isinstance(claims, IssuerAway | TokenError):
            raise claims
        judge(claims, issuer)
        now = self._clock.timestamp()
        credential = _credential(record, claims, now)
        self._directory.touch(credential.credential_id, now)
        return grant_of(record, credential, generation)

    async def _verified(
        self, token: str, origin: Origin, issuers: Mapping[int, Issuer]
    ) -> Mapping[str, _Outcome]:
        """The claims of a token that one of the issuers signed, by the roots (`ca_file`) that the
        keys came with: tenants may trust the same issuer by different ones. Raises where it can
        not be verified with any."""
        named = {each.ca_file: each for each in issuers.values() if each.url == origin.issuer}
        if not named:
            raise TokenError("no tenant has this issuer (iss)")
        found: dict[str, _Outcome] = {}
        for ca_file, issuer in named.items():
            try:
                found[ca_file] = await self._claims(token, origin, issuer)
            except (IssuerAway, TokenError) as error:
                found[ca_file] = error
        failures = [each for each in found.values() if isinstance(each, IssuerAway | TokenError)]
        if len(failures) == len(found):
            # Where somebody has the keys the token is bad, and that is counted.
            raise next((each for each in failures if isinstance(each, TokenError)), failures[0])
        return found

    async def _claims(self, token: str, origin: Origin, issuer: Issuer) -> Claims:
        key = await self._keys.find(issuer, origin.kid)
        if key is None:
            raise TokenError("the issuer has no key of this id (kid)")
        now = self._clock.timestamp() // 1000
        return verify(token, key, issuer=issuer.url, now_seconds=now)


def _credential(record: LoginRecord, claims: Claims, now: Timestamp) -> SubjectCredential:
    """The credential of the account that the token is of. Raises TokenError."""
    if not record.subjects:
        raise TokenError("the account has no subject of its tenant's issuer as a credential")
    cause = f"its {record.subjects[0].claim} is no credential of this account"
    for known in record.subjects:
        if known.subject == subject_of(claims, known.claim):
            if known.expires_at is None or now < known.expires_at:
                return known
            cause = f"the credential {known.label!r} has expired"
    raise TokenError(cause)
