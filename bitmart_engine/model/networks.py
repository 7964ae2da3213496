"""Addresses of peers, and the private networks that may be named in settings."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

__all__ = ["Network", "NotPrivate", "address_of", "private_network"]

Network = IPv4Network | IPv6Network

PRIVATE: tuple[Network, ...] = tuple(
    ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Private, loopback and link-local addresses: nobody of the internet has one. Source: RFC 1918, 3927, 4193, 4291."""


class NotPrivate(ValueError):
    """What was named is no network, or one that others have addresses in."""


def private_network(text: str) -> Network:
    """The network that is written as CIDR, or as one address. Raises NotPrivate, which says what would be right."""
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise NotPrivate(f"{text!r} is no network; write 172.16.0.0/12 or 192.168.1.5") from None
    if not any(each.version == network.version and network.subnet_of(each) for each in PRIVATE):  # type: ignore[arg-type]
        raise NotPrivate(
            f"{network} is not within a private, loopback or link-local range; others need the CTRL_TOKEN"
        )
    if "/" in text and str(network) != text.strip().lower():
        raise NotPrivate(f"{text!r} has bits beyond its mask; write {network}")
    return network


def address_of(peer: str | None) -> IPv4Address | IPv6Address | None:
    """The address of a peer, an IPv4 one also where a socket of both families says it; None if it is none."""
    try:
        address = ip_address(peer or "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
