"""Who may control the simulated market: programs of this machine, and no web page that is open on it.

A page can post to a port of the machine that shows it. What its browser says along with that, it cannot choose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["why_not"]

LOOPBACK = re.compile(
    r"(localhost|\[::1\]|127(\.(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})){3})(:[0-9]*)?", re.IGNORECASE
)
PAGE = re.compile(r"https?://(.*)", re.IGNORECASE)
PROXIES = re.compile(r"via|(x-)?forwarded(-.*)?|x-real-ip", re.IGNORECASE)


def why_not(hosts: Sequence[str], origins: Sequence[str], names: Sequence[str]) -> str | None:
    """Why a request with these headers is refused; None if it is not. `names` are those of all its headers."""
    if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):
        return "its Host is not a loopback one"
    for origin in origins:
        page = PAGE.fullmatch(origin)
        if page is None or not LOOPBACK.fullmatch(page[1]):
            return "its Origin is another site"
    for name in names:
        if PROXIES.fullmatch(name.replace("_", "-")):
            return f"a proxy passed it on, says its header {name[:40]}"
    return None
