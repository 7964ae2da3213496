"""URLs that the engine is given to post to: where it may go as far as can be seen from them, and how they are shown.

Whoever may place an order chooses an address that the engine will post to. From inside a cloud that is a way to ask
the machine's metadata service, which hands out credentials: link-local and metadata addresses are refused in every
spelling. Loopback and private addresses are allowed: the application usually lives next door. A user name or password
in a URL is refused, and never shown where an older journal has one.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from .errors import BadRequest

__all__ = [
    "Address",
    "Forbidden",
    "check_url",
    "inspect_url",
    "is_forbidden",
    "receiver_of",
    "shown_url",
]

FORBIDDEN_NETWORKS = tuple(
    ip_network(each)
    for each in (
        "169.254.0.0/16",  # link-local: the metadata service of AWS, Azure, GCP, Oracle and others
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # AWS over IPv6 (fd00:ec2::254)
        "fd20:ce::254/128",  # GCP over IPv6
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's wire server
        "192.0.0.192/32",  # Oracle's older one
    )
)
FORBIDDEN_NAMES = frozenset(
    {"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"}
)
NETWORKS_AROUND_IPV4 = tuple(
    ip_network(each)
    for each in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/96")
)
"""An IPv6 address in one of these has an IPv4 address in its last 32 bits: mapped, translated, compatible, NAT64."""

HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")
IN_THE_AUTHORITY = re.compile(r"//[^/?#]*@")
BEFORE_THE_LAST_AT = re.compile(r".*@", re.DOTALL)

Address = IPv4Address | IPv6Address


class Forbidden(Exception):
    """A notification may not go there; the message says why, without the address itself."""


def check_url(url: str, allow: Collection[str] = ()) -> None:
    """Raise BadRequest, for `$.callback_url`, unless a notification may go to `url`, as far as can be seen from it.

    `allow` is the lower-case host names that are allowed; empty: any but those that are forbidden to all.
    """
    try:
        inspect_url(url, allow)
    except Forbidden as reason:
        raise BadRequest(f"callback_url {reason}", "$.callback_url") from None


def inspect_url(url: str, allow: Collection[str]) -> tuple[httpx.URL, str, Address | None]:
    """The parsed URL, its host, and the address that the host is, if it is one. Raises Forbidden."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):  # a ValueError: half of a surrogate pair
        raise Forbidden("is not an address such as https://host/path") from None
    if parsed.scheme not in ("http", "https"):
        raise Forbidden("must begin with http:// or https://")
    host = parsed.raw_host.decode("ascii").lower().rstrip(".")
    if not host:
        raise Forbidden("has no host")
    if parsed.userinfo:
        raise Forbidden("must not have a user name or a password in it")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise Forbidden("has a port that is not from 1 to 65535")
    if allow and host not in allow and f"[{host}]" not in allow:
        raise Forbidden("has a host that CALLBACK_ALLOW does not list")
    address = _address(host)
    if address is None and not HOST_NAME.fullmatch(host):
        raise Forbidden("has a host that is not a host name")
    if host in FORBIDDEN_NAMES or (address is not None and is_forbidden(address)):
        raise Forbidden("is a link-local or cloud metadata address")
    return parsed, host, address


@lru_cache(maxsize=1024)
def receiver_of(url: str) -> str:
    """Host and port of `url`: who is spoken to, without what may be secret in a path; `""` if it is no URL."""
    try:
        return httpx.URL(url).netloc.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return ""


def shown_url(url: str) -> str:
    """`url` without the user name and password that it may have."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return BEFORE_THE_LAST_AT.sub("***@", url)
    if not parsed.raw_host:
        return BEFORE_THE_LAST_AT.sub("***@", url)
    return IN_THE_AUTHORITY.sub("//***@", url) if parsed.userinfo else url


def _address(host: str) -> Address | None:
    """The address that `host` spells, in any way that connecting would understand (decimal, octal, hex, short)."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_forbidden(address: Address) -> bool:
    """Whether `address` is link-local or a cloud's metadata service, or has one of those inside."""
    candidates: list[Address] = [address]
    if isinstance(address, IPv6Address):
        if any(address in network for network in NETWORKS_AROUND_IPV4):
            candidates.append(IPv4Address(int(address) & 0xFFFF_FFFF))
        candidates += [address.sixtofour] if address.sixtofour else []
        candidates += address.teredo or ()
    return any(each in network for each in candidates for network in FORBIDDEN_NETWORKS)
