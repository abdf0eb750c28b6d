"""Refusals of what speaks another protocol than is due (explain.refusals lists all). Pure."""

from pillarbox.explain.refusal_text import refusal_text as _t

WRONG_PROTOCOL = _t(
    "500 5.5.1",
    "This is an SMTP server and not a web server: check host and port in the client",
    "A browser or HTTP client was pointed, or misled, to this port.",
)
PROXY_PROTOCOL = _t(
    "554 5.5.0",
    "The PROXY protocol is not spoken on this port: turn it off in the load balancer before this"
    " server (send-proxy, proxy_protocol), nothing is wrong in the client",
    "A load balancer puts the address of its client before the session (PROXY protocol, version 1"
    " or 2). Turn that off there; let it keep the address of the client (transparent mode), since"
    " the limits for each address count all behind it as one otherwise.",
)
WRONG_PORT = _t(
    "554 5.7.0",
    "TLS began without STARTTLS: use port 465 for SSL/TLS, or choose STARTTLS in the client",
    "The client speaks TLS from the first octet on a port that begins in plain text. Its"
    " next connections are given TLS at once, so a second try works for now; change its"
    " setting.",
)
PLAIN_ON_TLS_PORT = _t(
    "554 5.7.0",
    "This port speaks TLS from the first octet: choose SSL/TLS in the client, or use port 587"
    " with STARTTLS",
    "The client speaks plain text, or waits for a greeting in plain text, on a TLS port.",
)
