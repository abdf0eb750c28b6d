"""Whether the DNS knows an address that mail comes from by the name that it says in EHLO."""

from pillarbox.errors import DnsFailure


async def name_problem(address: str, name: str, dns_servers: tuple[tuple[str, int], ...]) -> str:
    """What is wrong with the name of an address, with the fix; "" for nothing."""
    from pillarbox.net.dns import DnsResolver

    try:
        resolver = DnsResolver.of_servers(dns_servers)
        names = [each.rstrip(".").lower() for each in await resolver.pointers(address)]
        addresses = await resolver.addresses(name)
    except DnsFailure as error:
        return f"the DNS does not say whether {address} has the name {name} ({error})"
    if name.lower() not in names:
        has = f"is {', '.join(names)}" if names else "is missing"
        return (
            f"the name of {address} in the DNS (PTR) {has}: have whoever gave you the address set"
            f" it to {name}, or say that name (pillarbox source change {address} --name NAME)"
        )
    if address not in addresses:
        return (
            f"the name {name} does not have the address {address} in the DNS: add"
            f" {'an AAAA' if ':' in address else 'an A'} record for it"
        )
    return ""
