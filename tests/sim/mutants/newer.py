"""Deliberate bugs that only the second world shows: each takes back what was mended of a fault found outside."""

from __future__ import annotations

from .patch import Patch

__all__ = ["NEWER"]

NEWER = (
    Patch(
        "any-number-counts",
        "what Python takes for a number is one",
        "model/decimals.py",
        "    if not text or len(text) > MOST_DIGITS + 2 or not PLAIN.fullmatch(text):\n        return None\n",
        "    if not text or text in SAYS_NOTHING:\n        return None\n    if text:\n        return Decimal(text)\n",
        "odd numbers",
    ),
    Patch(
        "one-bad-row-spoils-all",
        "a row that cannot be read spoils its list, whosever it is",
        "exchange/rows.py",
        "                if symbol is None or concerns(symbol):\n",
        "                if symbol is None or symbol:\n",
        "unreadable rows",
    ),
    Patch(
        "every-found-order-is-ours",
        "an order under the id of an order is that order, whatever it is",
        "trading/identity.py",
        """    if update.symbol != order.symbol or update.side not in (None, order.request.side.opening):
        return False
""",
        """    if order.id:
        return True
""",
        "fresh directory",
    ),
    Patch(
        "market-anywhere",
        "a market order goes out when the price has left its zone again",
        "trading/entries/entering.py",
        "        and (order.request.type is OrderType.LIMIT or order.request.contains(last))\n",
        "",
        "leaps",
    ),
    Patch(
        "pushed-ends-are-believed",
        "an order that is said to have ended without a fill has, and nobody reads it",
        "trading/entries/progress.py",
        "    if short and (pushed or contradicted(update, held)):\n",
        "    if short and False:\n",
        "ends without a size",
    ),
    Patch(
        "found-and-left",
        "an order that the exchange has, and a journal older than it does not, is left to itself",
        "trading/entries/entries.py",
        """            self._counters.count("order_found_at_exchange")
            self._adopt(order, update)
""",
        """            self._counters.count("order_found_at_exchange")
""",
        "old journal",
    ),
    Patch(
        "headers-are-law",
        "a close waits for as long as a header says",
        "exchange/budget.py",
        "KNOCK_AFTER_S = 2.0\n",
        "KNOCK_AFTER_S = 600.0\n",
        "false limits",
    ),
    Patch(
        "close-the-whole-side",
        "all that is held of a side is closed, whosever it is",
        "trading/closes/close_plan.py",
        "        left = min(left, held)\n",
        "        left = held\n",
        "own contracts",
    ),
    Patch(
        "moved-stop-is-forgotten",
        "a stop that was moved is where it was",
        "store/protection_fold.py",
        "                stop_loss=record.stop_loss,\n",
        "                stop_loss=now.stop_loss,\n",
    ),
    Patch(
        "empty-once-is-enough",
        "one answer that lists nothing is believed, whatever speaks against it",
        "trading/protections/evidence.py",
        "EXPLAINED = (2, 0.4)\nTOLD = (3, 2.0)\nUNTOLD = (4, 25.0)\nCONTRADICTED = (5, 60.0)\n",
        "EXPLAINED = (1, 0.0)\nTOLD = (1, 0.0)\nUNTOLD = (1, 0.0)\nCONTRADICTED = (1, 0.0)\n",
        "empty answers",
    ),
    Patch(
        "limits-are-never-learnt",
        "a close that is refused for its size is sent again as it was",
        "trading/closes/closing.py",
        "        return Refusing(await learn_limits(now, self._instruments, failure))\n",
        "        return Refusing(None)\n",
        "other contracts",
    ),
    Patch(
        "nobody-else-is-there",
        "a stop at the exchange and a close may both act, though others hold a part of the side",
        "trading/protections/shared_positions.py",
        "        if protection.others_held:\n            return True\n",
        "        if protection.others_held is not None:\n            return False\n",
        "late orders,own contracts,another program",
    ),
    Patch(
        "old-prices-count",
        "a trade is the last price, however old it is",
        "streams/pricing.py",
        """        age = self._ages.trade(trade, topic, moment)
        if age is Age.OLD:
            self._left_out(trade.symbol, topic, trade.price, trade.at_ms)
            return False
        late_ms = _late_ms(trade.at_ms, moment)
""",
        """        age = Age.NEW
        late_ms = None
""",
        "old news,drops",
    ),
    Patch(
        "wild-prints-count",
        "a price far from all others is acted on without a second source",
        "streams/pricing.py",
        "            (far if jumps.is_far(symbol, each) else near).append(each)\n",
        "            near.append(each)\n",
        "wild prints",
    ),
    Patch(
        "refused-for-good",
        "a channel that was refused once is not asked for again",
        "streams/ledger.py",
        "            return self._entries[topic].again_at if self._needs_again(topic) else math.inf\n",
        "            return math.inf\n",
        "refused channels",
    ),
    Patch(
        "short-closes-are-believed",
        "a close that is said to have ended unfilled is sent again, without a look at it",
        "trading/closes/unfilled.py",
        "        if settled or not ended_short(update, size):\n",
        "        if True:\n",
        "ends without a size",
    ),
    Patch(
        "one-list-forgets-a-stop",
        "a stop that one list of plan orders does not show is not kept any more",
        "trading/protections/exchange_stops.py",
        "TOLD_IN_A_ROW = 4\n",
        "TOLD_IN_A_ROW = 1\n",
        "empty answers",
    ),
    Patch(
        "refused-login-waits",
        "after refused logins the account is not seen for minutes, though the exchange takes the key",
        "streams/link.py",
        "            if self._key_taken_at() > refused_at:\n",
        "            if False:\n",
        "logins",
    ),
    Patch(
        "known-is-asked-again",
        "a request that was made before is compared through the contract as it is now",
        "trading/entries/placing.py",
        "        if known.asked:\n",
        "        if known.asked and False:\n",
        "other contracts",
    ),
)
