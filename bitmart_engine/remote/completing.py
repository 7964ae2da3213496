"""What a shell completes: states by their names, and the ids of a running engine. It fails to nothing, and soon."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from enum import Enum

import click
from click.shell_completion import CompletionItem

from ..model.lifecycle import EntryState, ProtectionState
from .client import DEFAULT_URL, Failed, checked_url, open_remote

__all__ = ["SHELLS", "order_ids", "order_states", "protection_ids", "protection_states", "script"]

SHELLS = ("bash", "zsh", "fish")
WITHIN_S = 0.5
MOST = "100"

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _states(kind: type[Enum]) -> Complete:
    """Values of an enum, with commas between."""

    def complete(
        context: click.Context, parameter: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        before, comma, last = typed.rpartition(",")
        given = set(before.split(","))
        names = (each.value for each in kind if each.value not in given)
        return _items(f"{before}{comma}{name}" for name in names if name.startswith(last))

    return complete


def _ids(path: str, field: str) -> Complete:
    """Ids that the engine lists at `path`."""

    def complete(
        context: click.Context, parameter: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        url = context.params.get("url") or os.environ.get("BITMART_ENGINE_URL") or DEFAULT_URL
        try:
            with open_remote(checked_url(url), os.environ.get("CTRL_TOKEN", ""), WITHIN_S) as it:
                found = it.ask("GET", "api", path, query={"limit": MOST}).body.get(field, [])
        except (Failed, ValueError):
            return []
        ids = (str(each.get("id", "")) for each in found)
        return _items(id for id in ids if id.startswith(typed) and id.isprintable())

    return complete


def _items(values: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(each) for each in values]


order_ids = _ids("orders", "orders")
protection_ids = _ids("protections", "positions")
order_states = _states(EntryState)
protection_states = _states(ProtectionState)


def script(main: click.Command, shell: str) -> str:
    """What the shell has to read to complete `bitmart-engine`."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, "click knows the shells that are offered"
    return made(main, {}, "bitmart-engine", "_BITMART_ENGINE_COMPLETE").source()
