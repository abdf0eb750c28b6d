"""Why a server does not get a message with REQUIRETLS (RFC 8689 section 4.2.1), in words. Pure."""

from pillarbox.explain.failure_text import failure_text as _t

REQUIRETLS_NOT_OFFERED = _t(
    "550 5.7.30",
    "The next hop {hop} does not pass on REQUIRETLS, with which the message was sent",
    "It does not offer that extension, so nobody would keep the message to TLS behind it.",
    "Ask the operator of the next hop to turn on REQUIRETLS, or send the message without it",
)
REQUIRETLS_WITHOUT_TLS = _t(
    "550 5.7.10",
    "The message was sent with REQUIRETLS, and there is no verified TLS with the next hop {hop}",
    "The route sends in the clear, or takes whatever certificate the next hop has.",
    "Give the route TLS and let it verify the certificate, or send the message without REQUIRETLS",
)
