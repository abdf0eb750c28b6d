"""What must be said to OpenSSL before a process loads it: which key exchange groups TLS may use.

Interpreters before Python 3.15 can not set a list of groups on a context, and OpenSSL's own list
ends with finite-field groups of up to 8192 bits: a client that asks for the largest one costs the
server 100 ms of CPU a handshake, a hundred times the usual. OpenSSL reads the list that holds for
all contexts from its configuration file.
"""

import os
import ssl
from collections.abc import Mapping

GROUPS = "X25519:P-256:P-384"
"""The curves of Mozilla's "intermediate" recommendation; openssl.cnf says the same."""

CONFIGURATION = os.path.join(os.path.dirname(__file__), "openssl.cnf")

_POLICY_OF_THE_SYSTEM = "/etc/crypto-policies"
"""Where systems keep one policy for all programs (Fedora and its kin); it has a list of groups."""

_FIPS_MODE = "/proc/sys/crypto/fips_enabled"


def set_groups(context: ssl.SSLContext) -> None:
    """Limit the groups of one context, where the interpreter can."""
    setter = getattr(context, "set_groups", None)
    if setter is not None:
        setter(GROUPS)


def environment_with_groups(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a new process that uses TLS.

    An administrator's own OPENSSL_CONF, a policy of the system and FIPS mode stay in force.
    """
    made = dict(environment)
    if not _is_governed():
        made.setdefault("OPENSSL_CONF", CONFIGURATION)
    return made


def _is_governed() -> bool:
    if os.path.exists(_POLICY_OF_THE_SYSTEM):
        return True
    try:
        with open(_FIPS_MODE, encoding="ascii") as file:
            return file.read().strip() == "1"
    except OSError:
        return False
