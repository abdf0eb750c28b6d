"""The checks of TLS and certificates: id, severity, cause, fix. Values only."""

from pillarbox.diagnosis.finding import Check, fail, info, warn

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

_VERSIONS: tuple[Check, ...] = (
    warn(
        "TLS-SSL3",
        "SSL 3 is still accepted, which is broken (POODLE)",
        "turn it off (RFC 7568); Postfix: smtpd_tls_protocols = >=TLSv1.2",
    ),
    # Postfix does so by default, and Microsoft 365, which refuses such a session later. Clients
    # that know something newer are not in danger.
    info(
        "TLS-VERSION-OLD",
        "the handshake is still made with {versions} (RFC 8996 forbids it)",
        "accept TLS 1.2 and newer alone; Postfix: smtpd_tls_mandatory_protocols = >=TLSv1.2",
    ),
    info("TLS-NO-1-3", "TLS 1.3 is not offered", "update the TLS library of the server"),
    warn(
        "TLS-ONLY-1-3",
        "only TLS 1.3 is offered: older printers and programs can not connect",
        "accept TLS 1.2 as well, with suites that have forward secrecy",
    ),
    warn(
        "TLS-CIPHER-BROKEN",
        "a cipher suite that is broken is accepted ({kind})",
        "turn off NULL, EXPORT, RC4, DES and 3DES (Mozilla's profile intermediate)",
    ),
    info(
        "TLS-ANONYMOUS",
        "suites without a certificate are accepted, as some servers do for mail of others",
        "on a port for submission turn them off (Postfix: smtpd_tls_exclude_ciphers = aNULL)",
    ),
    warn(
        "TLS-NO-FORWARD-SECRECY",
        "the server prefers suites without forward secrecy: who gets its key reads old sessions",
        "prefer ECDHE suites (Mozilla's profile intermediate)",
    ),
    info(
        "TLS-STATIC-RSA",
        "suites without forward secrecy are accepted from clients that know no better",
        "turn off RSA key exchange where no old client needs it",
    ),
    warn(
        "TLS-DH-WEAK",
        "the group of the key exchange has {bits} bits only (Logjam)",
        "use a group of 2048 bits (RFC 7919), or ECDHE alone",
    ),
    warn("TLS-COMPRESSION", "TLS compresses (CRIME)", "turn off compression in the server"),
    warn(
        "TLS-RENEGOTIATION",
        "the server does not know safe renegotiation (RFC 5746)",
        "update the TLS library of the server; OpenSSL 3 refuses such servers",
    ),
    info(
        "TLS-NO-EMS",
        "the server does not bind sessions to their handshake (RFC 7627)",
        "update the TLS library of the server",
    ),
)

_CERTIFICATE: tuple[Check, ...] = (
    fail(
        "TLS-CERT-EXPIRED",
        "the certificate has expired {ago}, or the clock of this machine is wrong",
        "renew the certificate and have the server read it again; check the clock",
    ),
    fail(
        "TLS-CERT-NOT-YET-VALID",
        "the certificate is not valid yet, or the clock of this machine is slow",
        "check the clock of this machine",
    ),
    fail(
        "TLS-CERT-NAME",
        "the certificate is for another name than {host}",
        "connect to {other}, or have a certificate issued for {host}",
    ),
    fail(
        "TLS-CERT-NO-NAMES",
        "the certificate has no names of servers, only the subject {subject}, at which nobody"
        " looks any more",
        "have it issued with the name as subjectAltName",
    ),
    fail(
        "TLS-CERT-UNTRUSTED",
        "the certificate is of an unknown authority, or comes without its intermediate",
        "have the server send its whole chain; import the authority if it is your own",
    ),
    fail(
        "TLS-CERT-SELF-SIGNED",
        "the certificate was signed by itself: nobody vouches for it",
        "get one of a public authority (Let's Encrypt), or import this one in the clients",
    ),
    fail(
        "TLS-CERT-PRIVATE-CA",
        "the certificate is of the private authority {authority}, which this machine does not know",
        "import that authority (here: --ca-file FILE), or get a certificate of a public one",
    ),
    fail(
        "TLS-CHAIN-INCOMPLETE",
        "the server sends its own certificate alone; that of {issuer} is missing between",
        "give the server the whole chain (fullchain.pem)",
    ),
    fail(
        "TLS-CHAIN-ORDER",
        "the certificates of the chain do not follow each other",
        "put them in order: the server's own, then each issuer behind what it issued",
    ),
    fail(
        "TLS-CERT-PURPOSE",
        "the certificate was not issued for servers",
        "have it issued with the purpose serverAuth",
    ),
    warn(
        "TLS-CERT-ENDS-SOON",
        "the certificate ends in {days} days",
        "see why it was not renewed by itself, and whether the server reads the new one",
    ),
    warn(
        "TLS-CERT-KEY-WEAK",
        "a key in the chain has {bits} bits only",
        "make a new key: RSA with 2048 bits, or P-256",
    ),
    warn(
        "TLS-CERT-SIGNATURE",
        "a certificate of the chain is signed with {name}, which is broken",
        "have it issued again with SHA-256",
    ),
    info(
        "TLS-SNI-DIFFERENT",
        "clients that do not say a name get another certificate ({subject})",
        "make this one the default if old clients are to connect",
    ),
    fail(
        "TLS-STORE-OLD",
        "this machine does not know the authority {authority}, which Mozilla's store has",
        "update the roots of this machine (Debian: ca-certificates); programs with a store of their"
        " own, such as Java, have theirs",
    ),
    info(
        "TLS-CERT-NOT-MOZILLA",
        "this machine trusts the authority {authority}, Mozilla's store does not",
        "right for an authority of your own; clients that do not know it refuse the certificate",
    ),
    info(
        "TLS-OLD-CLIENTS",
        "these can not connect: {names}",
        "update them, or put a relay between; old TLS for all is worse",
    ),
)

TLS_CHECKS: tuple[Check, ...] = (*_HANDSHAKE, *_VERSIONS, *_CERTIFICATE)
