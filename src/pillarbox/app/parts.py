"""Builds a worker out of its parts: the only place that knows all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pillarbox.app.descriptors import open_files, web_connections, within_open_files
from pillarbox.app.offering import Offering
from pillarbox.app.order import WorkerOrder
from pillarbox.app.outgoing import make_couriers, make_scheduler, make_tokens
from pillarbox.app.publishing import Publisher
from pillarbox.app.stores import Stores, open_stores
from pillarbox.app.tls_counting import TlsCounting
from pillarbox.app.tls_reporting import TlsReporting, reporting_for
from pillarbox.config import Limits, Settings
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.mail.address import Mailbox
from pillarbox.net.issuer_documents import Fetcher
from pillarbox.net.oauth import TokenSource
from pillarbox.net.tls import ServerCertificate
from pillarbox.outcome.bounce_watch import BounceWatch
from pillarbox.outcome.report import Reporter
from pillarbox.outcome.returns import ReturnDesk, ReturnMeans
from pillarbox.outcome.unknown_watch import UnknownWatch
from pillarbox.outcome.watches import Watches
from pillarbox.policy.authenticate import Authenticator
from pillarbox.policy.clock import Clock
from pillarbox.policy.issuer_keys import IssuerKeys
from pillarbox.policy.login_limits import LoginLimits
from pillarbox.policy.networks import NetworkLogins
from pillarbox.policy.scram_logins import ScramLogins, VerifierKeeper
from pillarbox.policy.sending_limits import SendingLimits
from pillarbox.policy.submission import Submission
from pillarbox.policy.token_logins import TokenLogins
from pillarbox.reception.content import MemoryBudget
from pillarbox.reception.handshake_limits import HandshakeLimits
from pillarbox.reception.intake import Intake
from pillarbox.reception.listener import Reception
from pillarbox.reception.services import Services
from pillarbox.reception.sessions import SessionLog
from pillarbox.route import TlsMode
from pillarbox.scheduler.scheduler import Scheduler
from pillarbox.scheduler.settings import SchedulerMeans
from pillarbox.store.account_usage import AccountUsage
from pillarbox.store.database import Database
from pillarbox.store.passwords import match_password
from pillarbox.store.returns import Returns
from pillarbox.store.sessions import Sessions
from pillarbox.store.suppressions import Suppressions
from pillarbox.store.tls_results import TlsResultStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker consists of; `tls_reports` is None where nobody makes them."""

    stores: Stores
    authenticator: Authenticator
    sending: SendingLimits
    watches: Watches
    scheduler: Scheduler
    tokens: TokenSource
    couriers: Couriers
    reception: Reception
    offering: Offering
    publisher: Publisher | None
    services_for: Callable[[Limits], Services]
    tls_reports: tuple[TlsCounting, TlsReporting] | None
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Logins:
    """What checks logins."""

    authenticator: Authenticator
    tokens: TokenLogins
    scram: ScramLogins | None


async def build(
    order: WorkerOrder,
    settings: Settings,
    database: Database,
    wake_owner: Callable[[int], None],
) -> Parts:
    """Claim a number and put everything together; nothing runs yet. Raises SpoolUnavailable,
    ConfigError (certificate), SecretError (master key)."""
    clock = Clock()
    stores = await open_stores(order, settings, database)
    watches = _watches(settings, clock)
    means = partial(SchedulerMeans, wake_owner=wake_owner, watch=watches.note)
    tokens = make_tokens(settings, order, database)
    counts = TlsCounts(clock.timestamp) if settings.tls_reports.contact else None
    couriers = make_couriers(settings, order, tokens, stores, counts=counts)
    scheduler = make_scheduler(settings, order, stores, means=means, couriers=couriers)
    sending = SendingLimits(AccountUsage(database), clock)
    keys = IssuerKeys(Fetcher(), clock)
    logins = _logins(settings, stores, keys, clock)
    services_for = _services(settings, stores, logins, sending, scheduler)
    reception = _reception(settings, services_for(settings.limits))
    offering = Offering(stores.directory, keys, reception, with_scram=settings.scram_sha_256)
    await offering.look()
    return Parts(
        stores=stores,
        authenticator=logins.authenticator,
        sending=sending,
        watches=watches,
        scheduler=scheduler,
        tokens=tokens,
        couriers=couriers,
        reception=reception,
        offering=offering,
        publisher=_publisher(settings, database, clock),
        services_for=services_for,
        tls_reports=_tls_reports(settings, stores, counts, scheduler),
        clock=clock,
    )


def _publisher(settings: Settings, database: Database, clock: Clock) -> Publisher | None:
    if not settings.publishing.address:
        return None
    return Publisher(settings, database, clock, connections=web_connections(open_files()))


def _watches(settings: Settings, clock: Clock) -> Watches:
    percent = settings.limits.unknown_recipients_percent
    return Watches(UnknownWatch(percent, clock.seconds), BounceWatch())


def _services(
    settings: Settings,
    stores: Stores,
    logins: _Logins,
    sending: SendingLimits,
    scheduler: Scheduler,
) -> Callable[[Limits], Services]:
    """What makes the services of reception for given limits: a reload changes only these."""
    clock = Clock()
    networks = NetworkLogins(stores.directory, clock)
    handshakes = HandshakeLimits(settings.limits.handshakes_per_address, clock)
    sessions = SessionLog(Sessions(stores.database), clock)
    # All workers together keep to it.
    budget = MemoryBudget(settings.limits.content_memory_octets // settings.workers)

    def services_for(wanted: Limits) -> Services:
        limits = within_open_files(wanted, settings.delivery, settings.publishing)
        rules = Submission(limits, _asker(stores.suppressions, clock))
        return Services(
            returns=_return_desk(settings, stores, scheduler, limits),
            limits=limits,
            rules=rules,
            sending=sending,
            authenticator=logins.authenticator,
            tokens=logins.tokens,
            scram=logins.scram,
            networks=networks,
            handshakes=handshakes,
            intake=_intake(settings, stores, rules, scheduler),
            chunks=stores.spool,
            health=stores.database,
            sessions=sessions,
            budget=budget,
            ids=stores.ids,
            clock=clock,
        )

    return services_for


def _asker(known: Suppressions, clock: Clock) -> Callable[[int, Mailbox], bool]:
    """What says now whether a tenant does not send to an address."""

    def is_suppressed(tenant_id: int, mailbox: Mailbox) -> bool:
        # Most tenants have no such address, and this is asked for each recipient.
        return tenant_id in known.by_tenant and known.holds(tenant_id, mailbox, clock.timestamp())

    return is_suppressed


def _return_desk(
    settings: Settings, stores: Stores, scheduler: Scheduler, limits: Limits
) -> ReturnDesk | None:
    """What takes bounces that come later, where a listener takes them."""
    if not any(listener.takes_returns for listener in settings.listeners):
        return None
    spool, next_id = stores.spool, stores.ids.next_id
    means = ReturnMeans(
        stores.return_key,
        Returns(stores.database, spool),
        Reporter(settings.host_name, next_id=next_id, lane_of=spool.lane_of),
        tenant_of=stores.directory.tenant,
        next_id=next_id,
        offer=scheduler.offer,
        wall=Clock().timestamp,
        most_received=limits.received_fields,
    )
    return ReturnDesk(means)


def _reception(settings: Settings, services: Services) -> Reception:
    return Reception(
        settings.listeners,
        services,
        host_name=settings.host_name,
        certificates=_certificates(settings),
    )


def _intake(settings: Settings, stores: Stores, rules: Submission, scheduler: Scheduler) -> Intake:
    return Intake(
        stores.spool,
        rules,
        ids=stores.ids,
        host_name=settings.host_name,
        on_accepted=scheduler.offer,
        clock=Clock(),
    )


def _tls_reports(
    settings: Settings, stores: Stores, counts: TlsCounts | None, scheduler: Scheduler
) -> tuple[TlsCounting, TlsReporting] | None:
    if counts is None:
        return None
    database = stores.database
    reporting = reporting_for(
        settings,
        database,
        stores.directory,
        spool=stores.spool,
        ids=stores.ids,
        offer=scheduler.offer,
    )
    return TlsCounting(counts, TlsResultStore(database)), reporting


def _logins(settings: Settings, stores: Stores, keys: IssuerKeys, clock: Clock) -> _Logins:
    directory, scram_key = stores.directory, stores.scram_key
    limits = settings.limits
    authenticator = Authenticator(
        directory,
        LoginLimits(
            # Each worker counts for itself: together they must not allow more.
            tries_per_source=max(limits.login_failures_per_address // settings.workers, 1),
            tries_per_account=max(limits.login_failures_per_account // settings.workers, 1),
            window_seconds=limits.login_failure_window_seconds,
        ),
        matcher=match_password,
        cache_seconds=limits.login_cache_seconds,
        clock=clock,
        keeper=None if scram_key is None else VerifierKeeper(directory, scram_key),
    )
    scram = None
    if scram_key is not None:
        scram = ScramLogins(directory, authenticator, scram_key, clock)
    return _Logins(authenticator, TokenLogins(directory, keys, authenticator, clock), scram)


def _certificates(settings: Settings) -> dict[str, ServerCertificate]:
    """One for each listener with TLS, by its name. Raises ConfigError."""
    return {
        listener.name: ServerCertificate(settings.tls.certificate, settings.tls.key)
        for listener in settings.listeners
        if listener.tls is not TlsMode.NONE
    }
