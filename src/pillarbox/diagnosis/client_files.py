"""What a client is set to, from its own file: msmtp, Postfix, ssmtp, Django, and files of
variables as frameworks have them (.env). Passwords are passed over. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pillarbox.diagnosis.target import Target, host_key
from pillarbox.errors import AddressError
from pillarbox.publish.client_settings import Encryption

MAX_CHARACTERS = 1_000_000
_TLS_PORT, _STARTTLS_PORT, _RELAY_PORT = 465, 587, 25
_TRUE = frozenset({"on", "yes", "true", "1"})

_PAIR = re.compile(r"""^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$""")
_PREFIXES = ("SMTP_", "MAIL_", "EMAIL_", "MAILER_", "SMTP_MAIL_", "SPRING_MAIL_")
_URLS = ("EMAIL_URL", "MAILER_DSN", "SMTP_URL", "MAIL_URL")


@dataclass(frozen=True, slots=True)
class ClientFile:
    """What was read. `kind` is the program; `in_clear`: it is set to send without encryption."""

    kind: str
    target: Target
    username: str = ""
    sender: str = ""
    in_clear: bool = False


def read_client_file(text: str, name: str) -> ClientFile:
    """The settings in a file; `name` is for people. Raises AddressError where there are none."""
    lines = [line for line in text[:MAX_CHARACTERS].splitlines() if not _is_comment(line)]
    pairs = dict(_pairs(lines))
    for read in (_msmtp, _postfix, _ssmtp, _url, _django, _variables):
        found = read(lines, pairs, name)
        if found is not None:
            return found
    raise AddressError(
        f"{name} has no settings that are known (msmtp, Postfix, ssmtp, Django, .env)"
    )


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", ";", "//"))


def _pairs(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        match = _PAIR.match(line)
        if match:
            value = re.split(r"\s+#", match[2])[0]
            yield match[1], value.strip().strip("'\",")


def _target(name: str, host: str, port: str | int | None, encryption: Encryption | None) -> Target:
    number = int(port) if port and str(port).isascii() and str(port).isdigit() else None
    if number is not None and not 0 < number < 65_536:
        raise AddressError(f"{name}: {number} is no port")
    if number is None:
        number = _TLS_PORT if encryption is Encryption.TLS else _STARTTLS_PORT
    return Target(f"{name} ({host}:{number})", host_key(host), number, encryption)


def _msmtp(lines: list[str], pairs: Mapping[str, str], name: str) -> ClientFile | None:
    del pairs
    said: dict[str, str] = {}
    for line in lines:
        word, _, value = line.strip().partition(" ")
        said.setdefault(word.lower(), value.strip().strip('"'))
    if "host" not in said or not {"tls", "auth", "from", "user", "account"} & said.keys():
        return None
    has_tls = said.get("tls", "off") in _TRUE
    starttls = said.get("tls_starttls", "on") in _TRUE
    encryption = Encryption.STARTTLS if starttls else Encryption.TLS
    port = said.get("port", "" if has_tls and not starttls else str(_RELAY_PORT))
    target = _target(name, said["host"], port, encryption)
    return ClientFile(
        "msmtp", target, said.get("user", ""), said.get("from", ""), in_clear=not has_tls
    )


def _postfix(lines: list[str], pairs: Mapping[str, str], name: str) -> ClientFile | None:
    del lines
    match = re.fullmatch(r"\[?([^\[\]\s]+?)\]?(?::(\w+))?", pairs.get("relayhost", ""))
    if match is None:
        return None
    wrapped = pairs.get("smtp_tls_wrappermode", "no").lower() in _TRUE
    names = {"submission": "587", "smtps": "465", "submissions": "465", "smtp": "25"}
    port = names.get(match[2] or "", match[2] or str(_RELAY_PORT))
    level = pairs.get("smtp_tls_security_level", "")
    target = _target(name, match[1], port, Encryption.TLS if wrapped else Encryption.STARTTLS)
    return ClientFile("Postfix", target, in_clear=level in ("", "none", "may") and not wrapped)


def _ssmtp(lines: list[str], pairs: Mapping[str, str], name: str) -> ClientFile | None:
    del lines
    said = {key.lower(): value for key, value in pairs.items()}
    if "mailhub" not in said:
        return None
    host, _, port = said["mailhub"].partition(":")
    starttls = said.get("usestarttls", "no").lower() in _TRUE
    tls = said.get("usetls", "no").lower() in _TRUE and not starttls
    encryption = Encryption.TLS if tls else Encryption.STARTTLS
    target = _target(name, host, port or str(_RELAY_PORT), encryption)
    user = said.get("authuser", "")
    return ClientFile("ssmtp", target, user, in_clear=not (tls or starttls))


def _url(lines: list[str], pairs: Mapping[str, str], name: str) -> ClientFile | None:
    del lines
    url = next((pairs[key] for key in _URLS if "://" in pairs.get(key, "")), None)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, port, user = parts.hostname, parts.port, unquote(parts.username or "")
    except ValueError as exc:
        raise AddressError(f"{name} has a URL that names no server") from exc
    if not host:
        return None
    # dj-email-url means STARTTLS by smtps, most others TLS from the first octet: the port decides.
    is_tls = port == _TLS_PORT or (parts.scheme in ("smtps", "smtp+ssl") and port in (None, 465))
    encryption = Encryption.TLS if is_tls else Encryption.STARTTLS
    return ClientFile("a URL", _target(name, host, port, encryption), user)


def _django(lines: list[str], pairs: Mapping[str, str], name: str) -> ClientFile | None:
    if "EMAIL_HOST" not in pairs or not any("EMAIL_USE_" in line for line in lines):
        return None
    tls = pairs.get("EMAIL_USE_SSL", "").lower() in _TRUE
    starttls = pairs.get("EMAIL_USE_TLS", "").lower() in _TRUE
    encryption = Encryption.TLS if tls else Encryption.STARTTLS
    port = pairs.get("EMAIL_PORT", str(_RELAY_PORT))
    target = _target(name, pairs["EMAIL_HOST"], port, encryption)
    user = pairs.get("EMAIL_HOST_USER", "")
    sender = pairs.get("DEFAULT_FROM_EMAIL", "")
    return ClientFile("Django", target, user, sender, in_clear=not (tls or starttls))


def _variables(lines: list[str], pairs: Mapping[str, str], name: str) -> ClientFile | None:
    """SMTP_HOST, MAIL_HOST … as Laravel, Nextcloud, Vaultwarden and many others have them."""
    del lines
    said = {key.upper(): value for key, value in pairs.items()}
    prefix = next((p for p in _PREFIXES if f"{p}HOST" in said or f"{p}SERVER" in said), None)
    if prefix is None:
        return None
    host = said.get(f"{prefix}HOST") or said.get(f"{prefix}SERVER") or ""
    if not host:
        return None
    port = said.get(f"{prefix}PORT", "")
    keys = ("ENCRYPTION", "SECURITY", "SECURE", "SSL", "USE_SSL", "TLS_TYPE")
    word = next((said[prefix + key].lower() for key in keys if prefix + key in said), "")
    is_tls = word in {"ssl", "smtps", "force_tls", "implicit", *_TRUE} or port == str(_TLS_PORT)
    user = said.get(f"{prefix}USERNAME") or said.get(f"{prefix}USER") or ""
    sender = said.get(f"{prefix}FROM_ADDRESS") or said.get(f"{prefix}FROM") or ""
    in_clear = word in {"none", "off", "false", "null", "0"} and not is_tls
    encryption = Encryption.TLS if is_tls else Encryption.STARTTLS
    return ClientFile("variables", _target(name, host, port, encryption), user, sender, in_clear)
