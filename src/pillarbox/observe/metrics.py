"""The metrics: every counter of the service, declared once and looked up once.

Names are `pillarbox_<module>_<thing>_<unit|total>`; values of labels are enums or names of the
configuration, never addresses or free text. What each message counts is a plain number
(observe.tallies): `ACCEPTED.value += 1` costs no call.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from pillarbox.mail.envelope import RecipientState
from pillarbox.observe import tallies
from pillarbox.observe.tallies import Spread, Tally

# When a counter was made tells nothing that the start time of the process does not.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types there

REGISTRY = CollectorRegistry(auto_describe=False)
ProcessCollector(namespace="pillarbox", registry=REGISTRY)

_FAST_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_BATCH_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"pillarbox_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"pillarbox_{name}", text, labels, registry=REGISTRY)


def _tally(name: str, text: str) -> Tally:
    return tallies.tally(REGISTRY, f"pillarbox_{name}", text)


def _by_state(name: str, text: str, states: list[RecipientState]) -> dict[RecipientState, Tally]:
    values = [state.value for state in states]
    made = tallies.tallies(REGISTRY, f"pillarbox_{name}", text, label="state", values=values)
    return {state: made[state.value] for state in states}


def _spread(name: str, text: str, bounds: tuple[float, ...]) -> Spread:
    return tallies.spread(REGISTRY, f"pillarbox_{name}", text, bounds=bounds)


# Reception
SESSIONS_OPEN = _gauge("reception_open_sessions", "Sessions that are open now.")
SESSIONS = _counter("reception_sessions_total", "Sessions that were opened.", "listener")
SESSIONS_REFUSED = _counter(
    "reception_refused_sessions_total", "Connections over a limit of sessions."
)
HANDSHAKE_FAILURES = _counter("reception_handshake_failures_total", "TLS handshakes that failed.")
LOGINS = _counter("reception_logins_total", "Logins by result: ok, failed, unavailable.", "result")
LOGINS_OK = LOGINS.labels("ok")
LOGINS_FAILED = LOGINS.labels("failed")
LOGINS_UNAVAILABLE = LOGINS.labels("unavailable")
ACCOUNTS_HELD = _counter(
    "app_held_accounts_total", "Accounts that were held for too many unknown recipients."
)
PASSWORD_HASHES = _counter(
    "reception_password_hashes_total", "Passwords that were compared with a hash."
)
GUESSERS = _counter(
    "reception_guessers_total", "Alarms about addresses with too many failed logins."
)
REFUSALS = _counter(
    "reception_refusals_total", "Refusals, by name in pillarbox.explain.refusals.", "refusal"
)
ACCEPTED = _tally("reception_accepted_messages_total", "Messages that were answered with 250.")
ACCEPTED_OCTETS = _tally("reception_accepted_octets_total", "Octets of these messages.")
ACCEPT_SECONDS = _spread(
    "reception_accept_seconds", "From the end of the content to its 250.", _FAST_SECONDS
)

# Store
COMMITS = _tally("store_commits_total", "Group commits.")
COMMIT_FAILURES = _counter("store_failed_commits_total", "Group commits that failed.")
COMMIT_SECONDS = _spread("store_commit_seconds", "Time of one group commit.", _FAST_SECONDS)
COMMIT_ITEMS = _spread("store_commit_items", "Pieces of work in one commit.", _BATCH_ITEMS)
SPOOL_IN_TROUBLE = _gauge("store_in_trouble", "1 while the spool takes nothing.")

# Delivery and scheduling
ATTEMPTS_BY_STATE = _by_state(
    "delivery_attempts_total", "Attempts, by state of each recipient.", list(RecipientState)
)
ATTEMPT_SECONDS = _spread("delivery_attempt_seconds", "Time of one attempt.", _SLOW_SECONDS)
CONNECTIONS_OPEN = _gauge("delivery_open_connections", "Connections to next hops open now.")
CONNECTION_FAILURES = _counter(
    "delivery_connection_failures_total", "Connections to next hops that failed."
)
SIGN_INS = _counter("net_sign_ins_total", "Access tokens that were got for next hops.")
SIGN_INS_FAILED = _counter("net_failed_sign_ins_total", "Sign-ins for a token that failed.")
HOPS_SUSPENDED = _counter(
    "delivery_suspensions_total", "Alerts: a next hop takes nothing before something is changed."
)
LANES_SUSPENDED = _gauge(
    "delivery_suspended_lanes", "Lanes whose next hop takes nothing before something is changed."
)
SIGN_INS_ENDING = _gauge(
    "app_sign_ins_ending",
    "Secrets, certificates and grants that end within so many days: 30, 14, 3; 0: have ended;"
    " 60: grants that were not used for 60 days.",
    "days",
)
SELF_FINDINGS = _gauge(
    "app_self_findings",
    "What the daily look at the service found (pillarbox doctor --self): fail, warn.",
    "severity",
)
READY_MESSAGES = _gauge("scheduler_ready_messages", "Messages in memory, ready for an attempt.")
LANES_OWNED = _gauge("scheduler_owned_lanes", "Lanes that this worker owns.")

# Outcome
RECIPIENTS_BY_STATE = _by_state(
    "outcome_recipients_total",
    "Recipients that became final.",
    [state for state in RecipientState if state.is_final],
)
FAILURES = _counter(
    "outcome_failures_total", "Recipients that failed or expired, by pillarbox explain.", "kind"
)
DSNS = _counter("outcome_dsns_total", "DSNs made: failed, expired, delayed, delivered.", "kind")
DSNS_BY_KIND = {kind: DSNS.labels(kind) for kind in ("failed", "expired", "delayed", "delivered")}
RETURNED = _counter(
    "outcome_returned_total",
    "What came back by return paths: failed, delayed, delivered, complaint, auto-reply, other;"
    " repeated: the same once more; unknown: complaints about messages that are not known.",
    "kind",
)

# The process
DRAINING = _gauge("app_draining", "1 after SIGTERM, while running attempts end.")
LOG_LINES_DROPPED = _gauge("observe_dropped_log_lines", "Log lines that nobody read in time.")
TASK_FAILURES = _counter("app_task_failures_total", "Tasks that ended with an unknown error.")


def exposition() -> bytes:
    """All metrics in the text format of Prometheus."""
    return generate_latest(REGISTRY)
