"""Deliberate bugs that the first worlds do not show: in what the application is told and asks, and in how it starts."""

from __future__ import annotations

from .patch import Patch

__all__ = ["NEWEST"]

NEWEST = (
    Patch(
        "limits-are-final",
        "a callback that came too often or too slowly is given up",
        "notify/delivery.py",
        "AGAIN_THOUGH_4XX = frozenset({408, 429})\n",
        "AGAIN_THOUGH_4XX: frozenset[int] = frozenset()\n",
        "application limits,application odd",
    ),
    Patch(
        "retry-after-is-not-read",
        "a receiver that says when to come back is asked when it suits us",
        "notify/delivery.py",
        '        asked_s = retry_after_s(response.headers.get("Retry-After", ""), self._wall_ms())\n',
        "        asked_s = 0.0\n",
        "application limits",
    ),
    Patch(
        "redirect-is-delivery",
        "a callback that was answered with a redirect counts as delivered",
        "notify/delivery.py",
        "    if 200 <= status < 300 or status == 409:\n",
        "    if 200 <= status < 400 or status == 409:\n",
        "application odd",
    ),
    Patch(
        "signed-when-made",
        "a signal is signed with the time at which it was made, however long ago that is",
        "notify/delivery.py",
        "self._settings.trading_app_shared_secret, self._wall_ms(), notification.body\n",
        "self._settings.trading_app_shared_secret, notification.created_ms, notification.body\n",
        "application dead",
    ),
    Patch(
        "closes-wait-for-callbacks",
        "a close goes out when the application has taken all that was owed to it before",
        "trading/promises.py",
        """        try:
            await self._store.durable()
        except JournalUnavailable as trouble:
            self._counters.add("acted_before_durable", why=trouble)
""",
        """        while self._store.state.owed:
            await trio.sleep(0.5)
""",
        "application dead",
    ),
    Patch(
        "prices-are-text",
        "a callback has its prices as text",
        "trading/signals/callbacks.py",
        "            body[name] = None if text is None else msgspec.Raw(text.encode())\n",
        "            body[name] = text\n",
    ),
    Patch(
        "sides-by-the-first-letter",
        "a side that is said in another word is what it begins like",
        "model/fields.py",
        '    "buy_open_long": "long", "sell_open_short": "short",\n',
        '    "buy_open_long": "long", "sell_open_short": "long",\n',
    ),
    Patch(
        "given-twice-is-taken",
        "a field that is given twice is what it is the second time",
        "control/bodies.py",
        """        if name in found:
            raise BadRequest("is given twice", f"$.{name[:100]}")
""",
        "",
    ),
    Patch(
        "any-body-is-the-same",
        "a request whose id is known is the one that was made before, whatever it says",
        "trading/entries/placing.py",
        "            return known.asked == fingerprint(asked, unit)\n",
        "            return bool(known.asked)\n",
    ),
    Patch(
        "status-asks-the-exchange",
        "how the engine is can be seen while the exchange answers",
        "control/status.py",
        "        streams, outbox, state = engine.streams(), engine.outbox(), engine.state\n",
        """        await engine._exchange.server_time_ms()
        streams, outbox, state = engine.streams(), engine.outbox(), engine.state
""",
        "maintenance,unreachable",
    ),
    Patch(
        "starts-without-credentials",
        "an engine starts without its credentials, whatever its journal promises",
        "guarding.py",
        "    if not settings.prices_only:\n",
        "    if settings.prices_only is None:\n",
        "kills",
    ),
    Patch(
        "typos-are-passed-over",
        "a setting whose name is mistyped is one that is not set",
        "environment.py",
        "        if close or name.upper().startswith(PREFIXES):\n",
        "        if name.upper() in ours:\n",
        "kills",
    ),
    Patch(
        "halt-is-no-pause",
        "orders that wait go out while trading is halted",
        "trading/agreement.py",
        "state.paused_ms is None and state.halt is None",
        "state.paused_ms is None",
        world=4,
        seed=11,
    ),
    Patch(
        "halt-leaves-what-waits",
        "a halt takes back what rests at the exchange, and leaves what waits for its zone",
        "trading/halting.py",
        "                    self._entries.cancel_waiting(now.id)\n",
        "                    pass\n",
        world=4,
        seed=8,
    ),
    Patch(
        "lock-file-is-enough",
        "who deletes the lock file lets a second engine in beside the first",
        "store/lock.py",
        '        raise JournalLocked(f"another engine uses {path.parent} (it holds {path})", None) from None\n',
        "        return os.open(path, os.O_RDWR | os.O_CLOEXEC)\n",
        "lock deleted",
    ),
)
