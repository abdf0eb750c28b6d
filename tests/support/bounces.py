"""Messages that come back, as servers write them; `{original}` header fields stand behind."""

ORIGINAL = "Message-ID: <m1@t1.test>\nFrom: u1@t1.test\nTo: bob@far.example\nSubject: Bill 7\n"


def report(status: str, *, text: str = "Sorry.", original: str = ORIGINAL, more: str = "") -> bytes:
    """A multipart/report with these status fields."""
    return (
        (
            "From: MAILER-DAEMON@mx.far.example\nTo: x@bounces.t1.test\nSubject: Undelivered Mail\n"
            f"{more}MIME-Version: 1.0\n"
            "Content-Type: multipart/report; report-type=delivery-status;\n"
            '\tboundary="AA/mx.far"\n\n'
            f"--AA/mx.far\nContent-Type: text/plain\n\n{text}\n"
            f"--AA/mx.far\nContent-Type: message/delivery-status\n\n{status}\n"
            f"--AA/mx.far\nContent-Type: text/rfc822-headers\n\n{original}\n--AA/mx.far--\n"
        )
        .replace("\n", "\r\n")
        .encode()
    )


POSTFIX = """Reporting-MTA: dns; mx.far.example
X-Postfix-Queue-ID: 4F1
Arrival-Date: Thu, 26 Nov 2026 07:00:00 +0000 (UTC)

Final-Recipient: rfc822; bob@inner.far.example
Original-Recipient: rfc822;bob@far.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; inner.far.example
Diagnostic-Code: smtp; 550 5.1.1 <bob@inner.far.example>: Recipient address
    rejected: User unknown in virtual mailbox table
"""

EXCHANGE = """Reporting-MTA: dns;AM0PR01MB1234.eurprd01.prod.exchangelabs.com
Received-From-MTA: dns;pillarbox.example

Final-Recipient: rfc822;bob@far.example
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP
"""

QMAIL = b"""From: MAILER-DAEMON@far.example
To: x@bounces.t1.test
Subject: failure notice

Hi. This is the qmail-send program at far.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bob@far.example>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <x@bounces.t1.test>
Message-ID: <m1@t1.test>
"""

EXIM = b"""X-Failed-Recipients: bob@far.example
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@far.example>
To: x@bounces.t1.test
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@far.example
    host inner.far.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<bob@far.example>:
    550 5.7.1 <bob@far.example>: rejected as spam

------ This is a copy of the message, including all the headers. ------
"""

EXIM_DELAY = b"""Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@far.example>
Subject: Warning: message 1abc-0002 delayed 24 hours

This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on far.example.

  bob@far.example
    Delay reason: SMTP error: 451 4.7.1 try again later

No action is required on your part. Delivery attempts will continue for
some time.
"""

VACATION = b"""From: Bob <bob@far.example>
To: u1@t1.test
Subject: Out of office: Bill 7
Auto-Submitted: auto-replied (vacation)
In-Reply-To: <m1@t1.test>

I am away until Monday.
"""

HUMAN = b"""From: Bob <bob@far.example>
To: u1@t1.test
Subject: Re: Bill 7

Thank you! I paid 550 euros.
"""


def complaint(feedback: str = "abuse", *, path: str = "x@bounces.t1.test", to: str = "") -> bytes:
    """A report of RFC 5965; `to` are the lines that name recipients."""
    return (
        (
            "From: feedback@far.example\nSubject: FW: Bill 7\nMIME-Version: 1.0\n"
            "Content-Type: multipart/report; report-type=feedback-report; boundary=BB\n\n"
            "--BB\nContent-Type: text/plain\n\nThis is an email abuse report.\n"
            f"--BB\nContent-Type: message/feedback-report\n\nFeedback-Type: {feedback}\n"
            f"User-Agent: Some/1.0\nVersion: 1\nOriginal-Mail-From: <{path}>\n{to}"
            "Reporting-MTA: dns; mx.far.example\n"
            f"\n--BB\nContent-Type: message/rfc822\n\n{ORIGINAL}\nHello\n--BB--\n"
        )
        .replace("\n", "\r\n")
        .encode()
    )
