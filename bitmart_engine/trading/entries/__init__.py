"""Entry orders: from the request to the last fill, or to the proof that nothing was bought.

What it decides: whether a price sends an entry out (`entering`), what its journey to the exchange does next
(`journey`), what an update of the exchange means (`progress`), whether a claimed end is one (`endings`), and what
follows from each (`outcomes`). These are pure. `waiting` follows the records and knows which zones, levels and
deadlines are armed.

What runs: `submission` and `withdrawing`, one task each for an order in flight, started by `tasks` from records;
`tracking` and `searching` ask about orders that nobody tells of.

What it may touch: it records entries, sends and cancels entry orders, and asks the protections for the records of
what fills. It never closes a position.
"""
