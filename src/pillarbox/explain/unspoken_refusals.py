"""Refusals whose texts no client reads, for logs and session records. Pure."""

from pillarbox.explain.refusal_text import refusal_text as _t

WRONG_PORT_HEALED = _t(
    "554 5.7.0",
    "TLS began without STARTTLS and was taken up: use port 465 for SSL/TLS, or choose STARTTLS"
    " in the client",
    "The client speaks TLS from the first octet on a port that begins in plain text. It is"
    " served because its address is remembered; its first connection after a while, or after a"
    " restart of the service, still fails. Change its setting.",
)
TLS_TOO_OLD = _t(
    "554 5.7.0",
    "The client's TLS is too old: update the client, or the firmware of the device, to one with"
    " TLS 1.2 or newer",
    "The client offers nothing newer than TLS 1.1, which is not safe any more (RFC 8996). It"
    " read the alert 'protocol version'. Look in it for a setting of TLS versions too.",
)
HANDSHAKE_FAILED = _t(
    "454 4.7.0",
    "The TLS handshake failed: the client and this server could not agree on encryption",
    "The cause says whether the client is too old, distrusts the certificate, or went away.",
)
