"""Where a notification may go as it resolves: never to link-local and cloud metadata addresses.

`model.urls` looks at an address as it is written, when it is given; here it is looked at as it resolves, each time
something is sent. What is sent then goes to the very address that was looked at, so that a name which resolves
differently the next moment gains nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from ipaddress import ip_address

import httpx
from attrs import frozen

from ..model.urls import Forbidden, check_url, inspect_url, is_forbidden, receiver_of

__all__ = ["Forbidden", "Resolve", "Target", "check_url", "receiver_of", "targets"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of (host, port), as text. Raises OSError."""


@frozen
class Target:
    """One address that a notification may be sent to, and as whom it is spoken to there."""

    url: httpx.URL
    """With the checked address in place of the host."""
    host_header: str
    sni: str | None
    """The name that TLS asks for and checks; None for an address without a name."""


async def targets(url: str, allow: Collection[str], resolve: Resolve) -> list[Target]:
    """Where to send what is for `url`: every address of its host, in order of preference.

    Raises Forbidden if any of them may not be spoken to, and OSError where the name does not resolve.
    """
    parsed, host, address = inspect_url(url, allow)
    if address is None:
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        addresses = [ip_address(each) for each in await resolve(host, port)]
    else:
        addresses = [address]
    if any(is_forbidden(each) for each in addresses):
        raise Forbidden("resolves to a link-local or cloud metadata address")
    if not addresses:
        raise OSError("the name has no address")
    return [
        Target(
            url=parsed.copy_with(host=str(each)),
            host_header=parsed.netloc.decode("ascii"),
            sni=host if address is None else None,
        )
        for each in addresses
    ]
