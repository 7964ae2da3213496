"""The account as the exchange shows it: positions, orders, balance, leverage.

What it decides: what has to be done so that the engine's state and the exchange agree (`reconcile`, a pure comparison
of the state with a `snapshot`).

What runs: the regular reads of the balance and of the application's book of orders.

What it may touch: it reads, and records what was read of the account's orders. It sends nothing but a leverage that
an order asked for.
"""
