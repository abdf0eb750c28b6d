"""The checks of name, connection, SMTP, login and sender: id, severity, cause, fix. Values only."""

from pillarbox.diagnosis.finding import Check, fail, info, warn

_CONNECTION: tuple[Check, ...] = (
    fail(
        "MODE-WRONG",
        "port {port} {way}",
        "choose {choice} for this port",
    ),
    warn(
        "CLIENT-IN-CLEAR",
        "{client} is set to send without encryption: mail and password go in the clear",
        "turn on encryption in it: {choice}",
    ),
    fail(
        "PORT-NOT-SERVED",
        "{provider} does not serve port {port}, although guides may name it",
        "use port {other} with {way}",
    ),
    fail(
        "HOST-TAKES-MAIL",
        "{host} takes mail for its own domain (MX); it is no server for sending",
        "use {better}",
    ),
    fail(
        "HOST-IS-MAILBOX",
        "{host} is where mail is read (IMAP, EWS), not where it is sent",
        "use {better}",
    ),
    warn(
        "HOST-OTHER-ACCOUNTS",
        "{host} is for private accounts of Outlook.com, not for Microsoft 365",
        "use smtp.office365.com for a mailbox of an organisation",
    ),
    fail(
        "DNS-NO-HOST",
        "the name has no address",
        "check the name for a typing error; `pillarbox find ADDRESS` finds the right one",
    ),
    fail(
        "DNS-NO-ANSWER",
        "no DNS server answered this machine",
        "check the DNS servers of this machine (/etc/resolv.conf)",
    ),
    fail(
        "TCP-REFUSED",
        "nothing listens there, or a firewall rejects it",
        "check the port, and that the server runs",
    ),
    fail(
        "TCP-FILTERED",
        "no answer: a firewall drops the packets, or the server is down",
        "let this machine out to that port; many networks block port 25",
    ),
    fail(
        "TCP-UNREACHABLE",
        "there is no way to that address from here",
        "check the network of this machine",
    ),
)

_OTHER_PROTOCOLS: tuple[Check, ...] = (
    fail(
        "HTTP-ANSWERS",
        "a web server or a proxy answers there, not a mail server",
        "check host and port; a proxy or a captive portal may stand between",
    ),
    fail("IMAP-ANSWERS", "an IMAP server answers there: it is for reading mail", "use port {port}"),
    fail("POP3-ANSWERS", "a POP3 server answers there: it is for reading mail", "use port {port}"),
    fail("SSH-ANSWERS", "an SSH server answers there", "check host and port"),
    fail("FTP-ANSWERS", "an FTP server answers there", "check host and port"),
    fail(
        "LMTP-ANSWERS",
        "an LMTP server answers there: it delivers into mailboxes",
        "use the port for submission of the same host, most often 587",
    ),
    fail(
        "PROXY-CHANGES",
        "something between overwrites what the server offers (XXXX): a firewall that inspects SMTP",
        "turn off the inspection of SMTP there (Cisco: no fixup protocol smtp, no inspect esmtp)",
    ),
    fail(
        "SMTP-NOT-SPOKEN",
        "what answers there is no SMTP server, or something between changes what it says",
        "check host and port; look for a proxy or a firewall that inspects SMTP",
    ),
    fail(
        "SMTP-CUT",
        "the connection was cut in the middle",
        "look at the log of the server; a firewall between may do it",
    ),
    fail(
        "SMTP-SHUT-DOWN",
        "the server ended the session",
        "try again later; it may have too many sessions",
    ),
    fail("SMTP-FAILED", "{cause}", "see the stages"),
)

_OPENING: tuple[Check, ...] = (
    fail(
        "BANNER-REFUSED",
        "the server does not want a session with this machine",
        "ask its operator whether this address may connect",
    ),
    fail(
        "BANNER-NONE",
        "the server takes the connection and says nothing",
        "it may wait for TLS, as on port 465, or be overloaded",
    ),
    warn(
        "BANNER-SLOW",
        "the server lets clients wait {milliseconds} ms for its greeting",
        "look at its DNS (PTR look-ups that fail), greet delay and load; clients with short"
        " time-outs fail",
    ),
    info(
        "BANNER-MULTILINE",
        "the greeting has several lines, which simple clients take for several replies",
        "make it one line where printers or small programs send",
    ),
    fail(
        "EHLO-REFUSED",
        "the server refuses EHLO",
        "ask its operator what it wants to be greeted with",
    ),
    fail(
        "EHLO-UNKNOWN",
        "the server knows HELO alone, so neither TLS nor a login",
        "something between may speak for the server; else update it",
    ),
    warn(
        "STAGE-SLOW",
        "the step {stage} took {milliseconds} ms",
        "look at load, DNS and directory of the server, and at the way there",
    ),
    warn(
        "CLOCK-SKEW",
        "the clocks of server and this machine differ by {minutes} minutes",
        "set the clock of the one that is wrong (NTP): certificates and tokens are judged by it",
    ),
    fail(
        "STARTTLS-MISSING",
        "STARTTLS is not offered: it is off, or something between strips it",
        "turn on STARTTLS at the server; compare from another network",
    ),
    fail(
        "STARTTLS-REFUSED",
        "the server offers STARTTLS and then refuses it",
        "mend the certificate in the configuration of the server",
    ),
    fail(
        "STARTTLS-INJECTED",
        "replies in the clear stand behind the answer to STARTTLS",
        "find out who can change the traffic on the way",
    ),
    fail(
        "STARTTLS-INJECTABLE",
        "a command that came in the clear behind STARTTLS was answered under TLS: who can change"
        " the traffic can slip in commands (CVE-2011-0411)",
        "update the server; it must forget what it read before the handshake (RFC 3207 4.2)",
    ),
    warn(
        "STARTTLS-TWICE",
        "STARTTLS is still offered under TLS",
        "update the server: RFC 3207 4.2 forbids it, and some clients start TLS twice",
    ),
    fail(
        "RELAY-OPEN",
        "the server takes mail for anybody without a login: it is an open relay",
        "have it refuse recipients elsewhere without a login, or take this machine's network out"
        " of those it trusts",
    ),
    info(
        "RELAY-NEAR",
        "the server takes mail for anybody without a login from this machine's own network",
        "right where it is meant so (mynetworks and the like); else take the network out",
    ),
)

_LOGIN: tuple[Check, ...] = (
    warn(
        "AUTH-BEFORE-TLS",
        "a login is offered before TLS: passwords could go in the clear",
        "have the server offer AUTH under TLS only",
    ),
    warn(
        "AUTH-NOT-OFFERED",
        "no login is offered, or not to this network",
        "turn on AUTH for this port",
    ),
    info(
        "AUTH-NO-PLAIN",
        "AUTH PLAIN is not offered, only {offered}",
        "set the client to one of those if it does not choose by itself",
    ),
    warn(
        "AUTH-TOKEN-ONLY",
        "no password is taken, only a token of OAuth2 ({offered})",
        "use a client that does OAuth2, or one of them behind a relay that does it for others",
    ),
    warn(
        "AUTH-OLD-SYNTAX",
        "AUTH is offered in the form of the 1990s alone (AUTH=LOGIN), which newer clients miss",
        'have the server say "AUTH LOGIN PLAIN" (RFC 4954)',
    ),
    warn(
        "AUTH-WEAK-ONLY",
        "only {offered} is offered, which newer clients do not do any more",
        "turn on PLAIN under TLS, or SCRAM-SHA-256",
    ),
    fail(
        "LOGIN-NOT-OFFERED",
        "no login with {wanted} is offered here, only {offered}",
        "{advice}",
    ),
    fail(
        "LOGIN-REFUSED",
        "the server does not take this login ({mechanism})",
        "check user name and password; with a second factor it must be an app password",
    ),
    fail(
        "LOGIN-UNAVAILABLE",
        "the server can not check logins at the moment",
        "try again later: its directory does not answer, or it limits logins",
    ),
    fail(
        "LOGIN-BROKEN",
        "the dialogue of the login breaks off: {what}",
        "try another mechanism with --mechanism; look at the log of the server",
    ),
    fail(
        "TOKEN-REFUSED",
        "the server does not take this token",
        "compare user, audience and permissions of the token with what the server wants",
    ),
    fail("TOKEN-EXPIRED", "the token ended {ago} ago", "get a new one; check the clock"),
    fail(
        "TOKEN-NOT-YET-VALID",
        "the token begins in {ahead}: the clock of this machine is slow",
        "set the clock of this machine (NTP)",
    ),
    fail(
        "TOKEN-AUDIENCE",
        "the token is meant for {audience}, not for the mail server",
        "ask for the scope {scope}",
    ),
    fail(
        "TOKEN-SCOPE",
        "the token has the permissions {permissions}, none of which is for sending by SMTP",
        "add {wanted} to the registration of the application, consent, and get a new token",
    ),
    warn(
        "TOKEN-USER",
        "the token was given to {owner}, and the login is for {user}",
        "log in as {owner}, or have Send As of the other mailbox granted",
    ),
    fail(
        "TOKEN-MALFORMED",
        "this is no token as it is sent: {what}",
        "give the access token alone: no quotes, no Bearer, no line breaks",
    ),
    info(
        "TOKEN-OPAQUE",
        "nothing can be read in this token: only its issuer knows what it is for",
        "nothing to change; tokens of Google and of private persons at Microsoft are so",
    ),
    info(
        "TOKEN-READ",
        "the token is for {audience}, given to {owner}, with {permissions}; it ends in {left}",
        "nothing to change",
    ),
)

_SENDER: tuple[Check, ...] = (
    fail(
        "SENDER-REFUSED",
        "the server does not let this login send as {sender}",
        "have Send As of that address granted, or use the address of the login",
    ),
    fail(
        "LOGIN-NEEDED",
        "the server wants a login before it takes a sender",
        "give the client user name and password, and turn on authentication in it",
    ),
    info(
        "SENDER-ANY",
        "the server takes a sender elsewhere ({sender}) in MAIL; it may still refuse the message",
        "nothing to change",
    ),
    fail(
        "RECIPIENT-REFUSED",
        "the server does not take mail of this sender to {recipient}",
        "see the reply; the sender may not be allowed to mail there",
    ),
    info(
        "SIZE-SMALL",
        "the server takes messages of at most {megabytes} MB",
        "keep attachments below about three quarters of that",
    ),
    warn(
        "SIZE-NOT-KEPT",
        "the server announces a limit of {limit} octets and takes a larger SIZE in MAIL",
        "nothing to change in clients: the refusal comes later, at the end of the message",
    ),
    fail(
        "MESSAGE-REFUSED",
        "the server did not take the test message",
        "see the reply",
    ),
    info(
        "MESSAGE-SENT",
        "the test message {mark} was taken",
        "look into the mailbox of {recipient}; what became of it on its way:"
        " pillarbox doctor message FILE",
    ),
)

SMTP_CHECKS: tuple[Check, ...] = (
    *_CONNECTION,
    *_OTHER_PROTOCOLS,
    *_OPENING,
    *_LOGIN,
    *_SENDER,
)
