"""Sending mail from a program: `pillarbox.client.send(message, server)`."""

from pillarbox.client.sender import SendError, Sent, Server, send, send_async

__all__ = ["SendError", "Sent", "Server", "send", "send_async"]
