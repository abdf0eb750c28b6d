"""Refusals of a port that takes only what comes back (explain.refusals lists all). Pure."""

from pillarbox.explain.refusal_text import refusal_text as _t

NO_RETURN_ADDRESS = _t(
    "550 5.1.1",
    "This port takes only reports about mail that was sent from here: that address belongs to no"
    " such message, or to one of long ago",
    "Somebody sent mail to a listener with purpose returns that is for no return address, or for"
    " one whose message is not known any more (trace_days).",
)
NO_REPORT = _t(
    "550 5.7.1",
    "This address takes only reports about a message and automatic answers to it: write to the"
    " address in its From or Reply-To field",
    "Somebody answered to the reverse-path of a message, or sent something else there.",
)
