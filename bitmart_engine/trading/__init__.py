"""The engine core: what to do when the price, the exchange or the user says something.

Six rooms, each of which says in its docstring what it decides and what it may touch: `entries`, `protections`,
`closes`, `account`, `market`, `signals`. Beside them: `core`, which opens it all and passes events on; `tasks`, which
starts what is in flight from records; `promises`, `agreement`, `in_flight`, `event_errors`, `order_news`, `backoff`,
the parts that rooms share; `requests` and `identity`, what users ask for and the ids made of it.

README.md beside this file walks three ways through it.
"""
