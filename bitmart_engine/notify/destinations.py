"""Where a notification may go: never to link-local and cloud metadata addresses, whatever they are called.

Whoever may place an order chooses an address that the engine will post to. From inside a cloud that is a way to ask
the machine's metadata service, which hands out credentials. So an address is looked at twice: as it is written, when
it is given (`check_url`), and as it resolves, each time something is sent (`targets`). What is sent then goes to the
very address that was looked at, so that a name which resolves differently the next moment gains nothing.

Loopback and private addresses are allowed: the application usually lives next door. `allow` narrows the hosts down.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx
import trio
from attrs import frozen

from ..model.errors import BadRequest

__all__ = ["Forbidden", "Resolve", "Target", "check_url", "receiver_of", "resolve_name", "targets"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of (host, port), as text. Raises OSError."""

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

Address = IPv4Address | IPv6Address


class Forbidden(Exception):
    """A notification may not go there; the message says why, without the address itself."""


@frozen
class Target:
    """One address that a notification may be sent to, and as whom it is spoken to there."""

    url: httpx.URL
    """With the checked address in place of the host."""
    host_header: str
    sni: str | None
    """The name that TLS asks for and checks; None for an address without a name."""


def check_url(url: str, allow: Collection[str] = ()) -> None:
    """Raise BadRequest, for `$.callback_url`, unless a notification may go to `url`, as far as can be seen from it.

    `allow` is the lower-case host names that are allowed; empty: any but those that are forbidden to all.
    """
    try:
        _inspect(url, allow)
    except Forbidden as reason:
        raise BadRequest(f"callback_url {reason}", "$.callback_url") from None


def receiver_of(url: str) -> str:
    """Host and port of `url`: who is spoken to, without what may be secret in a path; `""` if it is no URL."""
    try:
        return httpx.URL(url).netloc.decode("ascii")
    except httpx.InvalidURL:
        return ""


async def targets(url: str, allow: Collection[str], resolve: Resolve) -> list[Target]:
    """Where to send what is for `url`: every address of its host, in order of preference.

    Raises Forbidden if any of them may not be spoken to, and OSError where the name does not resolve.
    """
    parsed, host, address = _inspect(url, allow)
    if address is None:
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        addresses = [ip_address(each) for each in await resolve(host, port)]
    else:
        addresses = [address]
    if any(_is_forbidden(each) for each in addresses):
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


async def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of `host`, as the system resolves it. Raises OSError."""
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("not a host name") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _inspect(url: str, allow: Collection[str]) -> tuple[httpx.URL, str, Address | None]:
    """The parsed URL, its host, and the address that the host is, if it is one. Raises Forbidden."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
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
    if host in FORBIDDEN_NAMES or (address is not None and _is_forbidden(address)):
        raise Forbidden("is a link-local or cloud metadata address")
    return parsed, host, address


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


def _is_forbidden(address: Address) -> bool:
    candidates: list[Address] = [address]
    if isinstance(address, IPv6Address):
        if any(address in network for network in NETWORKS_AROUND_IPV4):
            candidates.append(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.sixtofour:
            candidates.append(address.sixtofour)
    return any(each in network for each in candidates for network in FORBIDDEN_NETWORKS)
