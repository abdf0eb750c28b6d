"""Looking at a server for sending from the outside: which ports and ways work."""

from pillarbox.doctor.examine import Tools, examine

__all__ = ["Tools", "examine"]
