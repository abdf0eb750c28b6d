"""The settings as the form of a printer, scanner or other device asks for them. Pure.

Each line gives the names that makers use for one field, then what to enter.
"""

from pillarbox.publish.client_settings import PASSWORD_PLACEHOLDER, ClientSettings, Encryption

_FIELD_COLUMNS = 44


def printer_form(settings: ClientSettings) -> str:
    """The form as plain text."""
    fields = [
        ("SMTP server, outgoing mail server", settings.server),
        *_ports(settings),
        ("SMTP authentication", f"on; method {_methods(settings)}"),
        ("User name, login name, account", settings.username),
        ("Password", settings.password or PASSWORD_PLACEHOLDER),
        ("Device address, From, sender", f"{settings.sender} (must be this address)"),
        ("POP before SMTP", "off"),
    ]
    if settings.ca_file:
        fields.append(("Trusted (root) certificate: import", settings.ca_file))
        fields.append(
            ("Verify server certificate", "on, after the import; off if that is impossible")
        )
    else:
        fields.append(("Verify server certificate", "on"))
    return "\n".join(f"{name:<{_FIELD_COLUMNS}}{value}" for name, value in fields)


def _methods(settings: ClientSettings) -> str:
    offered = [name for name in ("PLAIN", "LOGIN") if name in settings.mechanisms]
    return " or ".join(["Auto", *offered]) if len(offered) < 2 else "Auto, PLAIN or LOGIN"


def _ports(settings: ClientSettings) -> list[tuple[str, str]]:
    """Port and security. Devices offer one way of encryption or both, under many names."""
    starttls = settings.door_with(Encryption.STARTTLS)
    tls = settings.door_with(Encryption.TLS)
    fields: list[tuple[str, str]] = []
    if starttls is not None:
        fields.append(("Port, with STARTTLS, TLS or Explicit TLS", str(starttls.port)))
    if tls is not None:
        fields.append(("Port, with SSL, SSL/TLS or Implicit TLS", str(tls.port)))
    return fields
