"""The market: prices for whatever is armed, the gaps in them, and the contracts as the exchange describes them.

What it decides: whether prices are stale and what to do about it (`prices`), and whether a stop was touched while
nobody watched (`gaps`, from one-minute bars and past trades).

What it may touch: it subscribes, resubscribes and renews public connections, and reads prices over REST. It fires a
stop that a gap has touched through the protections, and no other way.
"""
