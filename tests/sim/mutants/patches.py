"""Deliberate bugs, one small change each. Every one of them breaks a promise that the judge has to see.

A patch is a file of the package, a text that is in it exactly once, and what stands there instead.
"""

from __future__ import annotations

from .campaigns import CAMPAIGNS
from .newer import NEWER
from .newest import NEWEST
from .patch import Patch

__all__ = ["PATCHES", "Patch"]


PATCHES = (
    Patch(
        "submit-twice",
        "an order whose answer was lost is sent again under another id, without looking for it",
        "trading/entries/journey.py",
        """            return CallUnknown(why)
""",
        """            return Done(Crossed(why))
""",
    ),
    Patch(
        "drop-on-failed-close",
        "a protection is given up when its close fails",
        "trading/closes/closing.py",
        "        return Refusing(await learn_limits(now, self._instruments, failure))\n",
        """        self._view.gone(protection.id)
        return Refusing(await learn_limits(now, self._instruments, failure))
""",
    ),
    Patch(
        "forget-outbox",
        "what is owed is forgotten on a restart",
        "engine.py",
        """                outbox.offer(notification)
            streams""",
        """                pass
            streams""",
    ),
    Patch(
        "timeout-is-refusal",
        "no answer is taken for a refusal",
        "trading/entries/journey.py",
        """            return CallUnknown(why)
""",
        """            return Done(Rejected("timeout", why))
""",
    ),
    Patch(
        "ignore-late-fill",
        "a fill of an order that had ended is not protected",
        "trading/protections/coverage.py",
        """    if protection.state is ProtectionState.RELEASED:
        if protection.reason != ORDER_ENDED:
            return []
""",
        """    if late:
        return []
    if protection.state is ProtectionState.RELEASED:
        return []
""",
        "fills told late",
    ),
    Patch(
        "lose-merged-low",
        "of ticks that are merged the last one counts alone",
        "streams/ticks.py",
        "        self._slots[tick.symbol] = waiting.merge(tick)\n",
        "        self._slots[tick.symbol] = tick\n",
    ),
    Patch(
        "answer-before-commit",
        "a promise is given before it is on disk",
        "trading/promises.py",
        """        try:
            await self._store.durable()
        except JournalUnavailable as trouble:
            raise Unavailable(str(trouble)) from None
""",
        """        await trio.lowlevel.checkpoint()
""",
    ),
    Patch(
        "wrong-close-side",
        "a position is closed by opening more of it",
        "trading/closes/closing.py",
        "            side=protection.side.closing,\n            size=size,\n",
        "            side=protection.side.opening,\n            size=size,\n",
    ),
    Patch(
        "open-before-agreeing",
        "entries go out before the exchange was compared with the journal",
        "trading/agreement.py",
        "        return allowed and self.reached and self._store.trouble is None\n",
        "        return allowed and self._store.trouble is None\n",
        "account unread",
    ),
    Patch(
        "tell-before-commit",
        "callbacks are sent before they are on disk",
        "engine.py",
        """                with suppress(JournalUnavailable):
                    await store.durable()
""",
        """                with suppress(JournalUnavailable):
                    await trio.lowlevel.checkpoint()
""",
    ),
    Patch(
        "order-before-intent",
        "an order goes out before its intent is on disk",
        "trading/entries/submission.py",
        """                return await self._persist()
""",
        """                return Accepted()
""",
    ),
    Patch(
        "first-fill-only",
        "what fills after the first part is not protected",
        "trading/protections/coverage.py",
        """    records: list[Record] = [ProtectionCovers(protection.id, filled, now_ms, there_ms, since_ms)]
""",
        """    if protection.covered:
        return []
    records: list[Record] = [ProtectionCovers(protection.id, filled, now_ms, there_ms, since_ms)]
""",
    ),
    Patch(
        "failed-query-is-absence",
        "a look-up that failed is taken for an order that is not there",
        "trading/entries/journey.py",
        """        case LookUp(), Found():
            return Done(Settled())
""",
        """        case LookUp(), Found():
            return Done(Settled())
        case LookUp(), Lost():
            return Done(Crossed("not found"))
""",
    ),
    Patch(
        "protections-stay-asleep",
        "protections are not taken up again after a restart",
        "trading/resuming.py",
        "            self._protections.resume(protection.id)\n",
        "            pass\n",
    ),
    Patch(
        "out-of-order",
        "what happened last is told first",
        "notify/outbox.py",
        "            lane.append(owed)\n            return\n",
        "            lane.insert(min(1, len(lane)), owed)\n            return\n",
    ),
    Patch(
        "log-the-secret",
        "a secret is logged",
        "engine.py",
        'log.info("engine_running", mode=settings.mode',
        'log.info("engine_running", key=settings.api_secret, mode=settings.mode',
    ),
    Patch(
        "give-up-closing",
        "a failed close is not tried again",
        "trading/closes/closing.py",
        "            progress = learn(progress, step, answer, now)\n",
        """            if isinstance(step, Fail):
                return
            progress = learn(progress, step, answer, now)
""",
    ),
    Patch(
        "deadlines-forgotten",
        "orders wait for ever",
        "trading/entries/waiting.py",
        "            self._watch(order)\n            self.deadlines.waits_until(order.id, order.deadline_ms)\n",
        "            self._watch(order)\n",
    ),
    *NEWER,
    *NEWEST,
    *CAMPAIGNS,
)
