"""The domain that mail is sent from, for the doctor: alone or beside the server."""

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, TypeVar

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.progress_line import progress_line
from pillarbox.cli.typed_names import typed_domain
from pillarbox.diagnosis.domain_facts import DomainFacts
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.target import Target
from pillarbox.doctor.domain import DomainRequest, DomainTools, look_up
from pillarbox.doctor.progress import Progress
from pillarbox.doctor.talk import Means
from pillarbox.errors import DnsFailure
from pillarbox.net.dns import DnsResolver
from pillarbox.net.reach import Reach
from pillarbox.net.tls import client_context

SESSION_SECONDS = 6.0

Command = TypeVar("Command", bound=Callable[..., Any])

SELECTOR = click.option("--dkim-selector", default="", help="Look for the DKIM key of this name.")
ADDRESS = click.option(
    "--sending-address",
    default="",
    help="The address that mail comes from: whether SPF allows it, and its name (PTR).",
)
_OPTIONS = (
    SELECTOR,
    ADDRESS,
    click.option("--ehlo-name", default="", help="The name that it says in EHLO."),
    click.option(
        "--block-list",
        "block_lists",
        multiple=True,
        metavar="ZONE",
        help="Ask this block list about it, like zen.spamhaus.org; may be repeated.",
    ),
)


def domain_options(decorated: Command) -> Command:
    """Add the options about the sender's domain and the address that mail comes from."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def is_about_domain(options: Mapping[str, Any]) -> bool:
    """Whether one of them was given."""
    names = ("dkim_selector", "sending_address", "ehlo_name", "block_lists")
    return any(options[name] for name in names)


def domain_request(domain: str, options: Mapping[str, Any], server: str = "") -> DomainRequest:
    """What is asked. Raises Failure for what is none."""
    selector, address = options["dkim_selector"], options["sending_address"]
    lists, ehlo_name = tuple(map(typed_domain, options["block_lists"])), options["ehlo_name"]
    if (lists or ehlo_name) and not address:
        raise click.UsageError("--ehlo-name and --block-list need --sending-address")
    checked = checked_address(address)
    if selector and not selector.replace(".", "").replace("-", "").replace("_", "").isalnum():
        raise Failure(ExitCode.DATA, f"{selector} is no selector of DKIM")
    return DomainRequest(
        domain=typed_domain(domain),
        selector=selector,
        address=checked,
        server=server,
        ehlo_name=typed_domain(ehlo_name) if ehlo_name else "",
        lists=lists,
    )


def checked_address(address: str) -> str:
    """An IP address as it is compared, "" for none. Raises Failure for what is no address."""
    try:
        return str(ip_address(address)) if address else ""
    except ValueError as exc:
        raise Failure(ExitCode.DATA, f"{address} is no IP address") from exc


async def domain_facts(
    request: DomainRequest, progress: Progress, ca_file: str = ""
) -> DomainFacts:
    """Its facts; empty ones where this machine has no DNS server."""
    context = client_context(verify=True, ca_file=ca_file)
    try:
        resolver = DnsResolver()
    except DnsFailure:
        return DomainFacts(request.domain)
    means = Means(context, asyncio.open_connection, SESSION_SECONDS)
    tools = DomainTools(resolver, Reach(resolver, context), means, progress)
    return await look_up(request, tools)


def facts_of_domain(request: DomainRequest) -> Facts:
    """The same as facts without a server."""
    with progress_line(f"looking at {request.domain}") as progress:
        found = asyncio.run(domain_facts(request, progress))
    return Facts(Target(request.domain, request.domain), domain=found)


def is_unknown(facts: DomainFacts) -> bool:
    """Whether the DNS answered nothing at all."""
    return facts.mx is None and facts.spf.records is None and facts.dmarc is None
