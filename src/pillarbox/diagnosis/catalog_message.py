"""The checks of one message: id, severity, cause, fix. Values only."""

from pillarbox.diagnosis.finding import Check, fail, info, warn

_HEADER: tuple[Check, ...] = (
    fail(
        "MESSAGE-NO-HEADER",
        "there is no header: no line of it is a field",
        "begin with the fields (From, Date, Message-ID …), then an empty line, then the text",
    ),
    fail(
        "MESSAGE-ODD-LINE",
        "a line of the header is no field: some programs end the header there",
        "take the line out; a field that goes on has a blank at the start of the next line",
    ),
    fail("MESSAGE-FROM-NONE", "there is no From field", "have the program name its sender"),
    fail(
        "MESSAGE-FROM-SYNTAX",
        "the From field can not be read: {what}",
        'write it as "Name" <address>, with quotes where the name has special characters',
    ),
    warn(
        "MESSAGE-FROM-SEVERAL",
        "the From field names {count} authors: receivers that do DMARC may refuse that",
        "name one author",
    ),
    fail(
        "MESSAGE-FROM-LOCAL",
        "the sender's domain {domain} is known in the own network alone: receivers refuse it",
        "set a sender in a domain of your own that is in the DNS",
    ),
    fail(
        "MESSAGE-FIELD-TWICE",
        "there are {count} fields {name}; there may be one (RFC 5322 3.6)",
        "leave one of them: large receivers refuse the message, others read the first or the last",
    ),
    warn("MESSAGE-DATE-NONE", "there is no Date field", "have the program write one"),
    warn(
        "MESSAGE-DATE-SYNTAX",
        "the Date field is no date: {text}",
        "write it as: Thu, 26 Nov 2026 09:30:00 +0000",
    ),
    warn(
        "MESSAGE-DATE-OFF",
        "the Date field is {age} {side} the time when {who} had the message",
        "set the clock and the time zone of the machine that wrote it",
    ),
    fail(
        "MESSAGE-ID-NONE",
        "there is no Message-ID: large receivers refuse such mail",
        "have the program write one, or send by a server that adds it (RFC 6409 8.3)",
    ),
    fail(
        "MESSAGE-ID-SYNTAX",
        "the Message-ID is none: {text}",
        "write it as <unique@your.domain>, in brackets, without blanks or colons",
    ),
    info("MESSAGE-NO-SUBJECT", "there is no subject", "give it one; filters hold that against it"),
    info(
        "MESSAGE-NO-RECIPIENT",
        "neither To nor Cc names anybody",
        "name the recipient in To; filters hold its lack against a message",
    ),
    warn(
        "MESSAGE-BCC-SHOWN",
        "a Bcc field names addresses: all recipients can read them",
        "have the program take Bcc out before it sends",
    ),
    warn(
        "MESSAGE-HEADER-UTF8",
        "the field {name} has characters beyond ASCII that are not encoded: servers without"
        " SMTPUTF8 refuse the message or damage it",
        "encode them (RFC 2047: =?utf-8?q?…?=); mail libraries do it by themselves",
    ),
    fail(
        "MESSAGE-HEADER-8BIT",
        "the field {name} has octets that are neither ASCII nor UTF-8",
        "encode them (RFC 2047: =?utf-8?q?…?=); mail libraries do it by themselves",
    ),
    warn(
        "MESSAGE-ENCODED-WORD",
        "the field {name} is not encoded as RFC 2047 wants: {what}",
        "have a mail library write it",
    ),
)

_BODY: tuple[Check, ...] = (
    fail(
        "MESSAGE-BARE-LINE-END",
        "{count} line ends are CR or LF alone: servers refuse that (SMTP smuggling)",
        "end each line with CRLF",
    ),
    fail("MESSAGE-NUL", "the message has octets of value 0", "encode the part in base64"),
    fail(
        "MESSAGE-LINE-LONG",
        "a line of the {part} has {octets} octets; at most 998 are allowed (RFC 5322 2.1.1)",
        "fold the header; encode the body as quoted-printable or base64",
    ),
    warn(
        "MESSAGE-NO-MIME",
        "the body has characters beyond ASCII and no MIME fields that say which",
        "add MIME-Version, Content-Type with a charset, and Content-Transfer-Encoding",
    ),
    warn(
        "MESSAGE-BODY-8BIT",
        "a part of type {kind} has octets beyond ASCII but says {encoding}",
        "encode it as quoted-printable or base64, or say Content-Transfer-Encoding: 8bit",
    ),
    warn(
        "MESSAGE-CHARSET-NONE",
        "a text has characters beyond ASCII and does not say its charset",
        "Content-Type: text/plain; charset=utf-8",
    ),
    warn("MESSAGE-MIME-BROKEN", "the message {what}", "have a mail library build it"),
    info(
        "MESSAGE-HTML-ALONE",
        "there is HTML without a plain text beside it",
        "send both as multipart/alternative; filters hold HTML alone against a message",
    ),
    warn(
        "MESSAGE-LARGE",
        "the message has {megabytes} MB; large providers take about 25 MB",
        "send a link in place of the attachment",
    ),
)

_BULK: tuple[Check, ...] = (
    warn(
        "MESSAGE-UNSUBSCRIBE-NONE",
        "it goes to many and has no List-Unsubscribe, which large receivers want",
        "add List-Unsubscribe: <https://…> and List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ),
    warn(
        "MESSAGE-UNSUBSCRIBE-SYNTAX",
        "List-Unsubscribe has no address in brackets: {text}",
        "write it as <https://…>, <mailto:…>",
    ),
    warn(
        "MESSAGE-UNSUBSCRIBE-CLICKS",
        "it can not be unsubscribed by one click (RFC 8058): {what}",
        "List-Unsubscribe with an https address, and"
        " List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ),
    warn(
        "MESSAGE-UNSUBSCRIBE-UNSIGNED",
        "no signature covers {names}, so the one click does not count (RFC 8058 section 4)",
        "have the signer sign these fields (h=)",
    ),
)

_SIGNATURES: tuple[Check, ...] = (
    warn(
        "MESSAGE-DKIM-NONE",
        "it went its way without a DKIM signature",
        "turn on DKIM at whoever sends; Pillarbox: pillarbox dkim create",
    ),
    fail(
        "MESSAGE-DKIM-BODY",
        "the body was changed after {domain} had signed it",
        "find what changes it on the way (footers, filters, line ends, encodings), and sign last",
    ),
    fail(
        "MESSAGE-DKIM-WRONG",
        "the signature of {domain} does not fit: a signed field was changed, or the key in the DNS"
        " is another one",
        "compare the key in the DNS with that of the signer; look for programs that rewrite fields",
    ),
    fail(
        "MESSAGE-DKIM-SYNTAX",
        "a signature of DKIM can not be read: {what}",
        "mend the signer",
    ),
    fail(
        "MESSAGE-DKIM-SHA1",
        "the signature of {domain} is made with SHA-1, which counts for nothing (RFC 8301)",
        "sign with rsa-sha256",
    ),
    warn(
        "MESSAGE-DKIM-EXPIRED",
        "the signature of {domain} ended {age} before {what}",
        "sign with a longer time (x=), or none; look for what held the message up",
    ),
    warn(
        "MESSAGE-DKIM-LENGTH",
        "the signature of {domain} covers the first {octets} octets of the body alone (l=): anybody"
        " may add to it",
        "sign the whole body",
    ),
    info(
        "MESSAGE-DKIM-UNVERIFIED",
        "the signature of {domain} was not verified: {why}",
        "see that the DNS answers; without the library: pip install dkimpy",
    ),
    warn(
        "MESSAGE-SPF",
        "SPF does not let {address} send for {domain} ({result})",
        "see: pillarbox doctor dns {domain} --sending-address {address}",
    ),
    fail(
        "MESSAGE-DMARC-FAIL",
        "DMARC fails for {domain}, whose policy is {policy}: {why}",
        "have the mail signed with d={domain}, or sent from an address and under a sender of the"
        " envelope for which SPF passes",
    ),
    info(
        "MESSAGE-DMARC-SPF-ALONE",
        "no signature speaks for {domain}: DMARC rests on SPF alone, which does not survive"
        " forwarding",
        "sign with d={domain}; with --sending-address it is told whether SPF passes",
    ),
    info("MESSAGE-DMARC-PASS", "DMARC passes for {domain} by {means}", "nothing to change"),
)

_PATH: tuple[Check, ...] = (
    fail(
        "MESSAGE-LOOP",
        "{server} had the message {count} times: it goes in a circle",
        "look at forwarding rules, and at the route of {server} for the recipient's domain",
    ),
    warn(
        "MESSAGE-MANY-HOPS",
        "{count} servers had the message; some refuse it from 30 on",
        "see the way above for a circle or a detour",
    ),
    warn(
        "MESSAGE-SLOW-HOP",
        "it took {age} until {server} had it",
        "look at the queue of the server before ({before})",
    ),
    info(
        "MESSAGE-HOP-CLOCK",
        "by its time {server} had the message {age} before the server in front of it",
        "set the clocks of both (NTP)",
    ),
    warn(
        "MESSAGE-RESULT",
        "{server} found {method}={result}: {meaning}",
        "{fix}",
    ),
    warn(
        "MESSAGE-SPAM",
        "the receiver's filter took it for spam ({what})",
        "mend what is above; then ask the receiver why",
    ),
)

MESSAGE_CHECKS: tuple[Check, ...] = (*_HEADER, *_BODY, *_BULK, *_SIGNATURES, *_PATH)
