"""What hangs on the credentials: without them nothing is guarded, whatever the journal promises.

A start without them is refused while anything is promised, unless it is meant (`--prices-only`); then it is said.
"""

from __future__ import annotations

from collections.abc import Iterable

from .logs import get_logger
from .settings import Settings
from .store import State

__all__ = ["Unguarded", "check_guarding", "unguarded"]

log = get_logger()

NAMED = 5


class Unguarded(Exception):
    """The journal promises what cannot be kept without credentials. The message names it, and what to do."""


def unguarded(settings: Settings, state: State) -> list[str]:
    """What is promised and, for want of credentials, not kept: by what it is and its id."""
    if not settings.missing_credentials:
        return []
    return [
        *(
            f"{each.state.value} protection {each.id!r} of {each.symbol}"
            for each in state.protections.alive()
        ),
        *(
            f"{each.state.value} order {each.id!r} of {each.symbol}"
            for each in state.orders.alive()
        ),
    ]


def check_guarding(settings: Settings, state: State) -> None:
    """Raise Unguarded if something is promised that would not be kept, unless that is meant."""
    left = unguarded(settings, state)
    if not left:
        return
    missing = ", ".join(settings.missing_credentials)
    if not settings.prices_only:
        raise Unguarded(
            f"not set: {missing}; without them nobody keeps what {settings.state_dir} promises: {_some(left)}."
            " Set them, name another state directory, or start with --prices-only and leave it unguarded"
        )
    log.warning("unguarded", not_set=missing, what=left)


def _some(what: Iterable[str]) -> str:
    named = list(what)
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more
