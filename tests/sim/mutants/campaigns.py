"""Deliberate bugs that take back what was mended after campaigns of the later worlds had broken it."""

from __future__ import annotations

from .patch import Patch

__all__ = ["CAMPAIGNS"]

CAMPAIGNS = (
    Patch(
        "parts-are-not-known",
        "a stop that the exchange keeps for a part of an order's contracts is nobody's",
        "trading/protections/exchange_stops.py",
        "        found[each.id] = tuple(mine)\n",
        "        found[each.id] = ()\n",
        "takes stops away,another program,parts unheard",
        world=4,
    ),
    Patch(
        "a-price-is-kept-or-not",
        "a comparison takes the stop of a later fill for that of the first, which has fired",
        "trading/account/snapshot.py",
        "        symbols |= {level[0] for level, size in kept.items() if listed[level] < size}\n",
        "        symbols |= {level[0] for level in kept if not listed[level]}\n",
        "parts unheard",
        seed=6,
        world=4,
    ),
    Patch(
        "newest-stop-is-ours",
        "of stops that are alike the one that is listed first is taken away, whose fill ever made it",
        "trading/closes/own_plans.py",
        "(plan.order_id not in known, apart_ms(protection, plan))",
        "(plan.order_id not in known, apart_ms is None)",
        seed=20_000_069,
    ),
    Patch(
        "missing-for-ever",
        "a journal that was deleted, and is at its path again, is missing",
        "store/sqlite.py",
        "        if missing is None and not self._missing:\n",
        "        if missing is None:\n",
        seed=20_000_006,
    ),
    Patch(
        "full-disk-knows-nothing",
        "what nobody has cannot be sent again now, for the disk is full",
        "running.py",
        """        letter = self.state.dead.get(id)
        if letter is None:
            raise NotFound(f"no dead letter has the id {id!r}")
        desk.promises.check()
""",
        """        desk.promises.check()
        letter = self.state.dead.get(id)
        if letter is None:
            raise NotFound(f"no dead letter has the id {id!r}")
""",
        seed=20_000_037,
    ),
)
