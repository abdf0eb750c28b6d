"""The names of cipher suites and groups, as the registry of IANA has them. Values only.

Suites for shared keys (PSK), SRP, DSS and GOST are left out: no mail server has them.
"""

from collections.abc import Mapping

SUITES_13_NAMES: Mapping[int, str] = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
}


def _family(exchange: str, ciphers: Mapping[int, str]) -> dict[int, str]:
    return {code: f"TLS_{exchange}_WITH_{cipher}" for code, cipher in ciphers.items()}


_RSA = {
    0x0001: "NULL_MD5",
    0x0002: "NULL_SHA",
    0x0004: "RC4_128_MD5",
    0x0005: "RC4_128_SHA",
    0x0007: "IDEA_CBC_SHA",
    0x0009: "DES_CBC_SHA",
    0x000A: "3DES_EDE_CBC_SHA",
    0x002F: "AES_128_CBC_SHA",
    0x0035: "AES_256_CBC_SHA",
    0x003B: "NULL_SHA256",
    0x003C: "AES_128_CBC_SHA256",
    0x003D: "AES_256_CBC_SHA256",
    0x0041: "CAMELLIA_128_CBC_SHA",
    0x0084: "CAMELLIA_256_CBC_SHA",
    0x0096: "SEED_CBC_SHA",
    0x009C: "AES_128_GCM_SHA256",
    0x009D: "AES_256_GCM_SHA384",
    0x00BA: "CAMELLIA_128_CBC_SHA256",
    0x00C0: "CAMELLIA_256_CBC_SHA256",
    0xC050: "ARIA_128_GCM_SHA256",
    0xC051: "ARIA_256_GCM_SHA384",
    0xC09C: "AES_128_CCM",
    0xC09D: "AES_256_CCM",
    0xC0A0: "AES_128_CCM_8",
    0xC0A1: "AES_256_CCM_8",
}
_RSA_EXPORT = {0x0003: "RC4_40_MD5", 0x0006: "RC2_CBC_40_MD5", 0x0008: "DES40_CBC_SHA"}
_DHE_RSA = {
    0x0015: "DES_CBC_SHA",
    0x0016: "3DES_EDE_CBC_SHA",
    0x0033: "AES_128_CBC_SHA",
    0x0039: "AES_256_CBC_SHA",
    0x0045: "CAMELLIA_128_CBC_SHA",
    0x0067: "AES_128_CBC_SHA256",
    0x006B: "AES_256_CBC_SHA256",
    0x0088: "CAMELLIA_256_CBC_SHA",
    0x009A: "SEED_CBC_SHA",
    0x009E: "AES_128_GCM_SHA256",
    0x009F: "AES_256_GCM_SHA384",
    0x00BE: "CAMELLIA_128_CBC_SHA256",
    0x00C4: "CAMELLIA_256_CBC_SHA256",
    0xC052: "ARIA_128_GCM_SHA256",
    0xC053: "ARIA_256_GCM_SHA384",
    0xC09E: "AES_128_CCM",
    0xC09F: "AES_256_CCM",
    0xC0A2: "AES_128_CCM_8",
    0xC0A3: "AES_256_CCM_8",
    0xCCAA: "CHACHA20_POLY1305_SHA256",
}
_DH_ANON = {
    0x0018: "RC4_128_MD5",
    0x001A: "DES_CBC_SHA",
    0x001B: "3DES_EDE_CBC_SHA",
    0x0034: "AES_128_CBC_SHA",
    0x003A: "AES_256_CBC_SHA",
    0x0046: "CAMELLIA_128_CBC_SHA",
    0x006C: "AES_128_CBC_SHA256",
    0x006D: "AES_256_CBC_SHA256",
    0x0089: "CAMELLIA_256_CBC_SHA",
    0x009B: "SEED_CBC_SHA",
    0x00A6: "AES_128_GCM_SHA256",
    0x00A7: "AES_256_GCM_SHA384",
    0x00BF: "CAMELLIA_128_CBC_SHA256",
    0x00C5: "CAMELLIA_256_CBC_SHA256",
}
_ECDHE_ECDSA = {
    0xC006: "NULL_SHA",
    0xC007: "RC4_128_SHA",
    0xC008: "3DES_EDE_CBC_SHA",
    0xC009: "AES_128_CBC_SHA",
    0xC00A: "AES_256_CBC_SHA",
    0xC023: "AES_128_CBC_SHA256",
    0xC024: "AES_256_CBC_SHA384",
    0xC02B: "AES_128_GCM_SHA256",
    0xC02C: "AES_256_GCM_SHA384",
    0xC05C: "ARIA_128_GCM_SHA256",
    0xC05D: "ARIA_256_GCM_SHA384",
    0xC072: "CAMELLIA_128_CBC_SHA256",
    0xC073: "CAMELLIA_256_CBC_SHA384",
    0xC0AC: "AES_128_CCM",
    0xC0AD: "AES_256_CCM",
    0xC0AE: "AES_128_CCM_8",
    0xC0AF: "AES_256_CCM_8",
    0xCCA9: "CHACHA20_POLY1305_SHA256",
}
_ECDHE_RSA = {
    0xC010: "NULL_SHA",
    0xC011: "RC4_128_SHA",
    0xC012: "3DES_EDE_CBC_SHA",
    0xC013: "AES_128_CBC_SHA",
    0xC014: "AES_256_CBC_SHA",
    0xC027: "AES_128_CBC_SHA256",
    0xC028: "AES_256_CBC_SHA384",
    0xC02F: "AES_128_GCM_SHA256",
    0xC030: "AES_256_GCM_SHA384",
    0xC060: "ARIA_128_GCM_SHA256",
    0xC061: "ARIA_256_GCM_SHA384",
    0xC076: "CAMELLIA_128_CBC_SHA256",
    0xC077: "CAMELLIA_256_CBC_SHA384",
    0xCCA8: "CHACHA20_POLY1305_SHA256",
}
_ECDH_ANON = {
    0xC015: "NULL_SHA",
    0xC016: "RC4_128_SHA",
    0xC017: "3DES_EDE_CBC_SHA",
    0xC018: "AES_128_CBC_SHA",
    0xC019: "AES_256_CBC_SHA",
}

OLD_SUITE_NAMES: Mapping[int, str] = {
    **_family("ECDHE_ECDSA", _ECDHE_ECDSA),
    **_family("ECDHE_RSA", _ECDHE_RSA),
    **_family("DHE_RSA", _DHE_RSA),
    **_family("RSA", _RSA),
    **_family("RSA_EXPORT", _RSA_EXPORT),
    **_family("DHE_RSA_EXPORT", {0x0014: "DES40_CBC_SHA"}),
    **_family("DH_anon", _DH_ANON),
    **_family("DH_anon_EXPORT", {0x0017: "RC4_40_MD5", 0x0019: "DES40_CBC_SHA"}),
    **_family("ECDH_anon", _ECDH_ANON),
}
"""Of TLS 1.2 and before."""

GROUP_NAMES: Mapping[int, str] = {
    0x11EC: "X25519MLKEM768",
    0x11EB: "SecP256r1MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
    29: "x25519",
    23: "secp256r1",
    30: "x448",
    24: "secp384r1",
    25: "secp521r1",
    22: "secp256k1",
    21: "secp224r1",
    19: "secp192r1",
    26: "brainpoolP256r1",
    27: "brainpoolP384r1",
    28: "brainpoolP512r1",
    256: "ffdhe2048",
    257: "ffdhe3072",
    258: "ffdhe4096",
    259: "ffdhe6144",
    260: "ffdhe8192",
}


def suite_name(code: int) -> str:
    """The name of a suite; its number where it has none here."""
    return SUITES_13_NAMES.get(code) or OLD_SUITE_NAMES.get(code) or f"0x{code:04X}"


def group_name(code: int) -> str:
    """The same of a group."""
    return GROUP_NAMES.get(code, f"0x{code:04X}")
