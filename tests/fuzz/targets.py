"""All fuzz targets by name: each takes octets and raises where what must hold does not."""

from collections.abc import Callable, Mapping

from tests.fuzz import content, delivery, discovery, logins, mx, reception, words

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "server": reception.server,
    "data": reception.data,
    "bdat": reception.bdat,
    "sasl": reception.sasl,
    "tokens": logins.tokens,
    "scram": logins.scram,
    "jwt": logins.jwt,
    "client": delivery.client,
    "pair": delivery.pair,
    "header": content.header,
    "dsn": content.dsn,
    "address": words.address,
    "parameters": words.parameters,
    "explanations": words.explanations,
    "configuration": words.configuration,
    "autoconfig": discovery.autoconfig,
    "pacc": discovery.pacc,
    "mta_sts": mx.mta_sts,
    "dane": mx.dane,
}
