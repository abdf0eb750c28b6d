"""Clients that are still about, by what their hellos offer. Values only.

Sources: Microsoft, "TLS Cipher Suites in Windows 7" and "… in Windows 8.1" (learn.microsoft.com,
win32/secauthn), "Enabling TLS 1.1 and 1.2 in Outlook on Windows 7" (blogs.technet.microsoft.com,
8 July 2016), "Support for TLS System Default Versions" (KB 3154518); Oracle, "How to enable TLS 1.2
as the default protocol for SSL connections on Java SE 7 clients" (ops.java/security) and the list
of default suites of SunJSSE in Java 7; OpenSSL, CHANGES (TLS 1.1 and 1.2 and their suites came with
1.0.1, X25519 with 1.1.0).
"""

from dataclasses import dataclass

from pillarbox.diagnosis.hello import TLS10, TLS12, Offer

_P256, _P384, _P521 = 23, 24, 25
_CURVES = (_P256, _P384, _P521)


@dataclass(frozen=True, slots=True)
class OldClient:
    """A client; `names_server` is whether it says whom it wants (SNI)."""

    name: str
    offer: Offer
    names_server: bool = True


OLD_CLIENTS: tuple[OldClient, ...] = (
    OldClient(
        "Windows 7 (Outlook, .NET before 4.7)",
        Offer(
            TLS10,
            (0x002F, 0x0035, 0x0005, 0x000A, 0xC013, 0xC014, 0xC009, 0xC00A, 0x0004),
            (_P256, _P384),
        ),
    ),
    OldClient(
        "Java 7",
        Offer(
            TLS10,
            (
                0xC009,
                0xC013,
                0x002F,
                0x0033,
                0xC007,
                0xC011,
                0x0005,
                0xC008,
                0xC012,
                0x000A,
                0x0016,
                0x0004,
            ),
            _CURVES,
        ),
    ),
    OldClient(
        "devices with OpenSSL before 1.0.1",
        Offer(TLS10, (0x0039, 0x0035, 0x0016, 0x000A, 0x0033, 0x002F, 0x0005, 0x0004), ()),
        names_server=False,
    ),
    OldClient(
        "Windows 8.1 and Server 2012 R2",
        Offer(
            TLS12,
            (
                0xC028,
                0xC027,
                0xC014,
                0xC013,
                0x009D,
                0x009C,
                0x003D,
                0x003C,
                0x0035,
                0x002F,
                0xC02C,
                0xC02B,
                0xC024,
                0xC023,
                0xC00A,
                0xC009,
                0x000A,
            ),
            (_P256, _P384),
        ),
    ),
    OldClient(
        "devices with OpenSSL 1.0.1",
        Offer(
            TLS12,
            (
                0xC030,
                0xC02C,
                0xC028,
                0xC024,
                0xC014,
                0xC00A,
                0x009F,
                0x006B,
                0x0039,
                0x009D,
                0x003D,
                0x0035,
                0xC02F,
                0xC02B,
                0xC027,
                0xC023,
                0xC013,
                0xC009,
                0x009E,
                0x009C,
            ),
            _CURVES,
        ),
    ),
)
