"""A session of aiosmtplib that ends within its test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiosmtplib

END_SECONDS = 60


@asynccontextmanager
async def session(**options: Any) -> AsyncIterator[aiosmtplib.SMTP]:
    """A client that is connected. aiosmtplib does not wait for the server's good-bye of TLS; its
    connection would be left open where the event loop ends before that."""
    async with aiosmtplib.SMTP(**options) as client:
        connection = client.get_transport_info("socket")
        yield client
    async with asyncio.timeout(END_SECONDS):
        while connection.fileno() != -1:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
