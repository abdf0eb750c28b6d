"""What may be wrong where mail is handed to Microsoft Graph, in words. Pure."""

from pillarbox.explain.failure_text import failure_text as _t

REQUEST_NOT_TAKEN = _t(
    "554 5.7.1",
    "The next hop {hop} refused the message: {said}",
    "Its address From, its recipients or its content are not what the next hop takes.",
    "{detail}",
)
REQUEST_PUT_OFF = _t(
    "451 4.4.2",
    "The next hop {hop} did not take the message now: {said}",
    "It is overloaded or being repaired, or it wants less mail.",
    "Nothing to change here: it is tried again",
)
HEADER_NOT_TAKEN = _t(
    "554 5.6.0",
    "The next hop {hop} would mail others than the recipients of the message: its header {detail}",
    "Graph mails whom the header names, and not the envelope.",
    "Let such mail go by SMTP: pillarbox route change ID --way graph-or-smtp",
)
SIZE_NOT_TAKEN = _t(
    "552 5.3.4",
    "The next hop {hop} takes messages of at most {detail} octets by Graph; this one is larger",
    "Graph takes requests of 4 MB, which is about 3 MB of mail.",
    "Let such mail go by SMTP: pillarbox route change ID --way graph-or-smtp; or as a draft"
    " with attachments: --way graph-or-draft",
)
PARTS_NOT_TAKEN = _t(
    "554 5.6.0",
    "The next hop {hop} takes a message as large as this only without its attachments, and"
    " those one by one; that can not be done with this one: it {detail}",
    "Graph takes requests of 4 MB. A draft to which attachments are added is made anew there.",
    "Let such mail go by SMTP: pillarbox route change ID --way graph-or-smtp",
)
DRAFT_DENIED = _t(
    "451 4.7.0",
    "The next hop {hop} does not let the route make a draft, which a message as large as this"
    " needs: {said}",
    "The permission Mail.ReadWrite of Microsoft Graph is missing, or its scope leaves the"
    " mailbox out.",
    "Give the application Mail.ReadWrite (a person: sign in again, --device-code), or let large"
    " mail go by SMTP (--way graph-or-smtp). `pillarbox m365 check` tries it",
)
REQUIRETLS_BY_GRAPH = _t(
    "550 5.7.30",
    "The next hop {hop} can not pass on REQUIRETLS, with which the message was sent",
    "Graph has no place for it, so nobody would keep the message to TLS behind Microsoft.",
    "Send such mail by another route with SMTP, or send the message without REQUIRETLS",
)
