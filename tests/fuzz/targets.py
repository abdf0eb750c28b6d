"""All fuzz targets by name: each takes octets and raises where what must hold does not."""

from collections.abc import Callable, Mapping

from tests.fuzz import (
    content,
    delivery,
    diagnosis,
    discovery,
    logins,
    mx,
    reception,
    returned,
    sending,
    words,
)

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
    "ahead": sending.ahead,
    "header": content.header,
    "dsn": content.dsn,
    "parts": content.parts,
    "address": words.address,
    "parameters": words.parameters,
    "explanations": words.explanations,
    "configuration": words.configuration,
    "autoconfig": discovery.autoconfig,
    "pacc": discovery.pacc,
    "certificate": diagnosis.certificate,
    "hello": diagnosis.hello,
    "records": diagnosis.records,
    "letter": diagnosis.letter,
    "mta_sts": mx.mta_sts,
    "dane": mx.dane,
    "returned": returned.returned,
}
