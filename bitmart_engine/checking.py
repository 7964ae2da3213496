"""What an engine would be started with: every setting, where its value comes from, and what follows from it.

Pure: from settings that were read to lines for people. Secrets are said to be set, and never shown.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from .environment import shown_path
from .settings import IN_MEMORY, Settings, is_new, listed

__all__ = ["settings_report"]

SECRET = "(set)"
NOTHING = "(not set)"


def settings_report(settings: Settings) -> list[str]:
    """One line for each setting (name, value, `default` or `given`), then one for each thing that follows from them."""
    rows = list(_rows(settings))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [
        f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}".rstrip()
        for name, value, origin in rows
    ]
    file = settings.origin.env_file
    read = shown_path(file) if file else f"no {shown_path('.env')}"
    return [f"read: the environment, and {read}", *lines, *_consequences(settings)]


def _rows(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for each in attrs.fields(Settings):
        name = each.metadata.get("variable")
        if name is None:
            continue
        value = getattr(settings, each.name)
        origin = "given" if name in settings.origin.given else "default"
        yield name, _shown(value, secret=each.metadata["secret"]), origin


def _shown(value: object, *, secret: bool) -> str:
    if value in ("", (), None):
        return NOTHING
    if secret:
        return SECRET
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, frozenset)):
        return listed(value)
    return str(value)


def _consequences(settings: Settings) -> Iterator[str]:
    yield f"mode: {settings.mode}, {settings.rest_uri}"
    if settings.missing_credentials:
        missing = ", ".join(settings.missing_credentials)
        yield f"account: prices only, no orders: {missing} not set"
    yield f"quantity: `quantity` in a request counts {_unit(settings)}"
    if settings.control_token:
        yield "access: with the token of CTRL_TOKEN"
    else:
        yield "access: this machine only, for CTRL_TOKEN is not set"
    if settings.control_allow:
        networks = ", ".join(map(str, settings.control_allow))
        yield f"access: whoever is in {networks} trades without a token"
    signed = "signed" if settings.trading_app_shared_secret else "unsigned: no shared secret"
    yield f"callbacks: {signed}"
    yield f"order signals: {settings.order_signal_url or 'off'}"
    yield f"balance signals: {settings.balance_signal_url or 'off'}"
    yield f"alerts: {_alerts(settings)}"
    yield f"raw events: {settings.raw_events_uri or 'off'}"
    if settings.state_dir == IN_MEMORY:
        yield "journal: in memory, nothing is kept"
    else:
        new = ", a new state directory" if is_new(settings) else ""
        yield f"journal: {settings.state_shown}{new}"
    for name in settings.origin.strange:
        yield f"unknown variable: {name}"


def _alerts(settings: Settings) -> str:
    if not settings.alert_urls:
        return "nobody is told"
    return f"{len(settings.alert_urls)} address(es), of {listed(settings.alert_on)}"


def _unit(settings: Settings) -> str:
    if settings.quantity_unit == "base":
        return "the base currency (QUANTITY_UNIT=base)"
    return f"{settings.quantity_unit} (QUANTITY_UNIT={settings.quantity_unit})"
