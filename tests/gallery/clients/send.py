"""Sends one message with smtplib, aiosmtplib or the library of Pillarbox; what goes wrong is shown
as a traceback shows it."""

import asyncio
import os
import smtplib
import ssl
import sys
import traceback
from email.message import EmailMessage

import aiosmtplib

PORT = int(os.environ["SMTP_PORT"])
TLS = os.environ["SMTP_TLS"] == "tls"
PASSWORD = os.environ["SMTP_PASSWORD"]
USER = "user@corp.com"

message = EmailMessage()
message["From"], message["To"], message["Subject"] = USER, "x@corp.com", "t"
message.set_content("hi")
context = ssl.create_default_context(cafile=os.environ["SMTP_CA_FILE"])


def by_smtplib() -> None:
    """As its documentation shows it."""
    made = (
        smtplib.SMTP_SSL("localhost", PORT, timeout=3, context=context)
        if TLS
        else smtplib.SMTP("localhost", PORT, timeout=3)
    )
    with made as smtp:
        if not TLS:
            smtp.starttls(context=context)
        smtp.login(USER, PASSWORD)
        smtp.send_message(message)


def by_aiosmtplib() -> None:
    """The same."""
    asyncio.run(
        aiosmtplib.send(
            message,
            hostname="localhost",
            port=PORT,
            use_tls=TLS,
            start_tls=not TLS,
            username=USER,
            password=PASSWORD,
            tls_context=context,
            timeout=3,
        )
    )


try:
    {"smtplib": by_smtplib, "aiosmtplib": by_aiosmtplib}[sys.argv[1]]()
except Exception as exc:  # noqa: BLE001 - it is what we want to see
    sys.exit("".join(traceback.format_exception_only(exc)))
