"""Looking at a server for sending from the outside: which ports and ways work."""

from pillarbox.doctor.examine import Tools, examine
from pillarbox.doctor.login import Account

__all__ = ["Account", "Tools", "examine"]
