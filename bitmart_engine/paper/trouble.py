"""What can be made to go wrong while the exchange is open: its controls, for tests and for people.

They only set what the servers ask `faults.py`, `delays.py` and `limits.py` for.
"""

from __future__ import annotations

from typing import Literal

from .config import PaperConfig
from .delays import Delays
from .fault_front import GATEWAY_PAGES
from .faults import Claim, Cure, Faults, Freeze, PathFault
from .hub import Hub
from .limits import RateLimits
from .oddities import Alteration

Which = Literal["public", "private", "all"]


class Trouble:
    """The controls of an exchange that break things. It starts with nothing broken."""

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self.faults = Faults()
        self.delays = Delays(config)
        self.limits = RateLimits(config)
        self.hub = Hub(self.faults, self.delays)
        self.clock_skew_ms = config.clock_skew_ms
        self.timestamp_window_ms = config.timestamp_window_ms

    def drop_connections(self, which: Which = "all") -> int:
        """Close WebSocket streams without a word; how many there were."""
        if which not in ("public", "private", "all"):
            raise ValueError(f"which must be public, private or all, not {which!r}")
        return self.hub.drop(lambda one: which == "all" or one.private == (which == "private"))

    def freeze(self, channel: str, until: Cure = "resubscribe") -> None:
        """Topics that begin with `channel` (`*`: all) go silent on the connections there are; pings are answered.

        `until` is what cures it: a new subscribe frame for the topic, a new connection, or only `unfreeze`.
        """
        if until not in ("resubscribe", "reconnect", "forever"):
            raise ValueError(f"until must be resubscribe, reconnect or forever, not {until!r}")
        if channel != "*" and not channel.startswith("futures/"):
            raise ValueError(f"channel must be * or begin with futures/, not {channel!r}")
        numbers = frozenset(connection.number for connection in self.hub.connections)
        self.faults.frozen.append(Freeze(channel, until, numbers))

    def unfreeze(self, channel: str = "*") -> None:
        """End the freezes of this very channel; `*` ends all."""
        self.faults.frozen = [
            one for one in self.faults.frozen if channel not in ("*", one.pattern)
        ]

    def lose_replies(self, path: str, times: int = 1) -> None:
        """The next requests to `path` are taken, and their connection is closed without an answer."""
        self.faults.plan(PathFault(path, "lose_reply", times))

    def fail(
        self,
        path: str,
        times: int = 1,
        status: int = 500,
        body: str | None = None,
        *,
        after: bool = False,
    ) -> None:
        """The next requests to `path` are answered with `status` and not taken; with `after` they are taken first."""
        fault = PathFault(path, "fail", times, after=after, status=status, body=body)
        self.faults.plan(fault)

    def delay(self, path: str, seconds: float, times: int = 1, *, after: bool = False) -> None:
        """The next requests to `path` are taken late; with `after` they are taken at once and answered late."""
        self.faults.plan(PathFault(path, "delay", times, after=after, seconds=seconds))

    def refuse(self, path: str, code: int, times: int = 1) -> None:
        """The next requests to `path` are refused with `code`, whatever they are, and not taken."""
        if not 1001 <= code <= 99_999:
            raise ValueError(f"code must be one of the exchange's, not {code}")
        self.faults.plan(PathFault(path, "refuse", times, after=False, code=code))

    def gateway_error(
        self, path: str = "*", times: int = 1, status: int = 502, *, after: bool = False
    ) -> None:
        """The next requests are answered with an HTML page by the gateway in front; with `after` they are taken first.

        403 is what Cloudflare says to a client it dislikes, 502 to 524 what it says when the exchange does not answer.
        """
        if status not in GATEWAY_PAGES:
            known = ", ".join(map(str, GATEWAY_PAGES))
            raise ValueError(f"status must be one of {known}, not {status}")
        self.faults.plan(PathFault(path, "gateway", times, after=after, status=status))

    def alter_answer(self, path: str, how: str, times: int = 1, symbol: str | None = None) -> None:
        """The data of the next answers of `path` (`*`: any) are altered; the words for `how` are in `oddities.py`."""
        if not path.startswith("/") and path != "*":
            raise ValueError(f"path must be * or begin with /, not {path!r}")
        self.faults.oddities.answers.append(Alteration(path, how, times, symbol))

    def alter_push(self, channel: str, how: str, times: int = 1, symbol: str | None = None) -> None:
        """The data of the next pushes of topics that begin with `channel` (`*`: any) are altered in the same way."""
        if channel != "*" and not channel.startswith("futures/"):
            raise ValueError(f"channel must be * or begin with futures/, not {channel!r}")
        self.faults.oddities.pushes.append(Alteration(channel, how, times, symbol))

    def claim_limits(
        self, path: str, limit: int, remaining: int, reset_s: int, times: int = 1
    ) -> None:
        """The rate limit headers of the next answers of `path` (`*`: any) say this, whatever is so."""
        if times < 1:
            raise ValueError(f"times must be 1 or more, not {times}")
        self.faults.claims.append(Claim(path, times, limit, remaining, reset_s))

    def refuse_channels(self, channel: str = "*", on: bool = True) -> None:
        """Topics that begin with `channel` (`*`: all) cannot be subscribed, until switched off."""
        if channel != "*" and not channel.startswith("futures/"):
            raise ValueError(f"channel must be * or begin with futures/, not {channel!r}")
        self.faults.refused_channels = channel if on else None

    def set_delay(self, name: str, ms: int) -> None:
        """How late something is from now on; the names are in `delays.py`."""
        self.delays.change(name, ms)

    def set_clock_skew(self, ms: int) -> None:
        """How far the exchange's clock is ahead of the world's from now on; negative: behind."""
        self.clock_skew_ms = ms

    def set_timestamp_window(self, ms: int) -> None:
        """How old a signed request's timestamp may be from now on."""
        if ms < 0:
            raise ValueError(f"ms must be 0 or more, not {ms}")
        self.timestamp_window_ms = ms

    def enforce_rate_limits(self, on: bool = True) -> None:
        """Whether requests beyond the limits are refused: with 429, and for who goes on with 418."""
        self.limits.enforced = on

    def refuse_logins(self, on: bool = True, *, times: int | None = None) -> None:
        """Private logins fail: until switched off, or `times` times."""
        self.faults.refused_logins = (times if on else 0) if times is not None or not on else None

    def refuse_dials(self, on: bool = True, *, abruptly: bool = False) -> None:
        """WebSocket handshakes are answered 503; with `abruptly` the stream is closed without a word."""
        self.faults.refusing_dials = on
        self.faults.hanging_up_dials = on and abruptly

    def clear_faults(self) -> None:
        """Nothing goes wrong any more: clock, timestamps, delays and limits are as at first. Held symbols stay held."""
        self.faults.clear()
        self.timestamp_window_ms = self.config.timestamp_window_ms
        self.clock_skew_ms = self.config.clock_skew_ms
        self.delays.reset()
        self.limits.reset()
