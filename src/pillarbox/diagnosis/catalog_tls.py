"""The checks of TLS and certificates: id, severity, cause, fix. Values only."""

from pillarbox.diagnosis.finding import Check, fail

_HANDSHAKE: tuple[Check, ...] = (
    fail(
        "TLS-NOT-SPOKEN",
        "what answers there does not speak TLS from the first byte",
        "use STARTTLS on this port, or TLS on port 465",
    ),
    fail(
        "TLS-TOO-OLD",
        "the server knows nothing newer than TLS 1.1",
        "update the server to TLS 1.2 or newer",
    ),
    fail(
        "TLS-HANDSHAKE",
        "the TLS handshake failed",
        "look at the log of the server; something between may inspect TLS",
    ),
)

_CERTIFICATE: tuple[Check, ...] = (
    fail(
        "TLS-CERT-EXPIRED",
        "the certificate has expired, or the clock of this machine is wrong",
        "renew the certificate; check the clock",
    ),
    fail(
        "TLS-CERT-NOT-YET-VALID",
        "the certificate is not valid yet, or the clock of this machine is slow",
        "check the clock of this machine",
    ),
    fail(
        "TLS-CERT-NAME",
        "the certificate is for another name",
        "use a name that is in the certificate, or have it issued for this one",
    ),
    fail(
        "TLS-CERT-UNTRUSTED",
        "the certificate is of an unknown authority, or comes without its intermediate",
        "have the server send its whole chain; import the authority if it is your own",
    ),
)

TLS_CHECKS: tuple[Check, ...] = (*_HANDSHAKE, *_CERTIFICATE)
