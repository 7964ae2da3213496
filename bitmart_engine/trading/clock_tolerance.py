"""How far times of the exchange and of ours may be apart, when one of each is compared.

The exchange's clock is measured to within half a round trip (`exchange/clock.py`), drifts until it is measured again,
and the exchange dates things when it writes them, not when they happen. So two times that are near each other are in
no certain order. What follows from that depends on which mistake does less harm:

- Something *may be since* when it is to explain what is seen: an order that took contracts away, a stop that acted, a
  position that was opened. Taking it for older leaves contracts without an explanation; the tolerance is wide.
- Something is *surely since* when it is to be held against a stop: a price of before the stop was set would close
  a position for nothing. The margin is on the other side, and narrow: a price inside it cannot fire the stop.
- An order that bears *an id of ours* which others may have used is ours only if it was made since ours was accepted.
  Here both mistakes are grave, an order sent twice and somebody else's order taken for ours, so it lies in between.
"""

from __future__ import annotations

__all__ = ["MAY_BE_SINCE_MS", "SAME_ID_SINCE_MS", "SURELY_SINCE_MS"]

MAY_BE_SINCE_MS = 5_000
"""How much earlier than something of ours that may seem to be made which explains what is seen."""
SURELY_SINCE_MS = 1_000
"""How much later than a stop was set a price has to be dated to touch it; later than now, it is of a wrong clock."""
SAME_ID_SINCE_MS = 2_000
"""How much earlier than its intent, by the exchange's clock as measured, an order of ours may seem to be made."""
