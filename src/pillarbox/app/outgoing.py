"""Builds what of a worker hands mail over: sign-ins, couriers, scheduler."""

from collections.abc import Callable

from pillarbox.app.order import WorkerOrder
from pillarbox.app.stores import Stores, make_seal
from pillarbox.config import Delivery, Settings
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.mx_settings import MxSettings
from pillarbox.delivery.receivers import Receiver, Receivers
from pillarbox.delivery.return_paths import ReturnPaths
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.net.oauth import TokenSource
from pillarbox.net.tls import ClientContexts
from pillarbox.policy.clock import Clock
from pillarbox.route import LanePlan
from pillarbox.scheduler.scheduler import Scheduler
from pillarbox.scheduler.settings import SchedulerMeans, SchedulerSettings, SchedulerStores
from pillarbox.store.database import Database
from pillarbox.store.drafts import Drafts
from pillarbox.store.grants import Grants
from pillarbox.store.hop_orders import HopOrders
from pillarbox.store.mta_sts import StsPolicies
from pillarbox.store.sources import Sources
from pillarbox.store.suspensions import Suspensions


def make_tokens(settings: Settings, order: WorkerOrder, database: Database) -> TokenSource:
    """Signs in at next hops, once for all workers together."""
    clock = Clock()
    return TokenSource(
        Grants(database, make_seal(settings, order)),
        ClientContexts(),
        owner=order.token,
        monotonic=clock.seconds,
        wall=clock.timestamp,
    )


def make_couriers(
    settings: Settings,
    order: WorkerOrder,
    tokens: TokenSource,
    stores: Stores,
    *,
    counts: TlsCounts | None,
) -> Couriers:
    """What makes attempts, by the kind of next hop."""
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


def make_scheduler(
    settings: Settings,
    order: WorkerOrder,
    stores: Stores,
    *,
    means: Callable[..., SchedulerMeans],
    couriers: Couriers,
) -> Scheduler:
    """Decides what is tried when, over these couriers."""
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
