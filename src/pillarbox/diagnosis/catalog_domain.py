"""The checks of the domain that mail is sent from: id, severity, cause, fix. Values only.

`{record}` in a fix is a line for the zone, ready to copy.
"""

from pillarbox.diagnosis.finding import Check, fail, info, warn

_MX: tuple[Check, ...] = (
    fail(
        "DOMAIN-UNKNOWN",
        "the DNS knows nothing of {domain}: no mail, no address, no text",
        "check the domain for a typing error, and that it is registered",
    ),
    warn(
        "MX-NONE",
        "{domain} takes no mail: answers and non-delivery reports have nowhere to go",
        "publish an MX record, or send from a domain that has one",
    ),
    warn(
        "MX-NULL",
        "{domain} says that it takes no mail (null MX); many receivers refuse mail from it",
        "publish an MX record, or send from a domain that has one",
    ),
    warn("MX-NO-ADDRESS", "the MX host {host} has no address", "correct the MX record"),
    warn(
        "MX-PRIVATE",
        "the MX host {host} has private addresses alone: nobody outside can bring mail, and it was"
        " not looked at",
        "publish its public address; nothing has to change where the DNS outside has one already",
    ),
    warn(
        "MX-ALIAS",
        "the MX host {host} is an alias (CNAME), which RFC 5321 forbids",
        "name {alias} itself in the MX record",
    ),
    fail(
        "DANE-MISMATCH",
        "no TLSA record of {host} fits its certificate: senders that do DANE deliver nothing",
        "publish: {record}",
    ),
    warn(
        "DANE-USAGE",
        "none of the TLSA records of {host} counts for mail (RFC 7672)",
        "publish: {record}",
    ),
    info(
        "DANE-ONE-RECORD",
        "{host} has one TLSA record, so its key can not be changed without a gap",
        "publish the record of the next key beside it before it is used",
    ),
)

_ZONE: tuple[Check, ...] = (
    fail(
        "DNSSEC-BROKEN",
        "the zone of {domain} is signed wrongly (DNSSEC): receivers that validate find neither SPF"
        " nor DKIM nor MX",
        "renew the signatures, or correct the DS record at the zone above",
    ),
    info(
        "DNSSEC-NONE",
        "the zone of {domain} is not signed (DNSSEC): senders can not do DANE with it",
        "nothing has to change; who wants DANE signs the zone",
    ),
    info(
        "PORT-25-BLOCKED",
        "no MX host of {domain} answers at port 25 from here: this network lets it out to nobody,"
        " or they are down",
        "nothing where mail goes by a smart host; else have the network let port 25 out",
    ),
    warn(
        "ANNOUNCED-WRONG",
        "{source} names {offer} for sending: {why}",
        "correct it: mail programs set themselves up by it",
    ),
    info(
        "ANNOUNCED-TWICE",
        "SRV names {srv} for sending, autoconfig {document}",
        "name the same in both, unless both are meant",
    ),
)

_SPF: tuple[Check, ...] = (
    fail("SPF-NONE", "{domain} has no SPF record", "publish: {record}"),
    fail(
        "SPF-SEVERAL",
        "{domain} has several SPF records, which is an error: none counts",
        "put them into one: {record}",
    ),
    fail("SPF-SYNTAX", "the SPF record has what receivers can not read: {what}", "correct it"),
    fail(
        "SPF-LOOP",
        "the SPF record includes itself: {what}",
        "take out one of the includes",
    ),
    fail(
        "SPF-INCLUDE-NONE",
        "the SPF record includes {what}, which has none: all of it counts as an error",
        "take out include:{what}, or correct it",
    ),
    fail(
        "SPF-LOOKUPS",
        "the SPF record costs {count} DNS look-ups; beyond 10 it counts as an error",
        "take out what does not send any more; name addresses (ip4, ip6) in place of hosts",
    ),
    warn(
        "SPF-VOIDS",
        "{count} names in the SPF record do not exist; beyond 2 it counts as an error",
        "take out the names that are gone",
    ),
    fail(
        "SPF-ALL-PASS",
        "the SPF record lets everybody send as {domain} (+all)",
        "publish: {record}",
    ),
    warn(
        "SPF-NO-END",
        "the SPF record says nothing of those it does not name",
        "publish: {record}",
    ),
    warn("SPF-PTR", "the SPF record uses ptr, which nobody should any more", "name addresses"),
    fail(
        "SPF-NOT-ALLOWED",
        "the SPF record does not let {address} send as {domain} ({result})",
        "publish: {record}",
    ),
    fail(
        "SPF-NO-PROVIDER",
        "the SPF record does not let {provider} send as {domain}",
        "publish: {record}",
    ),
)

_DKIM: tuple[Check, ...] = (
    warn(
        "DKIM-NOT-FOUND",
        "no DKIM key was found under the usual selectors",
        "turn on DKIM at whoever sends; name its selector with --dkim-selector if there is one",
    ),
    fail(
        "DKIM-MISSING",
        "there is no DKIM key at {name}",
        "publish the record that the signer shows; Pillarbox: pillarbox dkim show",
    ),
    fail(
        "DKIM-ALIAS-BROKEN",
        "{name} leads to {alias}, where there is no key",
        "turn on DKIM for the domain there (Microsoft 365: Set-DkimSigningConfig)",
    ),
    fail("DKIM-REVOKED", "the key at {name} was revoked (empty p=)", "sign with another selector"),
    fail("DKIM-SYNTAX", "the record at {name} holds no key that can be read", "publish it again"),
    fail("DKIM-SEVERAL", "there are several records at {name}", "leave one of them"),
    fail(
        "DKIM-KEY-SHORT",
        "the key at {name} has {bits} bits; below 1024 nobody takes it",
        "make a new key with 2048 bits",
    ),
    warn(
        "DKIM-KEY-WEAK",
        "the key at {name} has {bits} bits only",
        "make a new key with 2048 bits (RFC 8301)",
    ),
    info("DKIM-TEST", "the key at {name} is marked as a test (t=y)", "take out t=y when it works"),
)

_DMARC: tuple[Check, ...] = (
    warn(
        "DMARC-NONE",
        "{domain} has no DMARC record; large receivers want one of all who send much",
        "publish: {record}",
    ),
    fail("DMARC-SEVERAL", "there are several DMARC records: none counts", "leave one of them"),
    fail("DMARC-SYNTAX", "the DMARC record is not read as it was meant: {what}", "correct it"),
    info(
        "DMARC-POLICY-NONE",
        "the DMARC policy only watches (p=none)",
        "when reports show that all mail passes: p=quarantine, then p=reject",
    ),
    info(
        "DMARC-OLD-TAGS",
        "the DMARC record has tags that RFC 9989 removed: {what}",
        "take them out; t=y is for testing now",
    ),
    info("DMARC-TEST", "the DMARC policy is marked as a test (t=y)", "take out t=y when it works"),
    info("DMARC-NO-REPORTS", "nobody gets DMARC reports", "add rua=mailto:… to the record"),
    warn(
        "DMARC-REPORTS-UNWANTED",
        "{taker} does not say that it takes DMARC reports of {domain}, so none are sent",
        "publish there: {record}",
    ),
    fail(
        "DMARC-WOULD-FAIL",
        "mail from {address} would fail DMARC: SPF does not allow it and no DKIM key was found,"
        " and the policy is {policy}",
        "sign with DKIM, or let the address send by SPF",
    ),
)

_TRANSPORT: tuple[Check, ...] = (
    warn("MTA-STS-SEVERAL", "there are several records of MTA-STS: none counts", "leave one"),
    warn(
        "MTA-STS-RECORD",
        "the record of MTA-STS is none that others read, so the policy does not count",
        "write it as v=STSv1; id=… with letters and digits alone in the id",
    ),
    warn(
        "MTA-STS-NO-POLICY",
        "the policy of MTA-STS can not be had: {why}",
        "serve https://mta-sts.{domain}/.well-known/mta-sts.txt, with a valid certificate",
    ),
    warn("MTA-STS-SYNTAX", "the policy of MTA-STS is none: {what}", "correct it"),
    fail(
        "MTA-STS-MX",
        "the policy of MTA-STS does not name the MX host {host}: mail to it is not delivered",
        "add to the policy: mx: {host}; then change the id of the record",
    ),
    info(
        "MTA-STS-TESTING",
        "the policy of MTA-STS only watches ({mode})",
        "mode: enforce, when reports show that all is well",
    ),
    info(
        "MTA-STS-SHORT",
        "the policy of MTA-STS holds for {seconds} seconds only",
        "max_age: 604800 (a week) or more",
    ),
    info(
        "TLS-RPT-NONE",
        "nobody gets reports of failed TLS (TLS-RPT)",
        "publish: {record}",
    ),
    warn("TLS-RPT-SYNTAX", "the TLS-RPT record names nobody (rua=)", "publish: {record}"),
)

_ADDRESS: tuple[Check, ...] = (
    fail(
        "PTR-NONE",
        "{address} has no name in the DNS (PTR): large receivers refuse its mail",
        "have whoever owns the address set one: the name that the sender gives in EHLO",
    ),
    warn(
        "PTR-MISMATCH",
        "the name {name} of {address} does not lead back to it",
        "publish an address record of {name} with {address}",
    ),
    warn(
        "PTR-DYNAMIC",
        "the name {name} of {address} looks like that of a dial-up line",
        "have a name of your own set for it, or send by a smart host",
    ),
    warn(
        "EHLO-NAME-UNKNOWN",
        "the name {name} that it says in EHLO is not in the DNS",
        "have the sender greet with the name that {address} has in the DNS (Pillarbox:"
        " delivery.helo_name)",
    ),
    warn(
        "EHLO-NAME-ELSEWHERE",
        "the name {name} that it says in EHLO does not lead to {address}",
        "have the sender greet with the name that {address} has in the DNS (Pillarbox:"
        " delivery.helo_name)",
    ),
    info(
        "EHLO-NAME-NOT-PTR",
        "it says {name} in EHLO, and the name of its address is {ptr}",
        "make them the same; few receivers mind",
    ),
    fail(
        "BLOCK-LISTED",
        "{address} is on the block list {zone}",
        "stop what put it there, then ask the list to take it off",
    ),
    info(
        "BLOCK-LIST-REFUSES",
        "the block list {zone} could not be asked: {why}",
        "use a resolver of your own, or take the list out",
    ),
    info(
        "BLOCK-LIST-DEAD",
        "{zone} is no block list that works: it does not have the test address (RFC 5782)",
        "take the list out",
    ),
)

DOMAIN_CHECKS: tuple[Check, ...] = (*_ZONE, *_MX, *_SPF, *_DKIM, *_DMARC, *_TRANSPORT, *_ADDRESS)
