"""Finding the server that takes the mail of an address: `pillarbox.discover("app@example.org")`."""

from pillarbox.client.discovery.run import Network, Options, discover, discover_async

__all__ = ["Network", "Options", "discover", "discover_async"]
