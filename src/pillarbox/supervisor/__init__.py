"""The first process: binds the ports, becomes an ordinary user, keeps the workers running."""

from pillarbox.supervisor.service import serve

__all__ = ["serve"]
