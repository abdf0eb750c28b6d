"""Delivery to the MX hosts of a domain, by sessions that domains with the same hosts share."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pillarbox.delivery.courier import AttemptResult, ContentSource, HopBusy, HopReason
from pillarbox.delivery.mx import MxDns, MxSet
from pillarbox.delivery.mx_connect import MxOpener
from pillarbox.delivery.mx_security import MxSecurity, MxWay
from pillarbox.delivery.mx_settings import MxSettings
from pillarbox.delivery.mx_site import MxSession, Site, Sites, Unopened
from pillarbox.delivery.mx_site_tools import SiteName, SiteTools
from pillarbox.delivery.mx_sources import SourceBook
from pillarbox.delivery.smtp_attempt import SmtpAttempt
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.sts import StsMeans, StsSource
from pillarbox.delivery.tls_results import TlsResults
from pillarbox.errors import ConfigError
from pillarbox.explain.failures import Failure, FailureKind, explain
from pillarbox.explain.replies import explain_failure
from pillarbox.mail.envelope import Recipient, RecipientOutcome, RecipientState, TlsWish
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.net.dns import DnsResolver
from pillarbox.net.reach import Reach
from pillarbox.net.tls import ClientContexts
from pillarbox.route import MxHosts, hop_key
from pillarbox.sources import ordered

TURN_MESSAGES = 20
"""A domain whose session others wait for gives way after so many messages."""

BOUNCE_TRIES = 5
"""After so many attempts, a quarter of an hour as retries usually are, trouble counts as lasting
for a bounce that needs REQUIRETLS."""


@dataclass(frozen=True, slots=True)
class MxMeans:
    """What all couriers to MX hosts share."""

    dns: MxDns
    security: MxSecurity
    sites: Sites
    sources: SourceBook
    results: TlsResults | None = None

    async def close(self) -> None:
        """End all idle sessions."""
        await self.sites.close()
        await self.sources.close()


def means_for(
    settings: MxSettings, contexts: ClientContexts, monotonic: Callable[[], float]
) -> MxMeans:
    """What a worker has one of. `monotonic` is the clock of the event loop."""
    rand = random.SystemRandom()
    dns = MxDns(
        lambda: DnsResolver.of_servers(settings.dns_servers),
        own_names=settings.own_names,
        networks=settings.networks,
        shuffle=rand.shuffle,
    )
    tools = SiteTools(
        monotonic=monotonic,
        rand=rand.random,
        idle_seconds=settings.idle_seconds,
        idle_sessions=settings.idle_sessions,
    )
    security = MxSecurity(dns, _sts(settings, dns, contexts, monotonic))
    results = None if settings.counts is None else TlsResults(settings.counts)
    sources = SourceBook(settings.sources, monotonic=monotonic, wall=settings.wall)
    return MxMeans(dns, security, Sites(tools, settings.receivers), sources, results)


def _sts(
    settings: MxSettings, dns: MxDns, contexts: ClientContexts, monotonic: Callable[[], float]
) -> StsSource | None:
    if settings.policies is None:
        return None

    def reach(ca_file: str) -> Reach:
        context = contexts.get(verify=True, ca_file=ca_file)
        return Reach(dns.resolver, context, settings.web_connect)

    means = StsMeans(
        settings.policies,
        lambda: dns.resolver,
        reach,
        settings.wall,
        monotonic,
        settings.counts,
    )
    return StsSource(means)


class MxCourier:
    """Courier to the hosts of one domain."""

    def __init__(self, hop: MxHosts, settings: SessionSettings, means: MxMeans) -> None:
        self._hop = hop
        self._settings = settings
        self._means = means
        self._way = MxWay(hop, MxSet(()))
        self._site: Site | None = None
        self._session: MxSession | None = None
        self._last_site: Site | None = None
        self._made = 0
        """Messages that were sent to the last site in turn."""
        self._refused_by: dict[str, str] = {}
        """Addresses, with their hosts, that did not take the message that is under way."""

    @property
    def is_open(self) -> bool:
        """Whether it holds a session that stands, also while a message is under way in it."""
        return self._session is not None and self._session.connection.stands

    def _has_room(self, site: Site) -> bool:
        return self._session is not None and site.has_room(self._session)

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """See Courier."""
        wish = message.envelope.tls_wish
        result = await self._attempt(message, recipients, content, wish)
        if wish is TlsWish.REQUIRED and message.envelope.reverse_path is None and result.is_aside:
            # RFC 8689 section 5: a bounce is not discarded where it can not go so.
            is_lasting = any(one.state is RecipientState.FAILED for one in result.outcomes)
            if is_lasting or recipients[0].attempts >= BOUNCE_TRIES:
                return await self._attempt(message, recipients, content, TlsWish.NONE)
        return result

    async def _attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
        wish: TlsWish,
    ) -> AttemptResult:
        numbered = [each.recipient for each in recipients]
        site = await self._site_for_one_more(message.queue_id, wish)
        if isinstance(site, Unopened):
            return self._without_session(numbered, site, wish)
        attempt = SmtpAttempt(
            host=self._hop.domain,
            port=self._hop.port,
            message=message,
            content=content,
            returns=self._settings.returns,
        )
        try:
            return await self._transact(site, attempt, numbered)
        except BaseException:
            # Without the dot the host has no message; the session can not be used any more.
            self._drop()
            raise

    async def _site_for_one_more(self, queue_id: int, wish: TlsWish) -> Site | Unopened:
        """The site, with a session of it or the right to open one. Raises HopBusy."""
        site = self._site
        if site is not None and self._made >= TURN_MESSAGES and site.is_wanted:
            self._last_site = None
            self._give_back()
            raise site.busy()
        is_same = self._way.wish is wish and not self._hop.sources
        if site is not None and is_same and self._has_room(site):
            if site.go_on():
                return site
            self._give_back()
            raise site.busy()
        self._give_back()
        try:
            # The file may be gone by now.
            self._settings.contexts.get(verify=True, ca_file=self._hop.ca_file)
        except ConfigError as exc:
            return Unopened(Failure(FailureKind.CA_FILE_UNUSABLE, exc.problems[0].text))
        found = await self._means.dns.find(self._hop.domain)
        if isinstance(found, Failure):
            return Unopened(found)
        policy = await self._means.security.policy(self._hop)
        way = MxWay(self._hop, found, policy, wish)
        return await self._by_source(way, queue_id) if self._hop.sources else self._borrow(way)

    async def _by_source(self, way: MxWay, queue_id: int) -> Site | Unopened:
        """Take part in the site of the address that the message takes; where that has to wait, of
        the next one. Raises HopBusy."""
        book, kinds = self._means.sources, await self._means.dns.has_ipv6(way.hop.domain, way.mx)
        busy: HopBusy | None = None
        trouble = Unopened(Failure(FailureKind.NO_SOURCE, _kinds(kinds)))
        for source in ordered(queue_id, way.hop.sources):
            if kinds and source.is_ipv6 not in kinds:
                continue
            if not await book.take(source.address):
                trouble = Unopened(Failure(FailureKind.SOURCE_WARMING_UP, source.address))
                continue
            name = (await book.facts(source.address)).name
            try:
                site = self._borrow(replace(way, source=source.address, helo_name=name))
            except HopBusy as error:
                busy = busy or error
            else:
                if isinstance(site, Site):
                    return site
                trouble = site
            book.untake(source.address)
        if busy is not None:
            raise busy
        return trouble

    def _borrow(self, way: MxWay) -> Site | Unopened:
        """Take part in the site of these hosts. Raises HopBusy."""
        hop = way.hop
        # A session that is good enough for one domain may not be for another with its own policy.
        # With REQUIRETLS it depends on the domain, too, whether anybody vouches for the host.
        is_strict = way.wish is TlsWish.REQUIRED
        demanded = way.policy.mx if way.policy and (way.is_enforced or is_strict) else None
        strict_for = hop.domain if is_strict else ""
        key = (way.mx, hop.port, hop.ca_file, demanded, way.wish, strict_for, way.source)
        name = SiteName(tuple(host.name for host in way.mx.hosts), way.source)
        site = self._means.sites.get(key, name, hop_key(hop), hop.caps)
        closed_by = site.closed_by()
        if closed_by is not None:
            return closed_by
        self._session = site.borrow()
        if site is not self._last_site:
            self._last_site, self._made = site, 0
        self._site, self._way = site, way
        return site

    async def _transact(
        self, site: Site, attempt: SmtpAttempt, pending: list[Recipient]
    ) -> AttemptResult:
        self._made += 1
        self._refused_by.clear()
        while pending:
            left = await self._go_on(site, attempt, pending)
            if isinstance(left, Unopened):
                return self._give_up(site, attempt, pending, left)
            pending = left
        result = attempt.result
        is_down = result.hop_failure is not None
        site.heed(each.reply for each in result.outcomes if each.reply.code >= 400)
        site.went_through(throttled=result.throttled or is_down, wish=result.wish)
        return result

    async def _go_on(
        self, site: Site, attempt: SmtpAttempt, pending: list[Recipient]
    ) -> list[Recipient] | Unopened:
        """One transaction, in a new session where that is needed; gives who is left."""
        session = self._session
        if session is not None and site.has_room(session):
            left = await self._offer(site, attempt, session, pending, is_reused=True)
            if left is not None:
                return left
        elif session is not None:
            await self._end_session(site, session)
        means = self._means
        opener = MxOpener(
            self._way,
            self._settings,
            means.dns,
            means.security,
            results=means.results,
            last=site.spares.last(self._refused_by),
        )
        opened = await opener.open()
        if isinstance(opened, Unopened):
            return opened
        self._session = opened
        site.opened(opened)
        left = await self._offer(site, attempt, opened, pending, is_reused=False)
        return pending if left is None else left

    async def _offer(
        self,
        site: Site,
        attempt: SmtpAttempt,
        session: MxSession,
        pending: list[Recipient],
        *,
        is_reused: bool,
    ) -> list[Recipient] | None:
        """One transaction; None where it decided nothing, and the session is over: it was so
        before, or the host takes nothing now and another one is asked."""
        host, connection, spares = session.host, session.connection, site.spares
        is_last = not spares.has_other(session, self._refused_by)
        blames = None if is_last else spares.blames
        attempt.speak_to(host)
        left = await attempt.transact(connection, pending, is_reused=is_reused, blames_host=blames)
        if attempt.host_trouble:
            self._refused_by[session.address] = host
            spares.refused(host, session.address, attempt.host_trouble)
        elif connection.core.took_sender:
            spares.took(host, session.address)
        if left is None:
            await self._end_session(site, session)
        return left

    def _give_up(
        self, site: Site, attempt: SmtpAttempt, pending: list[Recipient], trouble: Unopened
    ) -> AttemptResult:
        """No session. Raises HopBusy where the site only wants no more at once."""
        self._give_back()
        if attempt.result.outcomes:
            attempt.give_up(pending, trouble.failure)
            return attempt.result
        if self._way.source:
            self._means.sources.untake(self._way.source)
        if not _is_permanent(trouble.failure):
            site.failed(trouble)
        return self._without_session(pending, trouble, self._way.wish)

    def _without_session(
        self, recipients: Sequence[Recipient], trouble: Unopened, wish: TlsWish
    ) -> AttemptResult:
        """What is returned to the sender, or waits with the whole domain."""
        failure, domain, port = trouble.failure, self._hop.domain, self._hop.port
        hop = f"{trouble.host}:{port}" if trouble.host else domain
        reply = explain(failure, hop=hop).reply
        is_permanent = _is_permanent(failure)
        state = RecipientState.FAILED if is_permanent else RecipientState.DEFERRED
        outcomes = [RecipientOutcome(each.number, state, reply) for each in recipients]
        if is_permanent or wish is TlsWish.REQUIRED:
            # What is wanted of this message says nothing of other mail for the domain.
            return AttemptResult(outcomes, is_aside=True)
        why = explain_failure(failure, host=trouble.host or domain, port=port)
        said = "" if failure.said is None else str(failure.said)
        return AttemptResult(outcomes, hop_failure=reply, reason=HopReason(why, said))

    async def _end_session(self, site: Site, session: MxSession) -> None:
        self._session = None
        site.lost(session)
        await session.connection.close()

    async def close(self) -> None:
        """See Courier. The session goes back to the site."""
        self._give_back()

    def _give_back(self) -> None:
        site, session = self._site, self._session
        self._site = self._session = None
        if site is not None:
            site.give_back(session)

    def _drop(self) -> None:
        session = self._session
        if session is not None and self._site is not None:
            self._site.lost(session)
            session.connection.abort()
            self._session = None
        self._give_back()


def _kinds(kinds: frozenset[bool]) -> str:
    return " and ".join("IPv6" if kind else "IPv4" for kind in sorted(kinds))


def _is_permanent(failure: Failure) -> bool:
    return failure.kind.value.code >= 500
