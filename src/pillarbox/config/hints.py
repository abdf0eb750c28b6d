"""What is wrong with an option and what to write there, in plain words."""

from pydantic_core import ErrorDetails

_HINTS = {
    "data_directory": 'a folder, like "/var/lib/pillarbox"',
    "database_url": '"sqlite:////var/lib/pillarbox/pillarbox.sqlite3" or '
    '"postgresql://user:password@host/database"',
    "master_key": "the output of `openssl rand -base64 32`",
    "host_name": 'the name of this host in the DNS, like "mail.example.org"',
    "listeners": '[[listeners]] with address = "*", port = 587, tls = "starttls"',
    "dns_servers": 'like ["127.0.0.1", "192.0.2.53:5353", "[2001:db8::53]:53"]',
    "address": 'an IP address like "127.0.0.1"; for listeners also "*" for all',
    "port": "a number from 1 to 65535, like 587",
    "tls": '"starttls" (587), "tls" (465) or "none"',
    "network_login": "true or false",
    "purpose": '"submission", or "returns" for the port that takes what comes back',
    "certificate": "a PEM file with the certificate and its chain",
    "key": "a PEM file with the private key",
    "level": '"debug", "info", "warning" or "error"',
    "format": '"auto", "json" or "console"',
    "workers": '1 to 64, or "auto"',
    "contact": "an address, like postmaster@example.org",
    "from_address": "an address, like tls-reports@example.org",
    "receivers": "[[delivery.receivers]] with its options below",
    "mx": 'names of hosts, like ["*.mail.example.org"]',
    "mx_private_networks": 'like ["10.1.0.0/16"], without bits behind the /',
    "time_servers": 'like ["ntp.example.org"]',
    "block_lists": 'like ["zen.spamhaus.org"]',
    "user": 'the name of a user of this host, like "pillarbox"',
}
"""By the last part of the path."""


_NO_NUMBER = ("int_parsing", "int_type", "int_from_float", "float_type", "float_parsing")

_TEXTS = {
    "missing": "is missing",
    **dict.fromkeys(_NO_NUMBER, "is no number"),
    **dict.fromkeys(("string_type", "path_type"), "is no text"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "is neither true nor false"),
    "tuple_type": "is no list",
    "too_short": "is empty",
    **dict.fromkeys(("model_type", "model_attributes_type"), "is no section"),
    **dict.fromkeys(("enum", "literal_error"), "is none of the values that can stand here"),
}
"""What is wrong, by the type of the error."""


def text_for(details: ErrorDetails) -> str:
    """What is wrong, without the value: it may be a secret."""
    limits = details.get("ctx", {})
    match details["type"]:
        case "value_error":
            return str(limits["error"])
        case "greater_than_equal":
            return f"is less than {limits['ge']}"
        case "less_than_equal":
            return f"is more than {limits['le']}"
        case "greater_than":
            return f"is not more than {limits['gt']}"
        case kind:
            return _TEXTS.get(kind, details["msg"])


def hint_for(path: str, details: ErrorDetails) -> str:
    """What to write instead."""
    limits = details.get("ctx", {})
    last = path.rpartition(".")[2].partition("[")[0]
    if last == "listeners" and path.endswith("]") and details["type"] == "value_error":
        if "bring what comes back" in str(limits["error"]):
            return 'tls = "starttls" and no network_login'
        return 'tls = "starttls", or network_login = true'
    if details["type"] == "tuple_type":
        return _HINTS.get(last, "[…]")
    if details["type"].startswith("model"):
        return f"[{path}] with its options below" if "[" not in path else _HINTS[last]
    if details["type"].startswith("bool"):
        return "true or false"
    if "." not in path and last in _HINTS:
        return _HINTS[last]
    if last in _HINTS and path not in {"tls", "limits", "log"}:
        return _HINTS[last]
    return _hint_by_type(last, details)


def _hint_by_type(name: str, details: ErrorDetails) -> str:
    """For an option that has no hint of its own."""
    limits = details.get("ctx", {})
    match details["type"]:
        case "greater_than_equal":
            return f"{limits['ge']} or more"
        case "less_than_equal":
            return f"{limits['le']} or less"
        case "greater_than":
            return f"more than {limits['gt']}"
        case "value_error":
            return ""
        case "string_type" | "path_type":
            return "text in quotes"
        case "enum" | "literal_error":
            return str(limits["expected"]).replace("'", '"')
    return _unit_hint(name)


def _unit_hint(name: str) -> str:
    """Names end in their unit."""
    unit = name.rpartition("_")[2]
    if unit in {"seconds", "octets", "days"}:
        return f"a number of {unit}, without quotes"
    return "a number, without quotes"
