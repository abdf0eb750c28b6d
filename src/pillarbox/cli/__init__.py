"""The command `pillarbox`: reads arguments, calls the parts below, prints. It decides nothing.

Start-up is quick: each noun is its own module, which is imported only when it is used.
"""

import sys

from pillarbox.standard_streams import open_closed_streams

EX_UNAVAILABLE = 69
NEEDS_EXTRA = (
    "pillarbox: this is the light library only. `pillarbox find` comes with: "
    'pip install "pillarbox[client]"; the service and all its commands come with: '
    'pip install "pillarbox[server]"\n'
)


def main() -> None:
    """Entry point of the program. Ends the process with an exit code of sysexits.h."""
    open_closed_streams()
    try:
        from pillarbox.cli.root import root
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "pillarbox":
            raise
        sys.stderr.write(NEEDS_EXTRA)
        sys.exit(EX_UNAVAILABLE)
    root(prog_name="pillarbox")
