"""Passwords out of the keyring of this user (the extra `keyring`)."""

from pillarbox.client.errors import LoginError


def password_from_keyring(service: str, username: str) -> str:
    """The password. Raises LoginError."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as exc:
        raise LoginError(
            "the keyring can not be read",
            code="no-keyring",
            cause="The package keyring is not installed.",
            fix='pip install "pillarbox[keyring]"',
        ) from exc
    try:
        found = keyring.get_password(service, username)
    except KeyringError as exc:
        raise LoginError(
            f"the keyring can not be read: {type(exc).__name__}",
            code="no-keyring",
            cause="It is locked, or this machine has none.",
            fix=f"Try: keyring get {service} {username}",
        ) from exc
    if found is None:
        raise LoginError(
            f"the keyring has no password for {username} under {service}",
            code="no-keyring",
            cause="Nobody put it there.",
            fix=f"keyring set {service} {username}",
        )
    return str(found)
