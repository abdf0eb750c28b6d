"""Builds a worker out of its parts: the only place that knows all of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from pillarbox.app.descriptors import within_open_files
from pillarbox.app.offering import Offering
from pillarbox.app.order import WorkerOrder
from pillarbox.app.publishing import Publisher
from pillarbox.app.tls_counting import TlsCounting
from pillarbox.app.tls_reporting import TlsReporting, reporting_for
from pillarbox.app.upkeep import INSTANCE_LEASE_MS
from pillarbox.config import Delivery, Limits, Settings, load
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.mx_settings import MxSettings
from pillarbox.delivery.receivers import Receiver, Receivers
from pillarbox.delivery.return_paths import ReturnPaths
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.mail.identifier import IdGenerator
from pillarbox.net.binding import why_not_bound
from pillarbox.net.issuer_documents import Fetcher
from pillarbox.net.oauth import TokenSource
from pillarbox.net.tls import ClientContexts, ServerCertificate
from pillarbox.observe.log import log
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
from pillarbox.route import LanePlan, TlsMode
from pillarbox.scheduler.scheduler import Scheduler
from pillarbox.scheduler.settings import SchedulerMeans, SchedulerSettings, SchedulerStores
from pillarbox.store.account_usage import AccountUsage
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.drafts import Drafts
from pillarbox.store.grants import Grants
from pillarbox.store.hop_orders import HopOrders
from pillarbox.store.instances import Instances
from pillarbox.store.lanes import Lanes
from pillarbox.store.mta_sts import StsPolicies
from pillarbox.store.passwords import match_password
from pillarbox.store.return_key import ensure_return_key
from pillarbox.store.returns import Returns
from pillarbox.store.scram import ensure_scram_key
from pillarbox.store.seal import Seal
from pillarbox.store.sessions import Sessions
from pillarbox.store.sources import Sources, list_sources
from pillarbox.store.spool import Spool
from pillarbox.store.suppressions import Suppressions
from pillarbox.store.suspensions import Suspensions
from pillarbox.store.tls_results import TlsResultStore


@dataclass(frozen=True, slots=True)
class Stores:
    """What stands on the database, with the number of this worker (`instance`) and its ids.
    `scram_key` is None where SCRAM is off."""

    database: Database
    directory: Directory
    instances: Instances
    lanes: Lanes
    spool: Spool
    suppressions: Suppressions
    instance: int
    ids: IdGenerator
    scram_key: bytes | None
    return_key: bytes


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
    stores = await _open_stores(order, settings, database)
    watches = _watches(settings, clock)
    means = partial(SchedulerMeans, wake_owner=wake_owner, watch=watches.note)
    tokens = _tokens(settings, order, database)
    counts = TlsCounts(clock.timestamp) if settings.tls_reports.contact else None
    couriers = _couriers(settings, order, tokens, stores, counts=counts)
    scheduler = _scheduler(settings, order, stores, means=means, couriers=couriers)
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
        publisher=Publisher(settings, database, clock) if settings.publishing.address else None,
        services_for=services_for,
        tls_reports=_tls_reports(settings, stores, counts, scheduler),
        clock=clock,
    )


def _watches(settings: Settings, clock: Clock) -> Watches:
    percent = settings.limits.unknown_recipients_percent
    return Watches(UnknownWatch(percent, clock.seconds), BounceWatch())


def _seal(settings: Settings, order: WorkerOrder) -> Seal:
    """Looks for other keys in the configuration when it meets one that it does not know."""
    return Seal(settings.master_key, lambda: load(order.config_path).master_key)


async def _open_stores(order: WorkerOrder, settings: Settings, database: Database) -> Stores:
    """Give back what dead workers owned, then take a number."""
    directory = Directory(database, _seal(settings, order))
    instances, lanes = Instances(database), Lanes(database)
    for token in order.dead_tokens:
        await lanes.release_owner(token)
        await instances.release(token)
    instance = await instances.claim(token=order.token, lease_ms=INSTANCE_LEASE_MS)
    await directory.refresh()
    _tell_lost_sources(await database.read(list_sources))
    ids = IdGenerator(instance)
    spool = Spool(database, order.plan)
    suppressions = Suppressions(database)
    await suppressions.refresh(Clock().timestamp())
    scram_key = await database.write(ensure_scram_key) if settings.scram_sha_256 else None
    return Stores(
        database=database,
        directory=directory,
        instances=instances,
        lanes=lanes,
        spool=spool,
        suppressions=suppressions,
        instance=instance,
        ids=ids,
        scram_key=scram_key,
        return_key=await database.write(ensure_return_key),
    )


def _tell_lost_sources(sources: Iterable[str]) -> None:
    """Say which addresses mail can not come from: it waits then."""
    for address in sources:
        cause = why_not_bound(address)
        if cause:
            hint = "give this machine the address, or take it out of its routes"
            log.error("delivery.source_unusable", address=address, cause=cause, hint=hint)


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
        limits = within_open_files(wanted, settings.delivery)
        rules = Submission(
            limits, lambda tenant_id, m: stores.suppressions.holds(tenant_id, m, clock.timestamp())
        )
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


def _tokens(settings: Settings, order: WorkerOrder, database: Database) -> TokenSource:
    clock = Clock()
    return TokenSource(
        Grants(database, _seal(settings, order)),
        ClientContexts(),
        owner=order.token,
        monotonic=clock.seconds,
        wall=clock.timestamp,
    )


def _couriers(
    settings: Settings,
    order: WorkerOrder,
    tokens: TokenSource,
    stores: Stores,
    *,
    counts: TlsCounts | None,
) -> Couriers:
    delivery = settings.delivery
    helo_name = delivery.helo_name or settings.host_name
    return Couriers(
        SessionSettings(
            helo_name,
            ClientContexts(),
            delivery_timeouts(delivery),
            tokens=tokens,
            drafts=Drafts(stores.database),
            returns=ReturnPaths(stores.return_key, stores.directory.tenant),
        ),
        MxSettings(
            own_names=frozenset({settings.host_name.lower(), helo_name.lower()}),
            dns_servers=settings.dns_servers,
            networks=delivery.mx_private_networks,
            idle_seconds=delivery.idle_seconds,
            idle_sessions=max(delivery.connections // 2, 1),
            policies=StsPolicies(stores.database),
            counts=counts,
            sources=Sources(stores.database),
            receivers=configured_receivers(delivery, order.plan),
        ),
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


def _scheduler(
    settings: Settings,
    order: WorkerOrder,
    stores: Stores,
    *,
    means: Callable[..., SchedulerMeans],
    couriers: Couriers,
) -> Scheduler:
    database = stores.database
    delivery = settings.delivery
    return Scheduler(
        SchedulerSettings(
            settings.host_name,
            order.token,
            connections=delivery.connections,
            idle_seconds=delivery.idle_seconds,
            ready_messages=delivery.ready_messages_per_lane,
            plan=order.plan,
        ),
        SchedulerStores(
            stores.spool,
            stores.lanes,
            stores.directory,
            lambda: database.trouble,
            Suspensions(database),
            HopOrders(database),
        ),
        means(couriers.courier_for, stores.ids.next_id, let_go=couriers.let_go),
    )


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


def configured_receivers(delivery: Delivery, plan: LanePlan) -> Receivers:
    """What MX hosts take, by the table and by what is configured."""
    return Receivers(tuple(Receiver("", **row.model_dump()) for row in delivery.receivers), plan)


def delivery_timeouts(delivery: Delivery) -> Timeouts:
    """The configured times for each step of a delivery."""
    return Timeouts(
        connect=delivery.connect_timeout_seconds,
        handshake=delivery.handshake_timeout_seconds,
        greeting=delivery.greeting_timeout_seconds,
        command=delivery.command_timeout_seconds,
        data=delivery.data_timeout_seconds,
        block=delivery.block_timeout_seconds,
        end=delivery.end_timeout_seconds,
        quit=delivery.quit_timeout_seconds,
    )
