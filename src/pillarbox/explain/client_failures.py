"""Failures in the words of a program that sends: it has arguments where the service has a route.

Causes, codes and what happened are those of explain.failures; only what speaks of the service is
said otherwise. Pure.
"""

from pillarbox.explain.failures import ExplainedFailure, Failure, FailureKind, explain
from pillarbox.mail.reply import Reply

_CHECK_SERVER = "Check host and port of the server"
_AGAIN = "Send again later: nothing has to be changed"

_FIXES: dict[FailureKind, str] = {
    FailureKind.NAME_NOT_FOUND: "Check the host of the server for a typing error",
    FailureKind.CONNECTION_REFUSED: "Check the port of the server, and that it runs",
    FailureKind.CONNECTION_TIMED_OUT: (
        "Check host and port, and that a firewall lets this machine out to it; many networks block"
        " port 25"
    ),
    FailureKind.GREETING_REFUSED: (
        "Ask who runs the server whether this machine's address may connect"
    ),
    FailureKind.HELLO_REFUSED: "Give helo_name= a name of this machine that the DNS knows",
    FailureKind.TLS_MISSING: (
        'Use a port with TLS (smtps://{host}); tls="opportunistic" sends without it, and a login'
        " only to this machine"
    ),
    FailureKind.TLS_REFUSED: "Ask who runs the server to mend its TLS, or try smtps://{host}",
    FailureKind.NOT_TLS: "Use STARTTLS: submission://{hop}",
    FailureKind.TLS_FIRST: "Use TLS from the first octet: smtps://{hop}",
    FailureKind.TLS_TOO_OLD: "Have the server updated to TLS 1.2 or newer",
    FailureKind.CERTIFICATE_NOT_TRUSTED: (
        "Give ca_file= the certificate of that authority, or have the server send its whole chain"
    ),
    FailureKind.CERTIFICATE_EXPIRED: (
        "Have the certificate of the server renewed; check this machine's clock"
    ),
    FailureKind.CERTIFICATE_NAME_MISMATCH: "Use a name that is in the certificate as the host",
    FailureKind.CA_FILE_UNUSABLE: "Give ca_file= a readable file in PEM form (BEGIN CERTIFICATE)",
    FailureKind.LOGIN_NOT_OFFERED: (
        "Give auth= what the server offers: a password (PLAIN, LOGIN, SCRAM-SHA-256) or a token"
        " (OAUTHBEARER, XOAUTH2); or use its submission port (587 or 465)"
    ),
    FailureKind.LOGIN_REFUSED: "Correct user name and password in auth=",
    FailureKind.TOKEN_REFUSED: (
        "Check the user name in auth=, and scope and permissions of the token"
    ),
    FailureKind.LOGIN_UNAVAILABLE: (
        "If logins were refused before, correct user name and password in auth= first; then send"
        " again later"
    ),
    FailureKind.LOGIN_NEEDED: "Give auth=, and leave TLS on",
    FailureKind.SIGN_IN_REFUSED: (
        "Compare client id, tenant id and scope with the registration of the application"
    ),
    FailureKind.SIGN_IN_WRONG_SECRET: "Give the value of the client secret, not its id",
    FailureKind.SIGN_IN_SECRET_EXPIRED: "Make a new secret at the registration of the application",
    FailureKind.SIGN_IN_CERTIFICATE_REFUSED: (
        "Upload the certificate to the registration of the application"
    ),
    FailureKind.SIGN_IN_UNKNOWN_APPLICATION: (
        "Check client id and tenant id; have an administrator of the tenant consent"
    ),
    FailureKind.SIGN_IN_UNKNOWN_TENANT: "Check tenant id and cloud",
    FailureKind.SIGN_IN_AGAIN: "Let the person sign in again",
    FailureKind.SIGN_IN_UNAVAILABLE: _AGAIN,
    FailureKind.PROTOCOL_BROKEN: (f"{_CHECK_SERVER}; look for a firewall that inspects SMTP"),
    FailureKind.SHUT_DOWN: _AGAIN,
    FailureKind.CONNECTION_LOST: _AGAIN,
    FailureKind.REPLY_TIMED_OUT: _AGAIN,
    FailureKind.CONFIRMATION_LOST: (
        "Find out whether the message arrived before it is sent again, or accept a copy"
    ),
    FailureKind.EIGHT_BIT_NOT_TAKEN: "Encode the message as quoted-printable or base64",
    FailureKind.BINARY_NOT_TAKEN: "Encode the message as base64",
    FailureKind.UTF8_NOT_TAKEN: "Use addresses of plain letters, or a server that offers SMTPUTF8",
    FailureKind.TOO_LARGE: "Send a smaller message, or ask for a larger limit",
    FailureKind.REQUIRETLS_NOT_OFFERED: "Use a server that offers REQUIRETLS, or no require_tls=",
    FailureKind.REQUIRETLS_WITHOUT_TLS: 'Leave tls="required", or give no require_tls=',
}

_CAUSES: dict[FailureKind, str] = {
    FailureKind.LOGIN_REFUSED: (
        "User name or password are wrong, or password logins are switched off there."
    ),
    FailureKind.LOGIN_NEEDED: "There was no login, or no encryption.",
    FailureKind.SIGN_IN_REFUSED: "Something in the registration of the application does not fit.",
    FailureKind.LOGIN_NOT_OFFERED: (
        "It logs in on another port or only under TLS, or wants another method."
    ),
    FailureKind.CERTIFICATE_NAME_MISMATCH: (
        "The server is known by another name to its certificate, or it is another server."
    ),
    FailureKind.REQUIRETLS_WITHOUT_TLS: "The server offers no encryption.",
    FailureKind.HELLO_REFUSED: (
        "It does not like the name that this program gave in EHLO, or not now."
    ),
}

_PHRASES = (
    ("the login of its route", "the login"),
    ("the access token of its route", "the access token"),
    ("The trusted certificates of the route to", "The trusted certificates (ca_file) for"),
    (", which its route demands", ""),
    ("this service", "this program"),
    ("the next hop", "the server"),
    ("The next hop", "The server"),
)


def explain_to_client(failure: Failure, *, host: str, port: int) -> ExplainedFailure:
    """As explain(), without a word of routes."""
    hop = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    told = explain(failure, hop=hop)
    kind = failure.kind
    fix = _FIXES.get(kind, told.fix).replace("{hop}", hop).replace("{host}", host)
    what = reworded(told.reply.lines[0])
    return ExplainedFailure(
        kind=kind,
        reply=Reply(told.reply.code, told.reply.enhanced, (what,)),
        cause=_CAUSES.get(kind, reworded(told.cause)),
        fix=reworded(fix),
    )


def reworded(text: str) -> str:
    """A text of the service's as a program should read it."""
    for old, new in _PHRASES:
        text = text.replace(old, new)
    return text
