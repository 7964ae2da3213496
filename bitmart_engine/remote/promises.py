"""Requests for promises: ids are made up here, so that what is asked for twice is one order; and following one."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Mapping
from typing import Any

from ..model.lifecycle import EntryState
from . import views
from .client import Answer, Code, Failed
from .session import Session

__all__ = ["FINAL", "follow", "fresh_id", "order_in", "promise"]

LOOK_EVERY_S = 0.5
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Of ids that are made up here; those that are taken for one another are not in it."""

FINAL = frozenset(each.value for each in EntryState if each.final)


def promise(session: Session, path: str, id: str, body: Mapping[str, object]) -> Answer:
    """Ask for an order or a protection. Where the outcome is unknown, say how to find out without asking for two."""
    try:
        return session.remote.ask("POST", "api", path, body=body)
    except Failed as failure:
        if failure.certain:
            raise
        again = f"the same again with --id {shlex.quote(id)} finds out, and is not done twice"
        raise failure.adding(again) from None


def follow(session: Session, id: str, placed: Answer, at_most_s: float) -> None:
    """Tell what becomes of an order until it has ended. Raises Failed unless it was filled.

    An engine that is away for a while is waited for: it will have kept the order.
    """
    ends = time.monotonic() + at_most_s
    seen = 0
    order: Mapping[str, Any] = {}
    away: Failed | None = None
    try:
        while True:
            try:
                order = order_in(session.remote.ask("GET", "api", "orders", id), id)
                away = None
            except Failed as failure:
                if failure.code not in (Code.UNREACHABLE, Code.UNABLE):
                    raise failure.adding("the order was promised before", placed) from None
                if away is None:
                    session.note(f"{failure.why}; still trying")
                away = failure
            history = order.get("history") or []
            if not session.as_json:
                new = history[seen:]
                session.say(_told(session, each) for each in new)
            seen = max(seen, len(history))
            if order.get("state") in FINAL or time.monotonic() >= ends:
                break
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        raise Failed(Code.INTERRUPTED, f"interrupted; order {id} goes on", placed) from None
    state = str(order.get("state", placed.body.get("status")))
    answer = Answer.of({**placed.body, "status": state, "order": order or None})
    if state == EntryState.FILLED.value:
        session.tell(answer, lambda: ["", *views.orders([order], session.screen)])
    elif state in FINAL:
        why = f": {order['reason']}" if order.get("reason") else ""
        raise Failed(Code.REFUSED, f"order {id} is {state}{why}", answer)
    elif away is not None:
        raise away.adding(f"order {id} was promised, and goes on when the engine does", answer)
    else:
        why = f"order {id} is {state} after {at_most_s:g} s, and goes on; see 'orders ID'"
        raise Failed(Code.UNFINISHED, why, answer)


def _told(session: Session, moment: Mapping[str, Any]) -> str:
    at, state = session.screen.time(moment.get("at_ms")), moment.get("state")
    why = f"  {moment['reason']}" if moment.get("reason") else ""
    return session.screen.line(f"{at}  {state}{why}")


def order_in(answer: Answer, id: str) -> Mapping[str, Any]:
    """The order of an answer. The one that is called `status` is only in the overview, which has that path."""
    order = answer.body.get("order") or answer.body.get("orders", {}).get(id)
    if order is None:
        raise Failed(Code.REFUSED, f"refused: no order has the id {id!r}", answer)
    shown: Mapping[str, Any] = order
    return shown


def fresh_id(symbol: str, what: str) -> str:
    """An id that says what it is of and when it was made, and that no two commands make."""
    at = time.strftime("%m%d-%H%M%S", time.gmtime())
    unlike = "".join(secrets.choice(LETTERS) for _ in range(5))
    return f"{symbol}-{what}-{at}-{unlike}".lower()
