"""Looking for marked secrets where they do not belong: in all that a service wrote or shows."""

import base64
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from tests.e2e.service import Pillarbox


def forms_of(secret: str, usernames: Iterable[str]) -> set[bytes]:
    """How a secret could be written: plainly, in base64 (alone, or behind a user name as SASL
    PLAIN and LOGIN do), for URLs, and as a repr of octets or JSON."""
    octets = secret.encode()
    plain = {f"\0{user}\0{secret}".encode() for user in usernames}
    forms = {octets, quote(secret, safe="").encode(), quote_plus(secret).encode()}
    forms |= {base64.b64encode(octets), base64.urlsafe_b64encode(octets), octets.hex().encode()}
    for response in plain:
        # The last characters depend on what follows; the first ones hold the user name.
        forms.add(base64.b64encode(response).rstrip(b"=")[-16:-2])
    for shift in range(3):
        # Inside a longer base64 text the octets stand at one of three offsets.
        shifted = base64.b64encode(b"\0" * shift + octets).rstrip(b"=")
        forms.add(shifted[4:-2])
    forms.add(secret.replace("/", "\\/").encode())
    return forms


def places_of(service: Pillarbox, account: str, recipient: str) -> dict[str, bytes]:
    """Everything that the service wrote or shows, by name."""
    files = {str(p.relative_to(service.folder)): p for p in service.folder.rglob("*")}
    places = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    places["/metrics"] = service.get("/metrics")[1].encode()
    places["/readyz"] = service.get("/readyz")[1].encode()
    for words in (("queue", "list"), ("trace", recipient), ("session", "list")):
        places[" ".join(words)] = service.admin(*words, "--json").encode()
    places["route list"] = service.admin("route", "list", "--json").encode()
    places["account show"] = service.admin("account", "show", account, "--json").encode()
    return places


def found_in(
    places: Mapping[str, bytes], secret: str, usernames: Iterable[str]
) -> set[tuple[str, bytes]]:
    """Where a secret stands, and in which form."""
    forms = forms_of(secret, usernames)
    return {(name, form) for name, octets in places.items() for form in forms if form in octets}
