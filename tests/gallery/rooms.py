"""The broken servers. Each is one short entry."""

import time
from base64 import urlsafe_b64encode
from email.utils import formatdate
from json import dumps

from tests.gallery.certificates import HOST, Cert
from tests.gallery.domains import ADDRESSES, CLEAN_DOMAINS, DOMAINS, ZONES
from tests.gallery.exhibits import LOGIN, NOTHING, SENDING, Ask, Exhibit, one
from tests.gallery.fake_tls import FakeTls
from tests.gallery.letters import CLEAN_LETTERS, LETTERS
from tests.gallery.server import PASSWORD, USER, Server

RSA = Cert(key="rsa2048")
GOOD_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
M365 = "smtp.office365.com"
M365_SERVER = Server(
    offers_tls="AUTH LOGIN XOAUTH2|SIZE 157286400|8BITMIME", cert=Cert(names=(M365,))
)


def jwt(**claims: object) -> str:
    """A token with these claims and no signature that anybody checks."""
    parts = [urlsafe_b64encode(dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "c2ln"])


def m365_token(**claims: object) -> str:
    """A token that is right for Microsoft 365, but for these claims."""
    right = {
        "aud": "https://outlook.office.com",
        "exp": int(time.time()) + 3600,
        "upn": USER,
        "scp": "SMTP.Send",
    }
    return jwt(**{**right, **claims})


def by_token(name: str, first: str, token: str, server: Server = M365_SERVER) -> Exhibit:
    """An exhibit of a token at Microsoft 365."""
    return Exhibit(name, first, {587: server}, f"{M365}:587", Ask(USER, token=token))


CONNECTIONS = (
    Exhibit("no such host", "DNS-NO-HOST", has_address=False),
    Exhibit("nobody listens", "TCP-REFUSED", {}, f"{HOST}:587"),
    Exhibit("a firewall drops", "TCP-FILTERED", {}, f"{HOST}:587", silent=(25, 465, 587, 2525)),
    Exhibit("one address is dead", "TCP-REFUSED", {587: Server()}, dead=("11.0.0.99",)),
    Exhibit("SSL/TLS at 587", "MODE-WRONG", {587: Server()}, f"smtps://{HOST}:587"),
    Exhibit(
        "STARTTLS at 465", "MODE-WRONG", {465: Server(implicit=True)}, f"submission://{HOST}:465"
    ),
    Exhibit("Microsoft at 465", "PORT-NOT-SERVED", {587: M365_SERVER}, f"{M365}:465"),
    Exhibit(
        "an MX of Microsoft", "HOST-TAKES-MAIL", {}, "corp-com.mail.protection.outlook.com:587"
    ),
    Exhibit("the host for reading", "HOST-IS-MAILBOX", {}, "outlook.office365.com:587"),
    Exhibit("an IMAP host", "HOST-IS-MAILBOX", {}, "imap.corp.com"),
    Exhibit(
        "the host of private accounts",
        "HOST-OTHER-ACCOUNTS",
        {587: Server(cert=Cert(names=("smtp-mail.outlook.com",)), offers_tls="AUTH LOGIN PLAIN")},
        "smtp-mail.outlook.com:587",
        LOGIN,
    ),
)

OTHER_SERVICES = (
    one("a web server", "HTTP-ANSWERS", raw=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    one("a captive portal", "HTTP-ANSWERS", raw=b"<!DOCTYPE html><html>log in</html>\r\n"),
    one("an IMAP server", "IMAP-ANSWERS", raw=b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
    one("a POP3 server", "POP3-ANSWERS", raw=b"+OK POP3 ready\r\n"),
    one("an SSH server", "SSH-ANSWERS", raw=b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    one("an FTP server", "FTP-ANSWERS", banner="220 corp.com FTP server", says={"EHLO": "500 no"}),
    one(
        "an LMTP server", "LMTP-ANSWERS", banner="220 corp.com LMTP ready", says={"EHLO": "500 no"}
    ),
    one("another service", "SMTP-NOT-SPOKEN", raw=b"J\x00\x00\x00\x0a8.0.36\r\n"),
    one("a firewall that inspects", "PROXY-CHANGES", offers="XXXXXXXA|SIZE 1000000|XXXB"),
    one("a cut at once", "SMTP-CUT", banner="!"),
    one("a cut after EHLO", "SMTP-CUT", says={"EHLO": "!"}),
    one("421 to EHLO", "EHLO-REFUSED", says={"EHLO": "421 4.3.2 shutting down"}),
)

GREETINGS = (
    one("554 greeting", "BANNER-REFUSED", banner="554 5.7.1 no SMTP service here"),
    one("421 greeting", "BANNER-REFUSED", banner="421 4.7.0 too many connections"),
    Exhibit(
        "silence",
        "BANNER-NONE",
        {587: Server(banner="")},
        f"{HOST}:587",
        seconds=1.0,
    ),
    one("a slow greeting", "BANNER-SLOW", slow={"": 3.1}),
    one("a slow EHLO", "STAGE-SLOW", slow={"EHLO": 3.1}),
    one("EHLO refused", "EHLO-REFUSED", says={"EHLO": "550 5.7.1 your name is not right"}),
    one("HELO alone", "EHLO-UNKNOWN", says={"EHLO": "502 5.5.1 command not implemented"}),
    one(
        "a wrong clock",
        "CLOCK-SKEW",
        banner=f"220 mail.corp.com ESMTP; {formatdate(time.time() - 7200)}",
    ),
    one("a greeting of two lines", "BANNER-MULTILINE", banner="220-mail.corp.com|220 no spam"),
)

STARTTLS = (
    one("no STARTTLS", "STARTTLS-MISSING", offers="AUTH PLAIN|SIZE 1000"),
    one("STARTTLS refused", "STARTTLS-REFUSED", says={"STARTTLS": "454 4.7.0 TLS not available"}),
    one("replies slipped in", "STARTTLS-INJECTED", says={"STARTTLS": "220 go|250 x"}),
    one("commands slipped in", "STARTTLS-INJECTABLE", keeps_buffer=True),
    one("STARTTLS again", "STARTTLS-TWICE", offers_tls="STARTTLS|AUTH PLAIN LOGIN"),
    one("no TLS at 465", "TLS-NOT-SPOKEN", 465, offers="AUTH PLAIN"),
)

LOGINS = (
    one("a login in the clear", "AUTH-BEFORE-TLS", offers="STARTTLS|AUTH PLAIN LOGIN"),
    one("no login", "AUTH-NOT-OFFERED", offers_tls="SIZE 50000000"),
    one("tokens alone", "AUTH-TOKEN-ONLY", offers_tls="AUTH XOAUTH2 OAUTHBEARER"),
    one("LOGIN alone", "AUTH-NO-PLAIN", offers_tls="AUTH LOGIN"),
    one("the old syntax", "AUTH-OLD-SYNTAX", offers_tls="AUTH=LOGIN PLAIN"),
    one("CRAM-MD5 alone", "AUTH-WEAK-ONLY", offers_tls="AUTH CRAM-MD5 NTLM"),
    one("a password for tokens", "LOGIN-NOT-OFFERED", offers_tls="AUTH XOAUTH2", ask=LOGIN),
    one("a token for passwords", "LOGIN-NOT-OFFERED", ask=Ask(USER, token="opaque")),
    one("a wrong password", "LOGIN-REFUSED", ask=Ask(USER, "wrong")),
    Exhibit(
        "SMTP AUTH switched off",
        "LOGIN-REFUSED",
        {
            587: Server(
                offers_tls="AUTH LOGIN XOAUTH2",
                cert=Cert(names=(M365,)),
                says={
                    "AUTH": "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication"
                    " is disabled for the Tenant."
                },
            )
        },
        f"{M365}:587",
        LOGIN,
    ),
    one("no directory", "LOGIN-UNAVAILABLE", says={"AUTH": "454 4.7.0 try later"}, ask=LOGIN),
    one("endless challenges", "LOGIN-BROKEN", says={"AUTH": "334 ", "AH": "334 "}, ask=LOGIN),
    by_token("a token that ended", "TOKEN-EXPIRED", m365_token(exp=int(time.time()) - 600)),
    by_token("a token of tomorrow", "TOKEN-NOT-YET-VALID", m365_token(nbf=int(time.time()) + 9000)),
    by_token("a token for Graph", "TOKEN-AUDIENCE", m365_token(aud="https://graph.microsoft.com")),
    by_token("a token without the scope", "TOKEN-SCOPE", m365_token(scp="User.Read")),
    by_token("a token of somebody else", "TOKEN-USER", m365_token(upn="boss@corp.com")),
    by_token("a token with quotes", "TOKEN-MALFORMED", f'"{m365_token()}"'),
    one(
        "a token refused",
        "TOKEN-REFUSED",
        offers_tls="AUTH XOAUTH2",
        says={"AUTH": "535 5.7.3 Authentication unsuccessful"},
        ask=Ask(USER, token="opaque"),
    ),
)

SENDERS = (
    one(
        "a sender refused",
        "SENDER-REFUSED",
        says={"MAIL": "550 5.7.60 SMTP; Client does not have permissions to send as this sender"},
        ask=SENDING,
    ),
    one("a sender without a login", "LOGIN-NEEDED", ask=Ask(sender=USER)),
    one(
        "a recipient refused",
        "RECIPIENT-REFUSED",
        says={"RCPT TO:<X@": "550 5.1.1 no such user"},
        ask=Ask(USER, PASSWORD, sender=USER, recipient="x@corp.com"),
    ),
    one(
        "a limit that is not kept",
        "SIZE-NOT-KEPT",
        keeps_size=False,
        says={"MAIL FROM:<POSTMASTER@": "550 5.7.1 not yours"},
        ask=SENDING,
    ),
    one("any sender", "SENDER-ANY", ask=SENDING),
    one("a small limit", "SIZE-SMALL", offers_tls="AUTH PLAIN LOGIN|SIZE 1000000"),
    one("an open relay", "RELAY-OPEN", 25, relays=True),
    one(
        "a message refused",
        "MESSAGE-REFUSED",
        says={".": "554 5.7.1 spam"},
        ask=Ask(USER, PASSWORD, sender=USER, send=True),
    ),
)

CERTIFICATES = (
    one("an expired certificate", "TLS-CERT-EXPIRED", cert=Cert(days=(-100, -3))),
    one("a certificate of tomorrow", "TLS-CERT-NOT-YET-VALID", cert=Cert(days=(1, 90))),
    one("a certificate for another name", "TLS-CERT-NAME", cert=Cert(names=("other.com",))),
    one("a certificate without names", "TLS-CERT-NO-NAMES", cert=Cert(has_san=False)),
    one("another authority", "TLS-CERT-UNTRUSTED", cert=Cert(chain="unknown")),
    one("a private authority", "TLS-CERT-PRIVATE-CA", cert=Cert(chain="root")),
    Exhibit(
        "a private authority at a port of its own",
        "TLS-CERT-PRIVATE-CA",
        {24465: Server(implicit=True, cert=Cert(chain="root"))},
        f"{HOST}:24465",
        seconds=1.0,
    ),
    one("signed by itself", "TLS-CERT-SELF-SIGNED", cert=Cert(chain="self")),
    one("no intermediate", "TLS-CHAIN-INCOMPLETE", cert=Cert(chain="leaf")),
    one("a chain in disorder", "TLS-CHAIN-ORDER", cert=Cert(chain="disorder")),
    one("a certificate for clients", "TLS-CERT-PURPOSE", cert=Cert(purpose="client")),
    one("a certificate near its end", "TLS-CERT-ENDS-SOON", cert=Cert(days=(-80, 6))),
    one("an RSA key of 1024 bits", "TLS-CERT-KEY-WEAK", cert=Cert(key="rsa1024")),
    one("SHA-1", "TLS-CERT-SIGNATURE", cert=Cert(chain="sha1")),
    one("another default", "TLS-SNI-DIFFERENT", unnamed=Cert(("default.corp.com",), key="p256-2")),
)

VERSIONS = (
    one("SSL 3", "TLS-SSL3", fake=FakeTls(0x0300, 0x0035)),
    one("TLS 1.0", "TLS-VERSION-OLD", versions=("1.0", "1.3")),
    one("TLS 1.1", "TLS-VERSION-OLD", 465, implicit=True, versions=("1.1", "1.2")),
    one("nothing newer than TLS 1.1", "TLS-TOO-OLD", versions=("1.0", "1.1")),
    one("no TLS 1.3", "TLS-NO-1-3", versions=("1.2", "1.2")),
    one("TLS 1.3 alone", "TLS-ONLY-1-3", versions=("1.3", "1.3")),
    one("RC4", "TLS-CIPHER-BROKEN", fake=FakeTls(suite=0x0005)),
    one("NULL", "TLS-CIPHER-BROKEN", cert=RSA, ciphers="ALL:NULL-SHA256"),
    one("export suites", "TLS-CIPHER-BROKEN", fake=FakeTls(suite=0x0003)),
    one("anonymous suites", "TLS-ANONYMOUS", ciphers="ALL:aNULL"),
    one(
        "no forward secrecy",
        "TLS-NO-FORWARD-SECRECY",
        cert=RSA,
        versions=("1.2", "1.2"),
        ciphers="AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    ),
    one("suites of old clients", "TLS-STATIC-RSA", cert=RSA),
    one("Logjam", "TLS-DH-WEAK", cert=RSA, ciphers=f"{GOOD_SUITES}:DHE", weak_group=True),
    one("compression", "TLS-COMPRESSION", fake=FakeTls(compression=1)),
    one("unsafe renegotiation", "TLS-RENEGOTIATION", fake=FakeTls(renegotiates=False)),
)

STORES = (
    Exhibit("roots that are old", "TLS-STORE-OLD", {587: Server()}, vouching="mozilla"),
    Exhibit(
        "an authority of the own network",
        "TLS-CERT-NOT-MOZILLA",
        {587: Server()},
        vouching="system",
    ),
    Exhibit("clients that are old", "TLS-OLD-CLIENTS", {587: Server()}, ciphers=True),
)

BROKEN = (
    *CONNECTIONS,
    *OTHER_SERVICES,
    *GREETINGS,
    *STARTTLS,
    *LOGINS,
    *SENDERS,
    *CERTIFICATES,
    *VERSIONS,
    *STORES,
    *DOMAINS,
    *ADDRESSES,
    *ZONES,
    *LETTERS,
)

CLEAN = (
    *CLEAN_DOMAINS,
    *CLEAN_LETTERS,
    Exhibit("587 and 465", "", {587: Server(), 465: Server(implicit=True)}),
    Exhibit("with port 25", "", {25: Server(offers_tls="SIZE 9999999999"), 587: Server()}),
    Exhibit("Microsoft 365", "", {587: M365_SERVER}, f"{M365}:587"),
    Exhibit("a login and a sender", "", {587: Server()}, f"{HOST}:587", SENDING),
    Exhibit("TLS alone", "", {465: Server(implicit=True)}, f"smtps://{HOST}", NOTHING),
    Exhibit("a right token", "", {587: M365_SERVER}, f"{M365}:587", Ask(USER, token=m365_token())),
)
