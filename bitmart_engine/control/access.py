"""Access rule: this machine alone, whoever has the token, and peers of the private networks of `CTRL_ALLOW`.

Without `CTRL_TOKEN` a request has to come from a loopback address, speak to a loopback host and, if a browser sent it,
come from a loopback page. The `Host` keeps out a site whose name was rebound to 127.0.0.1, the `Origin` a site that
posts across. A request that a proxy passed on comes from whoever asked the proxy, and is refused too. With a token,
only the token counts; as the password of `Authorization: Basic`, which browsers send by themselves, it counts for no
page of another site.

Peers of `CTRL_ALLOW` need no token, also where one is set. They have to speak to an IP address, a name without a dot or
one of `CTRL_HOSTS`: a site can be rebound to none of these. A page that posts has to be the engine's own, or come from
such a name, or from an address of `CTRL_ALLOW` or of this machine; an address of the internet is somebody's site. What
a proxy of such a network passed on is refused: it comes from whoever can reach the proxy.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address

from attrs import frozen
from quart import Response
from quart.wrappers.base import BaseRequestWebsocket

from ..model.networks import Network, address_of
from ..settings import Settings
from .answers import refusal
from .page import is_page

__all__ = ["AccessRule", "Asker"]

AUTHORITY = re.compile(r"(localhost|\[::1\]|127(?:\.[0-9]{1,3}){3})(?::[0-9]*)?", re.IGNORECASE)
ORIGIN = re.compile(r"https?://(.*)", re.IGNORECASE)
NAMED = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<host>[a-z0-9_.-]+))(?::[0-9]*)?", re.IGNORECASE)
"""A host as an address in brackets, an IPv4 address or a name, and perhaps a port."""
PASSED_ON = re.compile(
    r"via|(x-)?forwarded(-.*)?|x-real-.*|x-original-.*|x-envoy-.*|x-proxy.*|x-proxied-.*"
    r"|(x-)?(cluster-|true-|fastly-|fly-)?client-ip|cf-(connecting-.*|ray|visitor|ipcountry)"
    r"|x-amzn-trace-id|x-amz-cf-id|x-appengine-.*"
)
"""Headers, in lower case, by which a proxy says that it asks for somebody else."""
NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
BEARER = re.compile(r"bearer +(\S.*?) *", re.IGNORECASE)
BASIC = re.compile(r"basic +([A-Za-z0-9+/=]+) *", re.IGNORECASE)

ELSEWHERE = "the request comes from elsewhere"
OTHER_SITE = "its Origin is another site"
ONLY_THIS_MACHINE = (
    "only this machine is served ({why}); to let others in, set CTRL_TOKEN to a long random text, "
    "restart, and send 'Authorization: Bearer <that text>'"
)


@frozen(kw_only=True)
class Asker:
    """The origin of a request, as its socket and its headers tell it."""

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
        """The asker of a request. The peer is the socket's, whatever a header says."""
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
    allow: tuple[Network, ...] = ()
    """Private networks whose peers need no token."""
    hosts: tuple[str, ...] = ()
    """Names, in lower case, by which those peers may call the engine beside names without a dot."""

    @classmethod
    def of(cls, settings: Settings) -> AccessRule:
        """The rule that these settings make."""
        return cls(settings.control_token, settings.control_allow, settings.control_hosts)

    def stranger(self, peer: str) -> str | None:
        """The reason why a peer gets no connection; None if it gets one."""
        if self.token or _is_loopback(peer) or self._allows(peer):
            return None
        return ONLY_THIS_MACHINE.format(why=ELSEWHERE)

    def refusal(self, asker: Asker) -> Response | None:
        """The answer to a request that is not allowed; None if it is."""
        if self.shown_by(asker) or self.lets_in(asker):
            return None
        if not self.token:
            why = self._foreign_there(asker) if self._allows(asker.peer) else _foreign(asker)
            return refusal(403, ONLY_THIS_MACHINE.format(why=why))
        if (asker.method, asker.path) == ("GET", "/healthz") or is_page(asker.method, asker.path):
            return None
        return self.unauthorised(asker)

    def unauthorised(self, asker: Asker) -> Response:
        """The answer to a request without the token that is set."""
        error = "the header 'Authorization: Bearer <CTRL_TOKEN>' is missing or wrong"
        if self._allows(asker.peer):
            error += f"; CTRL_ALLOW does not let it in, for {self._foreign_there(asker)}"
        return refusal(401, error, headers={"WWW-Authenticate": "Bearer"})

    def lets_in(self, asker: Asker) -> bool:
        """Whether this asker needs no token."""
        if self._allows(asker.peer) and self._foreign_there(asker) is None:
            return True
        return not self.token and _foreign(asker) is None

    def shown_by(self, asker: Asker) -> bool:
        """Whether there is a token, and a header of this asker shows it."""
        bearer = BEARER.fullmatch(asker.authorization)
        text = (bearer[1] if bearer else "").encode("latin-1", "replace")
        if self.is_token(text):
            return True
        return self.is_token(_password(asker.authorization)) and all(
            _is_own(each, asker) for each in asker.origins
        )

    def is_token(self, given: bytes) -> bool:
        """Whether `given` is the token, compared in constant time; False where none is set."""
        return hmac.compare_digest(given, self.token.encode()) and bool(self.token)

    def _allows(self, peer: str | None) -> bool:
        """Whether a peer is in a network of `CTRL_ALLOW`."""
        address = address_of(peer)
        return address is not None and any(address in each for each in self.allow)

    def _foreign_there(self, asker: Asker) -> str | None:
        """The reason why a request of an allowed network needs the token; None if it needs none."""
        why = _passed_on(asker)
        if why is not None:
            return why
        if len(asker.hosts) != 1 or not self._may_be_called(asker.hosts[0]):
            return "its Host is no IP address, no name without a dot and none of CTRL_HOSTS"
        for origin in asker.origins:
            if not (_is_own(origin, asker) or self._may_post(origin)):
                return OTHER_SITE
        return None

    def _may_be_called(self, authority: str) -> bool:
        found = NAMED.fullmatch(authority)
        if found is None:
            return False
        return address_of(found["v6"] or found["host"]) is not None or self._is_name(found["host"])

    def _may_post(self, origin: str) -> bool:
        authority = ORIGIN.fullmatch(origin)
        found = NAMED.fullmatch(authority[1]) if authority else None
        if found is None:
            return False
        host = found["v6"] or found["host"]
        if address_of(host) is not None:
            return _is_loopback(host) or self._allows(host)
        return self._is_name(found["host"])

    def _is_name(self, host: str | None) -> bool:
        """Whether it is a name that no site of the internet can have: without a dot, or one of those set.

        A browser takes `2130706433` and `0x7f000001` for addresses of the internet, so they are no names.
        """
        if not host:
            return False
        return host.lower() in self.hosts or ("." not in host and not NUMERIC.fullmatch(host))


def _foreign(asker: Asker) -> str | None:
    """The part of a request that is not of this machine, in words; None if all of it is."""
    if not _is_loopback(asker.peer):
        return ELSEWHERE
    why = _passed_on(asker)
    if why is not None:
        return why
    if len(asker.hosts) != 1 or not _names_loopback(asker.hosts[0]):
        return "its Host is not a loopback one"
    for origin in asker.origins:
        authority = ORIGIN.fullmatch(origin)
        if authority is None or not _names_loopback(authority[1]):
            return OTHER_SITE
    return None


def _passed_on(asker: Asker) -> str | None:
    """The header of a proxy that passed the request on, in words; None if there is none."""
    for name in asker.headers:
        if PASSED_ON.fullmatch(name.lower().replace("_", "-")):
            return f"a proxy passed the request on, says its header {name[:40]}"
    return None


def _password(authorization: str) -> bytes:
    """The password of `Authorization: Basic`, whoever the user; empty if there is none."""
    found = BASIC.fullmatch(authorization)
    try:
        return b64decode(found[1], validate=True).partition(b":")[2] if found else b""
    except binascii.Error:
        return b""


def _is_own(origin: str, asker: Asker) -> bool:
    """Whether the page that asks is of the same host and port as what it asks."""
    authority = ORIGIN.fullmatch(origin)
    return authority is not None and [authority[1].lower()] == [
        each.lower() for each in asker.hosts
    ]


def _is_loopback(peer: str | None) -> bool:
    address = address_of(peer)
    return address is not None and address.is_loopback


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
