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
        "            apart_ms(protection, plan),\n",
        "            apart_ms is None,\n",
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
        promises.check()
""",
        """        promises.check()
        letter = self.state.dead.get(id)
        if letter is None:
            raise NotFound(f"no dead letter has the id {id!r}")
""",
        seed=20_000_037,
    ),
    Patch(
        "entry-unread-before-close",
        "what an entry filled unheard is not read before its position is closed",
        "trading/closes/closing.py",
        "                await self._read_entry(entry.id)\n",
        "                pass\n",
        "parts unheard",
        world=4,
        seed=7,
    ),
    Patch(
        "middle-fills-are-nobodys",
        "only the stops of an order's first and last fill are known for its own",
        "trading/account/reconcile.py",
        "(each.filled_there_ms, *each.filled_further_ms, order.update_time_ms)",
        "(each.filled_there_ms, order.update_time_ms)",
        world=4,
        seed=30_000_006,
    ),
    Patch(
        "said-since-is-before",
        "what was said after a stop acted counts for what was others' before",
        "trading/closes/settling.py",
        "            None if made_ms is None else self._exchange.earliest_ms(made_ms),\n",
        "            None,\n",
        world=4,
        seed=30_000_033,
    ),
    Patch(
        "unheard-fills-are-dated-late",
        "what filled unheard is dated by the last of its fills",
        "trading/protections/protections.py",
        "        if not protection.covered and not self._agreement.reached:\n",
        "        if not protection.covered and not order.size:\n",
        "parts unheard",
        world=4,
        seed=2,
    ),
    Patch(
        "stops-of-others-are-ours",
        "what any stop of the exchange closed is held to be closed by a stop of ours",
        "trading/closes/losing.py",
        """        if not made_there(update):
            return False
""",
        """        if made_there(update):
            return True
""",
        world=2,
        seed=21_000_134,
    ),
    Patch(
        "closes-of-others-unheard",
        "what other closes filled unheard is held to be closed by a stop that is gone",
        "trading/closes/losing.py",
        "            unheard = await self._read_closes(protection)\n",
        "            unheard = 0\n",
        world=4,
        seed=32_000_009,
    ),
    Patch(
        "a-fill-forgets-its-stops",
        "with a further fill the stops of those before are not known any more",
        "trading/protections/coverage.py",
        "    parts = (*protection.exchange_parts, *protection.exchange_plans)\n",
        "    parts = protection.exchange_parts\n",
        world=4,
        seed=30_000_006,
    ),
    Patch(
        "first-of-alike-takes",
        "of protections alike the oldest is kept by a stop, whose own it ever is",
        "trading/protections/exchange_stops.py",
        "    ordered = sorted(ordered, key=place)\n",
        "    ordered = list(ordered)\n",
        world=4,
        seed=30_000_006,
    ),
    Patch(
        "dated-by-the-clock-of-now",
        "a stop is dated by how far the exchange's clock is ahead now, not by its fill",
        "trading/closes/attribution.py",
        """    if filled_ms:
        return made_ms >= earliest_ms(filled_ms)
""",
        """    if made_ms < earliest_ms(filled_ms):
        return False
""",
        world=4,
        seed=32_000_002,
    ),
    Patch(
        "prices-not-contracts",
        "a close looks for no stop that has acted where another is listed at its price",
        "trading/closes/cancel_plan.py",
        "(not there or sum(sizes) < protection.remaining)",
        "not there",
        "parts unheard",
        world=4,
    ),
    Patch(
        "only-files-are-locked",
        "a second engine comes up where the journal and the lock file were deleted a moment ago",
        "store/opening.py",
        """        held.callback(whole.drop)
        whole.take()
""",
        "",
        world=4,
        seed=33_000_004,
    ),
    Patch(
        "what-fits-is-no-hint",
        "of stops made at one moment the one for just what is left is not taken for the order's own",
        "trading/closes/own_plans.py",
        "            plan.size != protection.remaining,\n",
        "",
        world=4,
        seed=36_000_002,
    ),
    Patch(
        "prices-before-the-clock",
        "prices of hours ago are acted on where the exchange's clock was not measured yet, and ours is behind",
        "streams/ages.py",
        "return not moment.measured and moment.now - self.at < REPLAYED_WITHIN_S",
        "return False",
        world=4,
        seed=42_000_058,
    ),
    Patch(
        "others-need-nothing",
        "of stops at one price those made nearest to the fill are taken away, whoever is left without one",
        "trading/closes/own_plans.py",
        "    if not theirs or len(offered) > MOST_COMPARED or _are_left(offered, first, theirs):\n",
        "    if True:\n",
        world=4,
        seed=42_000_045,
    ),
    Patch(
        "clock-of-before-is-forgotten",
        "what acted after the exchange's clock was set back while no engine ran is older than what it acted for",
        "trading/opening.py",
        "            if known is not None:\n                exchange.recall_clock(*known)\n",
        "",
        world=4,
        seed=39_004_010,
    ),
    Patch(
        "history-ends-now",
        "an order dated before the exchange's clock was set back is in no list until that time comes again",
        "exchange/order_client.py",
        "            end_time=until_s if end_s is None else end_s,\n",
        "            end_time=end_s,\n",
        world=4,
        seed=30_000_004,
    ),
    Patch(
        "first-fill-is-heard",
        "a stop of a fill that went unheard is older than the fill that was heard, and of nobody",
        "trading/entries/progress.py",
        "        since_ms = 0 if _heard_whole(order, update) else order.intended_there_ms\n",
        "        since_ms = 0\n",
        world=4,
        seed=36_000_006,
    ),
    Patch(
        "unseen-is-ours",
        "a position of just our size is ours, whatever the exchange and others did while nobody saw it",
        "trading/protections/shared_positions.py",
        "        if protection.kept_at_exchange and not self._agreement.reached:\n            return True\n",
        "",
        world=4,
        seed=36_000_006,
    ),
)
