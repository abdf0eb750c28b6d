"""What replies mean, in the words of a program that sends: the rows of replies.toml speak of routes
and of mail that is tried again, which a program has to do by itself. Pure.
"""

from typing import NamedTuple

from pillarbox.explain.replies import Explanation

_LOGIN = "Correct user name and password in auth="
_STARTTLS = "Use STARTTLS: submission://HOST"
_GIVE_LOGIN = "Give auth= user name and password, and leave TLS on"

_FIXES = {
    "m365-01": "Use port 587 with STARTTLS: submission://smtp.office365.com",
    "m365-03": (
        "Let this machine out to port 587; do not rely on port 25; look whether the way over IPv6"
        " works"
    ),
    "m365-04": "Use submission://smtp.office365.com",
    "m365-08": _STARTTLS,
    "m365-17": (
        "Give auth= the user principal name and the right password. An app password works only"
        " where MFA is set for the user himself"
    ),
    "m365-20": (
        "Log in with OAuth2 (pillarbox.client.microsoft); or send by High Volume Email, Azure"
        " Communication Services or a connector"
    ),
    "m365-21": "Let the token provider renew tokens at least 10 minutes before their end",
    "m365-22": (
        "Give auth= a login, and leave TLS on; for Direct Send use the host of the domain's MX"
        " record"
    ),
    "m365-31": "Send again later, over fewer connections: Pool(connections=2)",
    "m365-32": "Send no faster than that: Pool(rate=(30, 60))",
    "m365-35": (
        "Send again when the window has moved on. The Exchange admin centre has a report on this"
        " limit; more licences or Azure Communication Services raise it"
    ),
    "m365-48": "Send to the host of your own domain's MX record",
    "m365-52": "Give helo_name= this machine's own full name",
    "aadsts-7000215": (
        "Make a new secret (Entra, App registrations, Certificates & secrets) and use its value"
    ),
    "aadsts-7000222": (
        "Make a new secret (Entra, App registrations, Certificates & secrets); a certificate lasts"
        " longer"
    ),
    "aadsts-700016": (
        "Check client id and tenant id; for an application of another tenant give the admin consent"
    ),
    "aadsts-90002": "Check the tenant (its id, or a domain of it) and the cloud",
    "graph-no-user": "Probably: correct the mailbox, or the tenant id",
    "google-app-password": (
        "Make an app password in the Google account and log in with it, or use OAuth2"
        " (pillarbox.client.google)"
    ),
    "google-login-needed": _GIVE_LOGIN,
    "google-daily-limit": (
        "Send again when the window has moved on. To send more: a second account, or the SMTP relay"
        " of Google Workspace"
    ),
    "pillarbox-sender": (
        "Send as the address of the login, in the envelope and in From, or have the administrator"
        " grant the other one"
    ),
    "pillarbox-mailbox-sender": (
        "Send as the mailbox that the reply names, in the envelope and in From, or have the"
        " administrator allow the other address"
    ),
    "pillarbox-null-sender": (
        "Send as the address of the login; for reports of a mail server have the administrator"
        " grant the empty sender"
    ),
    "pillarbox-no-login": _GIVE_LOGIN,
    "pillarbox-login": (
        f"{_LOGIN}: the user name is the full address of the account. The administrator finds"
        " which it was by the id in brackets"
    ),
    "pillarbox-token": (
        "Get a new token for the audience of that server, with the full address of the account as"
        " user name. The administrator finds by the id in brackets what is wrong with the token"
    ),
    "pillarbox-login-locked": f"{_LOGIN}, then wait as long as the server says",
    "pillarbox-no-route": "Have the administrator open a way to this domain",
    "pillarbox-route-rejects": "If the rule is not meant for this mail, ask the administrator",
    "pillarbox-client": (
        "Change in the program what the reply names; the administrator finds the rest by the id in"
        " brackets"
    ),
    "ses-unverified": (
        "Verify the domain in Amazon SES, in the region of the server; leave the sandbox"
    ),
    "starttls-first": _STARTTLS,
    "rfc-530": _GIVE_LOGIN,
    "rfc-5.7.8": _LOGIN,
    "too-many-failed-logins": f"{_LOGIN}, then wait as long as the server says",
    "rfc-5.7.11": _STARTTLS,
    "rfc-x.4.6": "Look at forwardings and MX records of the recipient's domain",
    "relay-denied": (
        "Give auth= user name and password, or use the server that takes mail for this domain"
    ),
    "rfc-x.7.4": "Leave TLS on, or use the submission port (587 or 465)",
    "rfc-x.7.10": _STARTTLS,
    "rfc-x.7.25": (
        "Have whoever runs the network set the PTR record of this address to the name in helo_name="
    ),
    "rfc-x.7.13": "Have the account switched on again, or log in with another one",
}

_CAUSES = {
    "m365-22": (
        "No login was made: there was none to make, AUTH came too late, or TLS is missing; or"
        " Direct Send points to smtp.office365.com."
    ),
    "m365-58": "The message has line feeds without a carriage return.",
    "rfc-5.7.8": "User name or password are wrong, or password logins are switched off there.",
    "pillarbox-null-sender": (
        "The sender is empty (MAIL FROM:<>), as in reports, and the login may not send with that."
    ),
    "pillarbox-no-route": "The administrator has opened no way from this sender to this domain.",
    "pillarbox-route-rejects": "A rule refuses this recipient; its words stand behind the colon.",
    "relay-denied": (
        "The server does not pass mail for this domain on for whoever asks: a login is missing, or"
        " it is the wrong server."
    ),
}

_PHRASES = (
    ("Nothing to change: it is tried again with fewer connections", "Send again later"),
    ("Nothing to change: it is tried again", "Send again later"),
    ("Nothing has to be changed: mail waits until", "Send again when"),
    ("Mail waits until the window moves on", "Send again when the window has moved on"),
    ("Mail is tried again; lower the caps of the route", "Send again later, and less at once"),
    ("lower the caps of the route", "send less at once"),
    ("Mail is tried again", "Send again later"),
    ("It is tried again", "Send it again later"),
    (" moves on", " has moved on"),
    (", or let it send through Pillarbox", ""),
)


class Advice(NamedTuple):
    """What is behind a reply, and what to do about it."""

    cause: str
    fix: str


def advice_of(explanation: Explanation) -> Advice:
    """An explanation as a program should read it."""
    fix = _FIXES.get(explanation.id)
    if fix is None:
        fix = explanation.fix
        for old, new in _PHRASES:
            fix = fix.replace(old, new)
    return Advice(_CAUSES.get(explanation.id, explanation.cause), fix)
