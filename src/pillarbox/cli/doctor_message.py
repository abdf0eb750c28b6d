"""`pillarbox doctor message`: what a receiver would hold against one message."""

import asyncio
import sys
import time
from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.doctor_domain import ADDRESS, checked_address
from pillarbox.cli.doctor_report import report_options, tell
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.text_input import STANDARD_INPUT
from pillarbox.cli.typed_names import typed_mailbox
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.message_form import read_message
from pillarbox.diagnosis.target import Target
from pillarbox.doctor.message import MessageRequest, examine_message
from pillarbox.errors import DnsFailure
from pillarbox.net.dns import DnsResolver

MAX_OCTETS = 200_000_000
"""More than any server takes."""


@click.command("message")
@click.argument("file", metavar="FILE|-")
@click.option("--offline", is_flag=True, help="Ask no DNS: the form and the way alone.")
@click.option(
    "--sender", default="", help="The sender of the envelope (default: Return-Path, or From)."
)
@ADDRESS
@click.option("--bulk", is_flag=True, help="It goes to many: they must be able to unsubscribe.")
@report_options
@click.pass_obj
def command(
    cli: Cli, /, file: str, sender: str, offline: bool, bulk: bool, **options: object
) -> None:
    """Say what a receiver would hold against the message in FILE (`-`: standard input).

    Its form (RFC 5322, MIME), its signatures and what DMARC makes of them, and where it has been
    delivered already its way with the times, and what the receiver wrote. The message is sent
    nowhere; the DNS is asked for the domains that stand in it.
    """
    message = read_message(_read(file))
    address = checked_address(str(options["sending_address"]))
    request = MessageRequest(str(typed_mailbox(sender)) if sender else "", address, bulk)
    found = asyncio.run(examine_message(message, request, None if offline else _resolver()))
    name = "standard input" if file == STANDARD_INPUT else Path(file).name
    tell(cli, Facts(Target(name, name), now=time.time(), message=found), options)


def _resolver() -> DnsResolver | None:
    try:
        return DnsResolver()
    except DnsFailure:
        return None


def _read(file: str) -> bytes:
    if file == STANDARD_INPUT:
        octets = sys.stdin.buffer.read(MAX_OCTETS + 1)
    else:
        with Path(file).open("rb") as opened:
            octets = opened.read(MAX_OCTETS + 1)
    if len(octets) > MAX_OCTETS:
        raise Failure(ExitCode.DATA, f"the message has more than {MAX_OCTETS // 1_000_000} MB")
    return octets
