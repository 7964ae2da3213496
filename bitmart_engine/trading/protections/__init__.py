"""Protections: the stop-loss and take-profit over a position, from the promise to the proof that it is gone.

What it decides: which levels a price touches (`stops`, `index`), how much is covered (`coverage`), what the exchange
keeps of it (`exchange_stops`), whether contracts are gone (`evidence`), whether others share the position
(`shared_positions`), whether one that ended lives again (`rearming`), and why it ended (`ending`).

What runs: `confirming`, one task while a position is said to be gone. The close itself is the room `closes`.

What it may touch: it records protections, and reads positions. It sends nothing: a protection that fires is a record,
from which `tasks` starts the close.
"""
