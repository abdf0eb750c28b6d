"""A file of profiles for sending, for the programs that read it."""

from pathlib import Path

from pillarbox.testing import SmtpServer


class Profiles:
    """The file of one test, with the profile `main`, and the password that it names."""

    def __init__(self, folder: Path, server: SmtpServer) -> None:
        self.folder = folder
        self.file = folder / "client.toml"
        self.spool = folder / "spool"
        self.password = folder / "main.password"
        self.password.write_text(f"{server.password}\n")
        self.password.chmod(0o600)
        self._settings = {
            "server": f"smtp://{server.host}:{server.port}",
            "username": server.username,
            "password_file": "main.password",
            "ca_file": str(server.ca_file),
            "sender": "app@example.com",
        }

    def write(self, **settings: object) -> None:
        """The profile; settings change or add to the usual ones, None takes one away."""
        values = {k: v for k, v in {**self._settings, **settings}.items() if v is not None}
        lines = [
            f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
            for key, value in values.items()
        ]
        self.file.write_text(f"[profiles.main]\n{''.join(lines)}")
        self.file.chmod(0o600)
