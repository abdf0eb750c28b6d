"""Handing octets to a web server that strangers name: by HTTPS to a public address, with a valid
certificate, without redirects, in little time. Of the answer the status alone counts.
"""

import asyncio

from pillarbox.net.fetch import FetchError, exchange, in_words_of_fetching, split_url
from pillarbox.net.reach import Reach

POST_SECONDS = 30.0
"""For all of it."""

_PORT = 443


async def post(url: str, reach: Reach, content: bytes, *, kind: str) -> None:
    """POST content of this media type; the server took it. Raises FetchError."""
    with in_words_of_fetching():
        async with asyncio.timeout(POST_SECONDS):
            scheme, host, target = split_url(url)
            if scheme != "https":
                raise FetchError("it leads to another service than HTTPS")
            async with reach.open(host, _PORT) as plain:
                stream = await reach.secure(plain, host)
                head, _ = await exchange(stream, "POST", host, target, sent=content, kind=kind)
    if not 200 <= head.status_code < 300:
        raise FetchError(f"the server answered {head.status_code}")
