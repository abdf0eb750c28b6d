"""Starts the servers of the gallery on this machine, each on a port of its own: `python -m
tests.gallery` in the folder of the sources. Ctrl-C ends it.

The certificates are for localhost too; the root that vouches for them is written to gallery-ca.pem.
What needs a name, a DNS or an account is shown by the tests alone.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from tests.gallery.certificates import ROOT, authority, pem
from tests.gallery.rooms import BROKEN, CLEAN
from tests.gallery.server import serving

CA_FILE = Path("gallery-ca.pem")


async def main() -> None:
    """Serve until somebody has seen enough."""
    async with AsyncExitStack() as stack:
        for exhibit in (*BROKEN, *CLEAN):
            for port, server in exhibit.ports.items():
                at = await stack.enter_async_context(serving(server))
                way = "smtps" if server.implicit else "smtp"
                first = exhibit.first or "-"
                print(f"{way}://localhost:{at:<6} for {port:<5} {first:<24} {exhibit.name}")
        print(f"pillarbox doctor TARGET --ca-file {CA_FILE}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    CA_FILE.write_bytes(pem(authority(ROOT).certificate))
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
