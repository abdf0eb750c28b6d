"""What a delivery that failed on the way to the next hop is called, and what to do about it. Pure.

Each kind of failure has a reply that stands for it in queue, trace and DSN, where the next hop
itself said nothing that could stand there, a cause, and a fix that names the setting to change.
Codes: RFC 3463, RFC 5321 4.2; those of refused content RFC 6152 3, RFC 6531 3.2, RFC 1870 6.
"""

from dataclasses import dataclass
from enum import Enum, unique

from pillarbox.explain import graph_failures as graph
from pillarbox.explain import mx_failures as mx
from pillarbox.explain import requiretls_failures as requiretls
from pillarbox.explain.failure_text import failure_text as _t
from pillarbox.mail.reply import Reply


@unique
class FailureKind(Enum):
    """All failures. The name is what logs and metrics show."""

    # No connection.
    NAME_NOT_FOUND = _t(
        "451 4.4.4",
        "The name of the next hop {hop} was not found",
        "The DNS knows no address for this name.",
        "Check the host of the route for a typing error",
    )
    NAME_LOOKUP_FAILED = _t(
        "451 4.4.3",
        "The name of the next hop {hop} could not be looked up",
        "No DNS server answered this machine.",
        "Check the DNS servers of this machine (/etc/resolv.conf)",
    )
    CONNECTION_REFUSED = _t(
        "451 4.4.1",
        "The next hop {hop} refused the connection",
        "Nothing listens on that port, or a firewall rejects it.",
        "Check the port of the route, and that the server runs",
    )
    CONNECTION_TIMED_OUT = _t(
        "451 4.4.1",
        "The next hop {hop} did not answer when it was connected to",
        "The server is down, or a firewall drops the packets. Many networks block port 25.",
        "Check the host and port of the route, and that a firewall lets this machine out to it",
    )
    UNREACHABLE = _t(
        "451 4.4.1",
        "The next hop {hop} can not be reached from this machine ({detail})",
        "There is no network route to its address.",
        "Check the network of this machine",
    )
    # The mail hosts of a recipient's domain.
    DOMAIN_NOT_FOUND = mx.DOMAIN_NOT_FOUND
    DOMAIN_TAKES_NO_MAIL = mx.DOMAIN_TAKES_NO_MAIL
    NO_MAIL_HOST = mx.NO_MAIL_HOST
    MX_LOOKUP_FAILED = mx.MX_LOOKUP_FAILED
    MX_WITHOUT_ADDRESS = mx.MX_WITHOUT_ADDRESS
    MX_NOT_PUBLIC = mx.MX_NOT_PUBLIC
    MX_IS_THIS_HOST = mx.MX_IS_THIS_HOST
    MX_NOT_REACHED = mx.MX_NOT_REACHED
    SOURCE_UNUSABLE = mx.SOURCE_UNUSABLE
    NO_SOURCE = mx.NO_SOURCE
    SOURCE_WARMING_UP = mx.SOURCE_WARMING_UP
    MTA_STS_FAILED = mx.MTA_STS_FAILED
    DANE_FAILED = mx.DANE_FAILED
    DANE_LOOKUP_FAILED = mx.DANE_LOOKUP_FAILED
    # Opening the session.
    GREETING_REFUSED = _t(
        "451 4.3.2",
        "The next hop {hop} refused the session: {said}",
        "It does not want mail from this machine's address, or not now.",
        "Ask the operator of the next hop whether this machine's address may connect",
    )
    HELLO_REFUSED = _t(
        "451 4.5.0",
        "The next hop {hop} refused the greeting of this host: {said}",
        "It does not like the host name that this service gives in EHLO, or not now.",
        "Check that host_name in the configuration is a name that the DNS knows",
    )
    TLS_MISSING = _t(
        "451 4.7.4",
        "The next hop {hop} does not offer STARTTLS, which its route demands; nothing was sent",
        "Encryption is off at the next hop, or something between strips it.",
        "Turn on STARTTLS at the next hop, or give the route another port (465 with TLS)",
    )
    TLS_REFUSED = _t(
        "451 4.7.4",
        "The next hop {hop} refused to start TLS; nothing was sent: {said}",
        "TLS is broken at the next hop, often for want of a certificate.",
        "Ask the operator of the next hop to mend its TLS",
    )
    TLS_INJECTED = _t(
        "451 4.7.0",
        "The next hop {hop} sent replies in the clear behind its answer to STARTTLS; the"
        " connection was dropped",
        "Someone between tries to slip in replies, or the server is broken.",
        "Find out who can change the traffic on the way to the next hop",
    )
    NOT_TLS = _t(
        "451 4.7.5",
        "The next hop {hop} does not speak TLS on that port",
        "The port begins in the clear, as 25 and 587 do.",
        "Set the encryption of the route to STARTTLS, or its port to 465",
    )
    TLS_FIRST = _t(
        "451 4.7.5",
        "The next hop {hop} speaks TLS from the first octet on that port",
        "The port begins with TLS, as 465 does.",
        "Set the encryption of the route to TLS",
    )
    TLS_TOO_OLD = _t(
        "451 4.7.5",
        "The next hop {hop} and this service have no TLS version in common",
        "The next hop knows only TLS 1.1 or older, which is broken.",
        "Have the next hop updated to TLS 1.2 or newer",
    )
    CERTIFICATE_NOT_TRUSTED = _t(
        "451 4.7.5",
        "The certificate of the next hop {hop} is not trusted ({detail})",
        "It was issued by an authority that this machine does not know, or comes without the"
        " certificate between.",
        "Give the route the file with that authority's certificate (ca-file), or have the next hop"
        " send its whole chain",
    )
    CERTIFICATE_EXPIRED = _t(
        "451 4.7.5",
        "The certificate of the next hop {hop} has expired",
        "Nobody renewed it, or the clock of this machine is wrong.",
        "Have the certificate of the next hop renewed; check this machine's clock",
    )
    CERTIFICATE_NOT_YET_VALID = _t(
        "451 4.7.5",
        "The certificate of the next hop {hop} is not valid yet",
        "The clock of this machine is slow, or the certificate was made ahead.",
        "Check this machine's clock",
    )
    CERTIFICATE_NAME_MISMATCH = _t(
        "451 4.7.5",
        "The certificate of the next hop {hop} is for another name ({detail})",
        "The route names the server differently from its certificate, or it is another server.",
        "Set the host of the route to a name in the certificate",
    )
    HANDSHAKE_FAILED = _t(
        "451 4.7.5",
        "The TLS handshake with the next hop {hop} failed ({detail})",
        "Both sides found no common ground, or the connection was cut.",
        "Try the next hop with: openssl s_client -connect {hop}",
    )
    CA_FILE_UNUSABLE = _t(
        "451 4.3.5",
        "The trusted certificates of the route to {hop} can not be read ({detail})",
        "The file is missing, not readable for the service, or not PEM.",
        "Correct the ca-file of the route",
    )
    LOGIN_NOT_OFFERED = _t(
        "451 4.7.4",
        "The next hop {hop} offers no login that this service has (it offers: {detail})",
        "It logs in on another port or only under TLS, or wants a method other than PLAIN and LOGIN"
        " (with OAuth2: OAUTHBEARER and XOAUTH2).",
        "Turn on STARTTLS or TLS in the route, or use the submission port (587 or 465)",
    )
    LOGIN_REFUSED = _t(
        "451 4.7.8",
        "The next hop {hop} refused the login of its route: {said}",
        "User name or password of the route are wrong, or password logins are switched off there.",
        "Correct user name and password of the route",
    )
    TOKEN_REFUSED = _t(
        "451 4.7.8",
        "The next hop {hop} refused the access token of its route: {said}",
        "The token is in order, but it does not open this mailbox: a permission is missing there,"
        " or the user name is another one.",
        "For Microsoft 365 `pillarbox m365 check` tests each step and names what is missing; else"
        " check user name and scope of the route",
    )
    LOGIN_UNAVAILABLE = _t(
        "451 4.7.0",
        "The next hop {hop} can not check logins at the moment: {said}",
        "Its directory does not answer, or it limits logins.",
        "Nothing to change here: it is tried again",
    )
    LOGIN_NEEDED = _t(
        "451 4.7.0",
        "The next hop {hop} wants a login or encryption before it takes mail: {said}",
        "The route has no user name, or no encryption.",
        "Give the route user name, password and STARTTLS or TLS",
    )
    # Getting a token for the login (OAuth2).
    SIGN_IN_UNREACHABLE = _t(
        "451 4.4.1",
        "There is no access token for the next hop {hop}: the sign-in server can not be asked"
        " ({detail})",
        "The sign-in server is down, a firewall or proxy is between, or its name is wrong.",
        "Check that this machine may open HTTPS connections to the sign-in server",
    )
    SIGN_IN_UNAVAILABLE = _t(
        "451 4.7.0",
        "There is no access token for the next hop {hop}: the sign-in server gives none at the"
        " moment ({detail})",
        "It is overloaded or being repaired.",
        "Nothing to change here: it is tried again",
    )
    SIGN_IN_REFUSED = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the sign-in server refused ({detail})",
        "Something in the registration of the application or in the route does not fit.",
        "Compare client id, tenant id and scope of the route with the registration of the"
        " application",
    )
    SIGN_IN_WRONG_SECRET = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the sign-in server does not take the"
        " client secret ({detail})",
        "The secret is another one, or it was deleted at the registration of the application. With"
        " Microsoft often its id was copied instead of its value.",
        "Give the route the right secret; where that was deleted, make a new one at the"
        " registration: pillarbox route change ID --client-secret-file FILE",
    )
    SIGN_IN_SECRET_EXPIRED = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the client secret has expired ({detail})",
        "Secrets of an application have an end.",
        "Make a new secret at the registration of the application and give it to the route:"
        " pillarbox route change ID --client-secret-file FILE",
    )
    SIGN_IN_CERTIFICATE_REFUSED = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the sign-in server does not take the"
        " certificate ({detail})",
        "The certificate is not that of the registration, it has expired, or a clock is wrong.",
        "Upload the certificate of the route to the registration of the application, or give the"
        " route another one: pillarbox route change ID --certificate FILE",
    )
    SIGN_IN_UNKNOWN_APPLICATION = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the sign-in server does not know the"
        " application in this tenant ({detail})",
        "The client id is wrong, the tenant is another one, or nobody consented there.",
        "Check client id and tenant id of the route; have an administrator of the tenant consent",
    )
    SIGN_IN_APPLICATION_DISABLED = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the application is disabled in its tenant"
        " ({detail})",
        "An administrator of the tenant or Microsoft has switched it off.",
        "Have it enabled: Entra admin center > Enterprise applications > the application >"
        " Properties > Enabled for users to sign-in",
    )
    SIGN_IN_UNKNOWN_TENANT = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the sign-in server does not know the"
        " tenant ({detail})",
        "The tenant id is wrong, or it belongs to another cloud.",
        "Check tenant id and cloud of the route",
    )
    SIGN_IN_NO_CONSENT = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: nobody consented to what the application"
        " asks for ({detail})",
        "The permission was not added to the registration, or an administrator did not consent.",
        "Add the permission to the registration of the application and grant admin consent",
    )
    SIGN_IN_AGAIN = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: somebody has to sign in again ({detail})",
        "The grant has ended, was revoked, or the tenant wants a second factor now.",
        "Sign in again: pillarbox route change ID --device-code (or --browser)",
    )
    SIGN_IN_BLOCKED = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: a policy of the tenant blocks the sign-in"
        " ({detail})",
        "Conditional Access or the security defaults do not let this sign-in through.",
        "The sign-in log of Entra names the policy; exclude this application or its account",
    )
    SIGN_IN_NO_PUBLIC_CLIENT = _t(
        "451 4.7.8",
        "There is no access token for the next hop {hop}: the registration does not allow sign-in"
        " without a secret ({detail})",
        "A sign-in by device code or browser is one of a public client.",
        "Allow public client flows at the registration of the application (Authentication)",
    )
    # Inside the session.
    MAIL_REFUSED = _t(
        "451 4.7.0",
        "The next hop {hop} refuses all mail of this route for now: {said}",
        "It does not take mail from this login, mailbox or machine before something is changed.",
        "Nothing is lost: mail waits. See cause and fix with: pillarbox queue count",
    )
    PROTOCOL_BROKEN = _t(
        "451 4.5.0",
        "The next hop {hop} answered against the rules of SMTP ({detail})",
        "No SMTP server listens there, or something between changes its replies.",
        "Check host and port of the route; look for a firewall that inspects SMTP",
    )
    SHUT_DOWN = _t(
        "451 4.4.2",
        "The next hop {hop} ended the session: {said}",
        "It restarts, or wants fewer or shorter sessions.",
        "Nothing to change here: it is tried again. If it stays so, lower the caps of the route",
    )
    CONNECTION_LOST = _t(
        "451 4.4.2",
        "The connection to the next hop {hop} was lost while {detail}",
        "The server or something between cut the connection.",
        "Nothing to change here: it is tried again",
    )
    REPLY_TIMED_OUT = _t(
        "451 4.4.2",
        "The next hop {hop} did not answer in time while {detail}",
        "The server is overloaded or hangs.",
        "Nothing to change here: it is tried again",
    )
    CONFIRMATION_LOST = _t(
        "451 4.4.2",
        "The next hop {hop} took the message but its confirmation never came ({detail}); if it did"
        " keep the message, it arrives twice",
        "The connection was cut, or time ran out, between the message and its confirmation.",
        "Nothing to change here: it is tried again",
    )
    # What the next hop can not take.
    EIGHT_BIT_NOT_TAKEN = _t(
        "554 5.6.3",
        "The next hop {hop} takes only 7-bit mail, and the message has 8-bit characters",
        "It does not offer 8BITMIME.",
        "Have the sending program encode the message as quoted-printable or base64",
    )
    BINARY_NOT_TAKEN = _t(
        "554 5.6.3",
        "The next hop {hop} takes no binary content, which the message has",
        "It does not offer BINARYMIME with CHUNKING.",
        "Have the sending program encode the message as base64",
    )
    UTF8_NOT_TAKEN = _t(
        "550 5.6.7",
        "The next hop {hop} takes no addresses or header fields outside ASCII, which the message"
        " has",
        "It does not offer SMTPUTF8.",
        "Use addresses of plain letters, or a next hop that supports SMTPUTF8",
    )
    TOO_LARGE = _t(
        "552 5.3.4",
        "The next hop {hop} takes messages of at most {detail} octets; this one is larger",
        "It announces that limit (SIZE).",
        "Send a smaller message, or ask the operator of the next hop for a larger limit",
    )
    # What the sender demanded of TLS.
    REQUIRETLS_NOT_OFFERED = requiretls.REQUIRETLS_NOT_OFFERED
    REQUIRETLS_WITHOUT_TLS = requiretls.REQUIRETLS_WITHOUT_TLS
    REQUIRETLS_NOT_VERIFIED = mx.REQUIRETLS_NOT_VERIFIED
    REQUIRETLS_BY_GRAPH = graph.REQUIRETLS_BY_GRAPH
    # What Graph answers, and what it can not do.
    REQUEST_NOT_TAKEN = graph.REQUEST_NOT_TAKEN
    REQUEST_PUT_OFF = graph.REQUEST_PUT_OFF
    HEADER_NOT_TAKEN = graph.HEADER_NOT_TAKEN
    SIZE_NOT_TAKEN = graph.SIZE_NOT_TAKEN
    PARTS_NOT_TAKEN = graph.PARTS_NOT_TAKEN
    DRAFT_DENIED = graph.DRAFT_DENIED


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure as it happened: its kind and what fills the texts. `said` is the reply of the
    next hop where it gave one."""

    kind: FailureKind
    detail: str = ""
    said: Reply | None = None


@dataclass(frozen=True, slots=True)
class ExplainedFailure:
    """The reply that stands for a failure, what is usually behind it, and what to change."""

    kind: FailureKind
    reply: Reply
    cause: str
    fix: str


def explain(failure: Failure, *, hop: str) -> ExplainedFailure:
    """Explain a failure at the next hop `hop` ("smtp.example.net:587").

    The reply has two lines: what happened, and the fix.
    """
    text = failure.kind.value
    said = str(failure.said) if failure.said is not None else "no answer"
    facts = {"hop": hop, "said": said, "detail": failure.detail}
    fix = text.fix.format_map(facts)
    return ExplainedFailure(
        kind=failure.kind,
        # Tables show both lines as one.
        reply=Reply(text.code, text.enhanced, (f"{text.what.format_map(facts)}.", fix)),
        cause=text.cause.format_map(facts),
        fix=fix,
    )
