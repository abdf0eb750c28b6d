"""Refusals by what the routes of a tenant say (explain.refusals lists all). Pure."""

from pillarbox.explain.refusal_text import refusal_text as _t

NO_ROUTE = _t(
    "550 5.7.1",
    "There is no route for that recipient's domain: ask the administrator to set one",
    "The tenant has routes, and none of them matches this pair of domains.",
)
REJECTED_BY_ROUTE = _t(
    "550 5.7.1",
    "Mail to that recipient is refused by a rule: {text}",
    "A route with the action reject matches.",
)
MAILBOX_FROM_NOT_ALLOWED = _t(
    "550 5.7.60",
    "The mailbox by which this mail goes out may not use that From address: set From and sender to"
    " {mailbox}, or ask the administrator to allow it (route change: --may-send-as, or --other-from"
    " rewrite)",
    "The route to Microsoft 365 refuses what is from another address than its mailbox and those"
    " of --may-send-as.",
)
