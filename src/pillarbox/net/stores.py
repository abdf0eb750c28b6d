"""The roots of the system and those of Mozilla, each alone, to see who trusts a certificate."""

import ssl
from dataclasses import dataclass

from pillarbox.net.tls import client_context


@dataclass(frozen=True, slots=True)
class Stores:
    """A context for each; they compare no names. None where it is not to be asked."""

    system: ssl.SSLContext | None = None
    mozilla: ssl.SSLContext | None = None


NO_STORES = Stores()


def both_stores() -> Stores:
    """Those of this machine; Mozilla's where certifi is installed."""
    return Stores(_nameless(client_context(verify=True)), _mozilla())


def _mozilla() -> ssl.SSLContext | None:
    try:
        import certifi
    except ImportError:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=certifi.where())
    return _nameless(context)


def _nameless(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    return context
