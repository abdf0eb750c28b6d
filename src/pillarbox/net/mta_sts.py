"""Fetches the MTA-STS policy of a domain from where all look for it (RFC 8461 section 3.3)."""

from pillarbox.net.fetch import FetchError, fetch
from pillarbox.net.reach import Reach


async def fetch_policy(domain: str, reach: Reach) -> str:
    """The text of the policy that a domain publishes. Raises FetchError.

    No redirects, a certificate for exactly that name; section 3.2: the type is text/plain, so that
    nobody's upload is taken for a policy.
    """
    url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    found = await fetch(url, reach, redirects=0)
    if found is None:
        raise FetchError("there is none")
    if found.kind.partition(";")[0].strip().lower() != "text/plain":
        raise FetchError("it is not text/plain")
    return found.content.decode("utf-8", "replace")
