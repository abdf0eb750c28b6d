"""What may be wrong with the mail hosts of a recipient's domain, in words. Pure.

Here `{hop}` is the domain. What the DNS says for certain is returned to the sender (RFC 5321 5.1,
RFC 7505); what it does not say, or what may be mended any moment, is tried again.
"""

from pillarbox.explain.failure_text import failure_text as _t

DOMAIN_NOT_FOUND = _t(
    "550 5.1.2",
    "There is no domain {hop}",
    "The DNS says that this name does not exist.",
    "Check the address for a typing error behind the @",
)
DOMAIN_TAKES_NO_MAIL = _t(
    "556 5.1.10",
    "The domain {hop} takes no mail",
    "It says so in the DNS, by a null MX (RFC 7505).",
    "Use another address of the recipient",
)
NO_MAIL_HOST = _t(
    "550 5.4.4",
    "The domain {hop} has no server for mail",
    "The name exists, but the DNS has neither MX records nor addresses for it.",
    "Check the address for a typing error behind the @",
)
MX_LOOKUP_FAILED = _t(
    "451 4.4.3",
    "The DNS does not say which servers take mail for {hop} ({detail})",
    "The DNS servers of that domain fail, or those that this machine asks.",
    "Nothing to change here, unless it is so for all domains: then check the DNS servers of this"
    " machine (/etc/resolv.conf, dns_servers)",
)
MX_WITHOUT_ADDRESS = _t(
    "451 4.4.4",
    "No server that the DNS names for the mail of {hop} has an address",
    "Its MX records are wrong: they name hosts that do not exist, or addresses in place of names.",
    "Nothing to change here: the operator of that domain has to mend its MX records",
)
MX_NOT_PUBLIC = _t(
    "550 5.4.4",
    "The servers for the mail of {hop} can not be reached from the Internet ({detail})",
    "Its MX records lead into a private network, or back to the machine that asks.",
    "Nothing to change here: the operator of that domain has to mend its MX records. For a domain"
    " inside of your own network, allow its addresses: delivery.mx_private_networks",
)
MX_IS_THIS_HOST = _t(
    "554 5.4.6",
    "Mail for {hop} would come back to this host",
    "The best of its MX records that is left names this host, which keeps no mailboxes.",
    "Take this host out of the MX records of the domain, or give the domain a route of its own:"
    " pillarbox route add --to {hop} --smarthost HOST:PORT",
)
MX_NOT_REACHED = _t(
    "451 4.4.1",
    "No server for the mail of {hop} could be reached; the last was {detail}",
    "They are down, or a firewall is between. Many networks block port 25.",
    "Nothing to change here, unless it is so for all domains: then have port 25 opened, or send by"
    " a smart host",
)
MTA_STS_FAILED = _t(
    "451 4.7.5",
    "No server for the mail of {hop} is as its policy for TLS (MTA-STS) demands: {detail}",
    "Its certificate is not valid, it offers no TLS, or somebody between strips that.",
    "Nothing to change here: the operator of that domain has to mend its servers or its policy",
)
DANE_FAILED = _t(
    "451 4.7.5",
    "No server for the mail of {hop} is as the DNS vouches for (DANE): {detail}",
    "Its certificate was changed and not its TLSA record, or somebody between stands in for it.",
    "Nothing to change here: the operator of that domain has to mend its TLSA records",
)
DANE_LOOKUP_FAILED = _t(
    "451 4.4.3",
    "The DNS does not say which certificates the servers for the mail of {hop} have ({detail})",
    "The DNS servers of that domain fail when they are asked for TLSA records.",
    "Nothing to change here: the operator of that domain has to mend its DNS",
)
REQUIRETLS_NOT_VERIFIED = _t(
    "550 5.7.10",
    "The message was sent with REQUIRETLS, and no server for the mail of {hop} has verified TLS:"
    " {detail}",
    "Neither DNSSEC nor a policy of MTA-STS vouches for the names of its servers, or their"
    " certificates are not valid.",
    "The operator of that domain has to publish an MTA-STS policy or sign its zone, and to mend"
    " the certificates; or send the message without REQUIRETLS",
)
SOURCE_UNUSABLE = _t(
    "451 4.3.5",
    "No connection to {hop} can come from the address {detail}",
    "This machine does not have the address, so nothing can be sent from it.",
    "Give the machine that address, or take it out of the route: pillarbox route change ID --source"
    " ADDRESS",
)
NO_SOURCE = _t(
    "451 4.3.5",
    "None of the source addresses of the route reaches {hop}, which has {detail} only",
    "Mail to IPv4 addresses has to come from one of IPv4, and to IPv6 from one of IPv6.",
    "Add such an address to the route: pillarbox source add ADDRESS, then pillarbox route change ID"
    " --source ADDRESS --source ADDRESS",
)
SOURCE_WARMING_UP = _t(
    "451 4.5.0",
    "The source addresses for {hop} have sent today what they may while they are warmed up"
    " ({detail})",
    "A new address sends more on each day, so that receivers get to know it.",
    "Nothing to change here: mail goes on tomorrow (UTC); see pillarbox source list",
)
