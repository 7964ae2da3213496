"""Who may ask: this machine alone, or whoever has the token.

Without `CTRL_TOKEN` a request has to come from a loopback address, speak to a loopback host and, if a browser sent it,
come from a loopback page. The `Host` keeps out a site whose name was rebound to 127.0.0.1, the `Origin` a site that
posts across. A request that a proxy passed on comes from whoever asked the proxy, and is refused too. With a token,
only the token counts.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

from attrs import frozen
from quart import Response
from quart.wrappers.base import BaseRequestWebsocket

from .answers import refusal

__all__ = ["AccessRule", "Asker"]

AUTHORITY = re.compile(r"(localhost|\[::1\]|127(?:\.[0-9]{1,3}){3})(?::[0-9]*)?", re.IGNORECASE)
ORIGIN = re.compile(r"https?://(.*)", re.IGNORECASE)
PASSED_ON = re.compile(
    r"via|(x-)?forwarded(-.*)?|x-real-.*|x-original-.*|x-envoy-.*|x-proxy.*|x-proxied-.*"
    r"|(x-)?(cluster-|true-|fastly-|fly-)?client-ip|cf-(connecting-.*|ray|visitor|ipcountry)"
    r"|x-amzn-trace-id|x-amz-cf-id|x-appengine-.*"
)
"""Headers, in lower case, by which a proxy says that it asks for somebody else."""
BEARER = re.compile(r"bearer +(\S.*?) *", re.IGNORECASE)

ELSEWHERE = "the request comes from elsewhere"
ONLY_THIS_MACHINE = (
    "only this machine is served ({why}); to let others in, set CTRL_TOKEN to a long random text, "
    "restart, and send 'Authorization: Bearer <that text>'"
)


@frozen(kw_only=True)
class Asker:
    """What a request says of where it comes from."""

    method: str
    path: str
    peer: str | None
    hosts: Sequence[str]
    origins: Sequence[str] = ()
    authorization: str = ""
    headers: Sequence[str] = ()
    """The names of all its headers."""

    @classmethod
    def of(cls, asked: BaseRequestWebsocket) -> Asker:
        """The peer is the socket's; no header is believed about that."""
        client = asked.scope.get("client")
        return cls(
            method=asked.method,
            path=asked.path,
            peer=client[0] if client else None,
            hosts=asked.headers.getlist("Host"),
            origins=asked.headers.getlist("Origin"),
            authorization=asked.headers.get("Authorization", ""),
            headers=[name for name, _ in asked.headers],
        )


@frozen
class AccessRule:
    """The rule for one token; an empty one means none is set."""

    token: str

    def stranger(self, peer: str) -> str | None:
        """Why a peer is not even listened to; None if it is."""
        if self.token or _is_loopback(peer):
            return None
        return ONLY_THIS_MACHINE.format(why=ELSEWHERE)

    def refusal(self, asker: Asker) -> Response | None:
        """What to answer someone who may not ask; None for everybody else."""
        if self.token:
            if (asker.method, asker.path) == ("GET", "/healthz") or self._knows(asker):
                return None
            return refusal(
                401,
                "the header 'Authorization: Bearer <CTRL_TOKEN>' is missing or wrong",
                headers={"WWW-Authenticate": "Bearer"},
            )
        why = _foreign(asker)
        return None if why is None else refusal(403, ONLY_THIS_MACHINE.format(why=why))

    def _knows(self, asker: Asker) -> bool:
        given = BEARER.fullmatch(asker.authorization)
        text = given[1] if given else ""
        return hmac.compare_digest(text.encode("latin-1", "replace"), self.token.encode())


def _foreign(asker: Asker) -> str | None:
    """What is not of this machine, in words; None if everything is."""
    if not _is_loopback(asker.peer):
        return ELSEWHERE
    for name in asker.headers:
        if PASSED_ON.fullmatch(name.lower().replace("_", "-")):
            return f"a proxy passed the request on, says its header {name[:40]}"
    if len(asker.hosts) != 1 or not _names_loopback(asker.hosts[0]):
        return "its Host is not a loopback one"
    for origin in asker.origins:
        authority = ORIGIN.fullmatch(origin)
        if authority is None or not _names_loopback(authority[1]):
            return "its Origin is another site"
    return None


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _names_loopback(authority: str) -> bool:
    """Whether `host[:port]` means this machine, whatever a resolver says."""
    match = AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    host = match[1]
    if not host.startswith("127."):
        return True
    try:
        return IPv4Address(host).is_loopback
    except AddressValueError:
        return False
