"""Closes: what is under way from the moment a protection fires until its contracts are gone.

What it decides: the next step of a close (`close_plan`), the next step of taking away what the exchange keeps
(`cancel_plan`), whose stop a fired order was (`attribution`), how many contracts one order may have (`sizing`). These
are pure; `closing` and `cancel_exchange_stops` are the loops that perform the steps and feed the answers back.

What it may touch: it sends closing orders and cancels stops that are known to be the protection's. What it learns it
tells through `view`, the only way from here to the room above. It never opens anything.
"""
