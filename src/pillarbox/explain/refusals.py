"""Every refusal that the service makes inside an SMTP session: its codes and its words. Pure.

The text tells the person who reads it in the client which setting to change, and ends with the
session's id, under which log and console show the whole story. The hint tells the administrator
what usually stands behind it. Replies never repeat what the client sent.

Codes: RFC 5321 4.2, RFC 3463, RFC 4954 6, RFC 6531 3.5, RFC 7504.
"""

from enum import Enum, unique
from typing import TypeAlias

from pillarbox.explain import protocol_refusals as protocols
from pillarbox.explain import return_refusals as returns
from pillarbox.explain import route_refusals as routes
from pillarbox.explain import unspoken_refusals as unspoken
from pillarbox.explain.refusal_text import refusal_text as _t
from pillarbox.mail.reply import Reply

Fact: TypeAlias = str | int
"""What fills a place in a text: a number, or words of the service's own."""


@unique
class Refusal(Enum):
    """All refusals. The name is what logs and the session record show."""

    # Encryption and login.
    AUTH_NEEDS_ENCRYPTION = _t(
        "530 5.7.0",
        "Authentication needs encryption: turn on STARTTLS in the client, or use port 465 with"
        " SSL/TLS",
        "The client tried to send without TLS. Its setting for encryption is off.",
    )
    AUTH_BEFORE_ENCRYPTION = _t(
        "538 5.7.11",
        "Authentication needs encryption: turn on STARTTLS in the client, or use port 465 with"
        " SSL/TLS",
        "The client sent AUTH without TLS. If a password went with it, it crossed the network in"
        " the clear: change it.",
    )
    AUTH_REQUIRED = _t(
        "530 5.7.0",
        "Log in first: turn on authentication (SMTP AUTH) in the client and give it user name and"
        " password",
        "The client sent MAIL without a login: authentication is off in it, or its login failed.",
    )
    LOGIN_FAILED = _t(
        "535 5.7.8",
        "Login failed: check user name (the full address) and password in the client",
        "User name or password are wrong, or the account or credential is switched off or expired."
        " The client is never told which; the session record says it.",
    )
    TOKEN_REFUSED = _t(
        "535 5.7.8",
        "Login with OAuth2 failed: sign in anew in the client, with the address as user name",
        "No token of the tenant's issuer, for its audience and of a subject of this account; the"
        " session record says which. See `pillarbox issuer show` and docs/oauth2-clients.md.",
    )
    LOGIN_UNAVAILABLE = _t(
        "454 4.7.0",
        "Logins can not be checked now: nothing is wrong in the client, try again in a few minutes",
        "The directory of accounts did not answer. Look at the database.",
    )
    TOO_MANY_FAILURES = _t(
        "421 4.7.0",
        "Too many failed logins: correct user name or password in the client, then try again in"
        " {minutes} minutes",
        "Logins from this address, or for this account from this address, failed too often.",
    )
    LOGIN_CANCELLED = _t(
        "501 5.7.0",
        "Login cancelled by the client: if nobody cancelled it, choose the login method PLAIN or"
        " LOGIN in the client",
        "The client answered '*' in the middle of AUTH (RFC 4954 section 4).",
    )
    LOGIN_SYNTAX = _t(
        "501 5.5.2",
        "The login was not valid base64 or had control characters in it: type user name and"
        " password again in the client",
        "AUTH carried octets that are no base64, or a NUL, CR or LF inside user name or password.",
    )
    LOGIN_TOO_LONG = _t(
        "500 5.5.6",
        "The login is longer than 12288 octets: use a shorter password or token in the client",
        "RFC 4954 section 4.2 sets this limit for a line of an authentication.",
    )
    LOGIN_MECHANISM = _t(
        "504 5.5.4",
        "This login method is not offered: choose PLAIN or LOGIN (often called 'normal password')"
        " in the client",
        "The client asked for a mechanism that EHLO did not list, CRAM-MD5 or NTLM say.",
    )
    LOGIN_TWICE = _t(
        "503 5.5.1",
        "Already logged in: to log in as somebody else, connect anew",
        "The client sent a second AUTH (RFC 4954 section 4).",
    )
    LOGIN_IN_TRANSACTION = _t(
        "503 5.5.1",
        "Log in before MAIL, not in the middle of a mail transaction",
        "The client sent AUTH after MAIL (RFC 4954 section 4).",
    )
    LOGIN_NOT_OFFERED = _t(
        "502 5.5.1",
        "No login is needed or possible on this port: turn off authentication in the client, or"
        " use port 465 or 587",
        "The client sent AUTH to a listener without logins.",
    )
    TLS_NOT_OFFERED = _t(
        "502 5.5.1",
        "STARTTLS is not offered on this port: use port 587 with STARTTLS or port 465 with SSL/TLS",
        "The listener has no TLS by STARTTLS.",
    )
    TLS_ALREADY_ON = _t(
        "503 5.5.1",
        "The connection is encrypted already: choose SSL/TLS instead of STARTTLS in the client",
        "The client sent STARTTLS inside TLS.",
    )
    TLS_UNAVAILABLE = _t(
        "454 4.7.0",
        "TLS is not available at the moment: try again in a few minutes",
        "The certificate or its key can not be used (RFC 3207 section 4).",
    )
    INJECTED_BEFORE_TLS = _t(
        "554 5.5.0",
        "Octets arrived behind STARTTLS before the TLS handshake: the client, or somebody between"
        " it and this server, is broken",
        "What stands behind STARTTLS in plain text could be an injected command (CVE-2011-0411).",
    )

    # What an account may do.
    SENDER_NOT_ALLOWED = _t(
        "550 5.7.60",
        "This login may not send from that address: set the sender address in the client to the"
        " address of the login, or ask the administrator for a send-as right",
        "The reverse-path (MAIL FROM) belongs to somebody else: `pillarbox send-as` grants such"
        " rights.",
    )
    NULL_SENDER_NOT_ALLOWED = _t(
        "550 5.7.60",
        "This login may not send with an empty sender (MAIL FROM:<>): set the sender address in the"
        " client, or ask the administrator for the send-as right '<>' if this client is a mail"
        " server that returns mail",
        "Only mail servers need the null reverse-path, for their bounces: grant them send-as '<>'.",
    )
    FROM_NOT_ALLOWED = _t(
        "550 5.7.60",
        "This login may not send with that From address: set From in the message to one single"
        " address of the login, with quotes around a name that has any of []<>:;,@\\ in it, or ask"
        " the administrator for a send-as right",
        "The From field is there twice, names somebody else, or has a form that programs read"
        ' differently: Scan [2nd floor] <a@b>, say, where "Scan [2nd floor]" <a@b> is right.',
    )
    ACCOUNT_OFF = _t(
        "550 5.7.1",
        "This login may not send mail any more: ask the administrator",
        "The account or its tenant was switched off while the session was open.",
    )
    NO_ROUTE = routes.NO_ROUTE
    REJECTED_BY_ROUTE = routes.REJECTED_BY_ROUTE
    MAILBOX_FROM_NOT_ALLOWED = routes.MAILBOX_FROM_NOT_ALLOWED
    RECIPIENT_SUPPRESSED = _t(
        "550 5.7.1",
        "Mail to that recipient is not sent: it came back, the recipient complained, or the"
        " administrator said so. Correct the address, or have it allowed (pillarbox suppression"
        " remove ADDRESS)",
        "`pillarbox suppression list` shows why and until when.",
    )
    TOO_MANY_RECIPIENTS = _t(
        "452 4.5.3",
        "Too many recipients: send the rest in another message, at most {limit} in each",
        "RFC 5321 section 4.5.3.1.10: the recipients before this one are kept.",
    )
    DAILY_LIMIT = _t(
        "451 4.7.1",
        "This login has reached its limit of {limit} recipients a day: go on after midnight UTC, or"
        " ask the administrator to raise the limit",
        "`pillarbox account change ADDRESS --recipients-per-day NUMBER` sets another limit, for"
        " all accounts of a tenant `pillarbox tenant change --account-recipients-per-day`. If the"
        " account never sends so much, somebody else may have its password.",
    )
    TOO_MANY_MESSAGES = _t(
        "421 4.7.0",
        "This connection has sent {limit} messages: go on in a new connection",
        "The limit of transactions a session, announced as MAILMAX (RFC 9422).",
    )
    SIZE_EXCEEDED = _t(
        "552 5.3.4",
        "The message is too large: at most {limit} octets are taken, so send it without large"
        " attachments or in parts",
        "Above the service's, the tenant's or the account's size limit.",
    )
    HEADER_TOO_LARGE = _t(
        "552 5.3.4",
        "The header of the message is too large: at most {limit} octets are taken",
        "A header of this size is made by a broken program or an attack.",
    )
    LOOP = _t(
        "554 5.4.6",
        "The message is running in circles: it passed too many servers already",
        "Too many Received fields. A route of this service leads back to it.",
    )

    # A port that takes reports (purpose = "returns").
    NO_RETURN_ADDRESS = returns.NO_RETURN_ADDRESS
    NO_REPORT = returns.NO_REPORT

    # The state of the service.
    SPOOL_FULL = _t(
        "452 4.3.1",
        "Not enough room to keep mail at the moment: nothing is wrong in the client, try again"
        " later",
        "The disk is below the reserve: free some room, the service goes on by itself.",
    )
    SPOOL_AWAY = _t(
        "451 4.3.0",
        "Mail can not be kept at the moment: nothing is wrong in the client, try again later",
        "The database does not answer or did not take the message.",
    )
    SHUTTING_DOWN = _t(
        "421 4.3.2",
        "The service is about to stop or restart: try again in a minute",
        "The service was told to stop; open sessions end between two commands.",
    )
    TIMEOUT = _t(
        "421 4.4.2",
        "The client took too long: connect anew",
        "The client was silent, did not log in, or sent less than a slow line carries. The limits"
        " are those that end in timeout_seconds, and data_octets_per_second.",
    )
    TOO_MANY_SESSIONS = _t(
        "421 4.7.0",
        "Too many connections from this address: let the client use fewer at once",
        "The limit of sessions an address is reached (sessions_per_address).",
    )
    SERVICE_BUSY = _t(
        "421 4.3.2",
        "Nearly all connections of this server are in use: nothing is wrong in the client, try"
        " again in a minute",
        "The limit of all sessions is reached, or what is left of it is kept for addresses that"
        " have fewer connections: a flood, or `sessions` is too low.",
    )
    TOO_MANY_HANDSHAKES = _t(
        "421 4.7.0",
        "Too many encrypted connections without a login from this address: correct user name and"
        " password in the client, then try again in a minute",
        "Handshakes are made and no login follows: a client that tries without end, a monitor that"
        " asks too often, or a flood. The limit is handshakes_per_address.",
    )
    TOO_MANY_CHUNKS = _t(
        "421 4.7.0",
        "The message comes in too many small chunks: turn off chunking (BDAT) in the client",
        "More than a thousand chunks with less than 512 octets each on average (RFC 3030).",
    )
    INTERNAL = _t(
        "451 4.3.0",
        "An error of this server: nothing is wrong in the client, try again later",
        "A fault in the service itself: the log of this session has the details.",
    )

    # The protocol.
    TOO_MANY_ERRORS = _t(
        "421 4.7.0",
        "Too many errors or idle commands in one connection: look at the first error and correct"
        " it in the client",
        "The client went on in spite of refusals, or sends NOOP or RSET without end.",
    )
    BARE_LINE_END = _t(
        "550 5.5.2",
        "The message has a CR or LF that stands alone: lines must end with CR LF (RFC 5321"
        " section 2.3.8), correct the line ends in the program that made it",
        "A program that writes bare LF, or an attempt at SMTP smuggling (CVE-2023-51764).",
    )
    BYTE_ORDER_MARK = _t(
        "550 5.6.0",
        "The message begins with a byte order mark, so its header would be read as text: let the"
        " program that made it save it as UTF-8 without BOM",
        "A file of a Windows editor or of PowerShell was sent as it is (RFC 5322 section 2.2).",
    )
    BARE_LF_COMMAND = _t(
        "500 5.5.2",
        "Command lines must end with CR LF (RFC 5321 section 2.3.8): correct the line ends in the"
        " client",
        "The client ends its lines with LF only, or put a CR inside a line. Nothing was executed.",
    )
    LINE_TOO_LONG = _t(
        "500 5.5.2",
        "The command line is longer than {limit} octets",
        "RFC 5321 section 4.5.3.1.4. No mail program sends such lines.",
    )
    UNKNOWN_COMMAND = _t(
        "500 5.5.1",
        "Unknown command: this is an SMTP server for sending mail",
        "Not a mail program, or a broken one.",
    )
    NOT_IMPLEMENTED = _t(
        "502 5.5.1",
        "This command is not available here",
        "EXPN, TURN and their like are refused to everybody.",
    )
    BAD_SEQUENCE = _t(
        "503 5.5.1",
        "Command out of sequence: the order is {order}",
        "The client ignored an earlier refusal, or is broken.",
    )
    DATA_NOT_FOR_BINARY = _t(
        "503 5.5.1",
        "DATA can not carry BODY=BINARYMIME: send the content with BDAT",
        'RFC 3030 section 3: "BINARYMIME cannot be used with the DATA command".',
    )
    SYNTAX = _t(
        "501 5.5.4",
        "Syntax error in the command: the form is {form}",
        "The client sent an argument that RFC 5321 does not know.",
    )
    SYNTAX_ADDRESS = _t(
        "501 5.1.3",
        "That is no valid address ({fault}): the form is <name@domain>, correct it in the client",
        "Blanks, controls, no domain, a dot at an end, or more than 64 octets before the @.",
    )
    SYNTAX_SENDER = _t(
        "501 5.1.7",
        "That is no valid sender address ({fault}): set the sender in the client to <name@domain>",
        "Blanks, controls, no domain, a dot at an end, or more than 64 octets before the @.",
    )
    CONTROL_CHARACTER = _t(
        "501 5.5.2",
        "The command has control characters in it",
        "NUL and other controls stand in no command: a broken client, or an attack.",
    )
    BAD_CHUNK = _t(
        "501 5.5.4",
        "The form is BDAT size [LAST] with the size in octets",
        "Without the size of the chunk nobody knows where the next command begins (RFC 3030).",
    )
    PARAMETER_UNKNOWN = _t(
        "555 5.5.4",
        "A parameter of MAIL or RCPT is not known here: use only what EHLO offers",
        "The client uses an extension that EHLO did not list (RFC 5321 section 4.1.1.11).",
    )
    PARAMETER_INVALID = _t(
        "501 5.5.4",
        "The parameter {parameter} of MAIL or RCPT has no valid value or stands there twice",
        "RFC 1870 (SIZE), 6152 (BODY), 3461 (RET, ENVID, NOTIFY, ORCPT), 4954 (AUTH).",
    )
    REQUIRETLS_IN_CLEAR = _t(
        "530 5.7.0",
        "REQUIRETLS needs encryption: turn on STARTTLS in the client, or use port 465 with SSL/TLS",
        "MAIL had REQUIRETLS in a session without TLS (RFC 8689 section 2).",
    )
    UTF8_NOT_ASKED = _t(
        "553 5.6.7",
        "An address beyond ASCII needs the parameter SMTPUTF8 of MAIL: use an ASCII address, or a"
        " client that knows SMTPUTF8",
        "RFC 6531 section 3.5.",
    )
    EARLY_TALK = _t(
        "554 5.5.0",
        "The client talked before it was its turn: turn off pipelining in the client",
        "RFC 2920 section 3.1: nothing may follow EHLO, AUTH, STARTTLS or DATA before their reply.",
    )

    # What speaks another protocol than is due.
    WRONG_PROTOCOL = protocols.WRONG_PROTOCOL
    PROXY_PROTOCOL = protocols.PROXY_PROTOCOL
    WRONG_PORT = protocols.WRONG_PORT
    PLAIN_ON_TLS_PORT = protocols.PLAIN_ON_TLS_PORT

    # For logs and session records only (UNSPOKEN): there is nobody who could read a reply.
    WRONG_PORT_HEALED = unspoken.WRONG_PORT_HEALED
    TLS_TOO_OLD = unspoken.TLS_TOO_OLD
    HANDSHAKE_FAILED = unspoken.HANDSHAKE_FAILED

    def reply(self, session_id: str, **facts: Fact) -> Reply:
        """The reply with its places filled from `facts` and ` [session_id]` at its end.

        Raises KeyError where the text has a place without a fact; facts without a place are left.
        """
        text = self.value
        return Reply(text.code, text.enhanced, (f"{text.text.format_map(facts)} [{session_id}]",))


UNSPOKEN = frozenset({Refusal.WRONG_PORT_HEALED, Refusal.TLS_TOO_OLD, Refusal.HANDSHAKE_FAILED})
"""No client reads their texts."""
