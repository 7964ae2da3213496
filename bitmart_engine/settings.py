"""What the engine is told at its start: from the environment, from `.env`, or by the program that embeds it.

Every setting is read and checked here, once. A bad value raises `SettingError`, one line that names the variable, the
value and what is allowed; a secret's value is never named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

import attrs
import environ

from .environment import NotMeant, Origin, check_names, read_env_file, shown_path
from .model.networks import Network
from .model.urls import Forbidden, inspect_url, shown_url
from .setting_values import (
    OFF,
    SettingError,
    as_address,
    as_events,
    as_flag,
    as_header_value,
    as_hosts,
    as_hour,
    as_limit,
    as_networks,
    as_number,
    as_path,
    as_path_or_off,
    as_quantity_unit,
    as_text,
    as_uri,
    as_words,
)

__all__ = ["IN_MEMORY", "SettingError", "Settings", "describe_settings", "is_new", "listed"]

IN_MEMORY = ":memory:"
LIVE_HOSTS = ("https://api-cloud-v2.bitmart.com", "wss://openapi-ws-v2.bitmart.com")
DEMO_HOSTS = ("https://demo-api-cloud-v2.bitmart.com", "wss://openapi-wsdemo-v2.bitmart.com")


def _check_raw_events(settings: Settings) -> None:
    """Raise SettingError if raw events could never be delivered where these settings send them."""
    uri = settings.raw_events_uri
    if not uri:
        if settings.raw_events_token:
            allowed = "is of no use while RAW_EVENTS_URI is not set; set both, or none"
            raise SettingError("RAW_EVENTS_TOKEN", None, allowed)
        return
    if "#" in uri:
        raise SettingError(
            "RAW_EVENTS_URI", f"{uri.partition('#')[0]}...", "must not have a # in it"
        )
    _check_address("RAW_EVENTS_URI", uri, uri, settings)


def _check_signals(settings: Settings) -> None:
    """Raise SettingError if signals could never be delivered where these settings send them."""
    base = settings.trading_app_base_uri
    if not base:
        return
    if "?" in base or "#" in base:
        shown = base.partition("?")[0].partition("#")[0]
        raise SettingError("TRADING_APP_BASE_URI", f"{shown}...", "must not have a ? or # in it")
    _check_address("TRADING_APP_BASE_URI", base, base, settings)
    for variable, path in (
        ("TRADING_APP_ORDER_SIGNAL_PATH", settings.trading_app_order_signal_path),
        ("TRADING_APP_BALANCE_SIGNAL_PATH", settings.trading_app_balance_signal_path),
    ):
        if path != OFF:
            _check_address(variable, path, base.rstrip("/") + path, settings)


def _check_address(variable: str, value: str, url: str, settings: Settings) -> None:
    try:
        inspect_url(url, settings.callback_allow)
    except Forbidden as reason:
        raise SettingError(variable, shown_url(value), str(reason)) from None


def _setting(
    variable: str,
    default: Any,
    convert: Callable[[str, object], Any],
    help: str,
    *,
    secret: bool = False,
) -> Any:
    """One field, read from `variable`. The converter checks what the environment and what a program says alike."""
    entry = environ.var(default=default, name=variable, help=help)
    return attrs.field(
        default=default,
        converter=lambda value: convert(variable, value),
        metadata=dict(entry.metadata) | {"variable": variable, "help": help, "secret": secret},
        repr=not secret,
    )


def _host_default(index: int, path: str) -> Any:
    return attrs.Factory(
        lambda self: (DEMO_HOSTS if self.demo else LIVE_HOSTS)[index] + path, takes_self=True
    )


@attrs.frozen(kw_only=True)
class Settings:
    """All settings, checked. `Settings()` is BitMart itself without an account."""

    _prefix: ClassVar[str] = ""

    demo: bool = _setting(
        "BITMART_DEMO",
        False,
        as_flag,
        "1 switches the three addresses below to BitMart's demo hosts",
    )
    public_ws_uri: str = _setting(
        "BITMART_PUBLIC_WS_URI",
        _host_default(1, "/api?protocol=1.1"),
        as_uri("wss", "ws"),
        "public WebSocket",
    )
    private_ws_uri: str = _setting(
        "BITMART_PRIVATE_WS_URI",
        _host_default(1, "/user?protocol=1.1"),
        as_uri("wss", "ws"),
        "private WebSocket",
    )
    rest_uri: str = _setting(
        "BITMART_REST_URI", _host_default(0, ""), as_uri("https", "http"), "REST API"
    )
    api_key: str = _setting("BITMART_API_KEY", "", as_text, "API key", secret=True)
    api_secret: str = _setting("BITMART_API_SECRET", "", as_text, "API secret", secret=True)
    api_memo: str = _setting(
        "BITMART_API_MEMO", "", as_text, "API memo, chosen with the key", secret=True
    )

    control_address: str = _setting(
        "CTRL_ADDR", "0.0.0.0:8089", as_address, "where the control API listens"
    )
    control_token: str = _setting(
        "CTRL_TOKEN",
        "",
        as_text,
        "token of the control API (Bearer, or the password of Basic); without one, only this machine is served",
        secret=True,
    )
    control_allow: tuple[Network, ...] = _setting(
        "CTRL_ALLOW",
        (),
        as_networks,
        "private networks that are served without a token (CIDR), separated by commas",
    )
    control_hosts: tuple[str, ...] = _setting(
        "CTRL_HOSTS",
        (),
        as_hosts,
        "names with a dot by which CTRL_ALLOW's peers may call the engine, separated by commas",
    )
    quantity_unit: Literal["base", "contracts"] = _setting(
        "QUANTITY_UNIT",
        "base",
        as_quantity_unit,
        "what `quantity` counts in place-order: the `base` currency (0.01 BTC), or whole `contracts`",
    )

    subscribe_batch: int = _setting(
        "SUBSCRIBE_BATCH", 20, as_number(int, 1, 100), "channels in one subscribe frame"
    )
    subscribe_lenient: bool = _setting(
        "SUBSCRIBE_LENIENT",
        False,
        as_flag,
        "1 answers a kline subscription of an unknown symbol with 200, and names it in `refused`",
    )
    subscribe_delay_ms: int = _setting(
        "SUBSCRIBE_DELAY_MS", 200, as_number(int, 0, 60_000), "pause between subscribe frames, ms"
    )
    ping_interval_s: float = _setting(
        "PING_INTERVAL_S", 15, as_number(float, 0.1, 60), "pause between pings, s"
    )
    reconnect_delay_s: float = _setting(
        "RECONNECT_DELAY_S",
        5,
        as_number(float, 0.01, 300),
        "first pause before reconnecting, s; it grows",
    )
    request_valid_s: float = _setting(
        "REQUEST_VALID_S",
        60,
        as_number(float, 1, 60),
        "how long the exchange takes a signed request, s; an order whose answer was lost is unknown that long",
    )
    submit_valid_s: float = _setting(
        "SUBMIT_VALID_S",
        0,
        as_number(float, 0, 30),
        "orders that open are signed to die so soon, s (2, say): a lost one is known in seconds; 0: in REQUEST_VALID_S",
    )
    stale_after_s: float = _setting(
        "STALE_AFTER_S",
        10,
        as_number(float, 0.1, 3600),
        "a watched symbol without a price for this long is stale, s",
    )
    price_jump_percent: float = _setting(
        "PRICE_JUMP_PERCENT",
        20,
        as_number(float, 1, 1000),
        "a price further from the last is acted on once a second source confirms it, percent",
    )

    max_positions: int | None = _setting(
        "MAX_POSITIONS",
        None,
        as_limit(int, 0),
        "how many positions there may be at a time, entry orders that have not ended included; empty: any",
    )
    max_notional: Decimal | None = _setting(  # noqa: RUF009  (it never changes)
        "MAX_NOTIONAL",
        None,
        as_limit(Decimal, 0),
        "what they may be worth together, USDT; empty: any",
    )
    max_risk: Decimal | None = _setting(  # noqa: RUF009  (it never changes)
        "MAX_RISK",
        None,
        as_limit(Decimal, 0),
        "what may be lost at their stops together, USDT; without a stop that is all of it; empty: any",
    )
    max_orders_per_minute: int | None = _setting(
        "MAX_ORDERS_PER_MINUTE",
        None,
        as_limit(int, 1),
        "how many entry orders may be accepted, and how many sent, within a minute; empty: any",
    )

    state_dir: str = _setting(
        "STATE_DIR",
        "state",
        as_text,
        "directory of the journal; `:memory:` forgets everything at the end",
    )
    history_days: int = _setting(
        "HISTORY_DAYS",
        30,
        as_number(int, 1, 36_500),
        "what ended longer ago than this is forgotten, days",
    )

    callback_allow: tuple[str, ...] = _setting(
        "CALLBACK_ALLOW",
        (),
        as_hosts,
        "hosts that callbacks may go to, separated by commas; empty: any but cloud metadata",
    )
    callback_timeout_s: float = _setting(
        "CALLBACK_TIMEOUT_S", 5.0, as_number(float, 0.1, 60), "how long one callback may take, s"
    )
    trading_app_base_uri: str = _setting(
        "TRADING_APP_BASE_URI",
        "",
        as_uri("https", "http", optional=True),
        "the application's address; with a shared secret, order signals go there",
    )
    trading_app_order_signal_path: str = _setting(
        "TRADING_APP_ORDER_SIGNAL_PATH",
        "/api/ws-worker/orders",
        as_path,
        "where order signals go there",
    )
    trading_app_balance_signal_path: str = _setting(
        "TRADING_APP_BALANCE_SIGNAL_PATH",
        "/api/ws-worker/balance",
        as_path_or_off,
        "where balance signals go there; `off`: none are sent",
    )
    trading_app_shared_secret: str = _setting(
        "TRADING_APP_SHARED_SECRET",
        "",
        as_text,
        "signs callbacks; empty: they go out unsigned",
        secret=True,
    )
    trading_app_request_timeout: float = _setting(
        "TRADING_APP_REQUEST_TIMEOUT",
        2.0,
        as_number(float, 0.1, 60),
        "how long one signal may take, s",
    )
    raw_events_uri: str = _setting(
        "RAW_EVENTS_URI",
        "",
        as_uri("https", "http", optional=True),
        "where BitMart's own order and position frames are forwarded to; empty: nowhere",
    )
    raw_events_token: str = _setting(
        "RAW_EVENTS_TOKEN",
        "",
        as_header_value,
        "goes out with them as `X-Webhook-Token`",
        secret=True,
    )

    alert_urls: tuple[str, ...] = _setting(
        "ALERT_URLS",
        (),
        as_words,
        "where a person is told, as addresses of Apprise separated by spaces; empty: nobody is",
        secret=True,
    )
    alert_on: frozenset[str] = _setting(
        "ALERT_ON",
        ("critical", "error", "exchange_stop_missing", "machine_slept", "trading_halted"),
        as_events,
        "of what: levels and ids of the log's events, separated by commas",
    )
    alert_daily_at: int | None = _setting(
        "ALERT_DAILY_AT",
        None,
        as_hour,
        "the hour (UTC, 0 to 23) of a daily summary to ALERT_URLS; empty: there is none",
    )
    heartbeat_url: str = _setting(
        "HEARTBEAT_URL",
        "",
        as_uri("https", "http", optional=True),
        "asked every minute while the engine is ready, so that a monitor there notices when it is not",
        secret=True,
    )

    mode: str = attrs.field(
        default=attrs.Factory(lambda self: "demo" if self.demo else "live", takes_self=True)
    )
    """`live`, `demo` or `paper`: what the engine says of itself. It changes nothing that the engine does."""

    prices_only: bool = False
    """Whether the engine may start without credentials though the journal promises something. Said for one start."""

    accept_older_journal: bool = False
    """Whether a journal that lacks its latest records is used as it is. Said for one start, so it is no variable."""
    origin: Origin = attrs.field(factory=Origin, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _check_signals(self)
        _check_raw_events(self)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, env_file: str | Path | None = ".env"
    ) -> Settings:
        """The settings of `environment` (the process's own by default), over those of `env_file` if there is one.

        A variable that is set but empty counts as not set. Raises `SettingError`, for a mistyped name too.
        """
        path = Path(env_file).absolute() if env_file else None
        around = os.environ if environment is None else environment
        known = {each.metadata.get("variable") for each in attrs.fields(cls)} - {None}
        try:
            from_file = read_env_file(path) if path else {}
            strange = check_names(from_file, around, known, path or Path())
        except NotMeant as error:
            raise SettingError("", None, str(error)) from None
        given = {name: text for name, text in {**from_file, **around}.items() if text}
        settings: Settings = environ.to_config(cls, given)
        if settings.trading_app_base_uri and not settings.trading_app_shared_secret:
            allowed = "signals to it must be signed: TRADING_APP_SHARED_SECRET is not set"
            raise SettingError("TRADING_APP_BASE_URI", None, allowed)
        read = path if path is not None and path.is_file() else None
        origin = Origin(read, frozenset(known & given.keys()), strange)
        return attrs.evolve(settings, origin=origin)

    @property
    def state_shown(self) -> str:
        """Where the journal is, absolute, as text that can be shown."""
        return IN_MEMORY if self.state_dir == IN_MEMORY else shown_path(self.state_dir)

    @property
    def missing_credentials(self) -> tuple[str, ...]:
        """The variables that private calls need and that are not set."""
        values = {
            "BITMART_API_KEY": self.api_key,
            "BITMART_API_SECRET": self.api_secret,
            "BITMART_API_MEMO": self.api_memo,
        }
        return tuple(name for name, value in values.items() if not value)

    @property
    def order_signal_url(self) -> str | None:
        """Where order signals go; None while they are off."""
        return self._signal_url(self.trading_app_order_signal_path)

    @property
    def balance_signal_url(self) -> str | None:
        """Where balance signals go; None while they are off."""
        return self._signal_url(self.trading_app_balance_signal_path)

    def _signal_url(self, path: str) -> str | None:
        if not self.trading_app_base_uri or not self.trading_app_shared_secret or path == OFF:
            return None
        return self.trading_app_base_uri.rstrip("/") + path

    @property
    def control_host_port(self) -> tuple[str, int]:
        """Host and port of the control API."""
        host, _, port = self.control_address.rpartition(":")
        return host.strip("[]"), int(port)


def is_new(settings: Settings) -> bool:
    """Whether nothing was ever promised in its state directory: right for a first start, and for no other."""
    where = settings.state_dir
    return where != IN_MEMORY and not (Path(where) / "engine.sqlite3").exists()


def describe_settings() -> list[tuple[str, str, str]]:
    """(variable, default, what it is for) of every setting, in order: for `.env.example` and the page."""
    defaults = Settings()
    rows = []
    for each in attrs.fields(Settings):
        if "variable" in each.metadata:
            value = getattr(defaults, each.name)
            value = "" if value is None else value
            text = {True: "1", False: "0"}.get(value) if isinstance(value, bool) else None
            if text is None:
                text = listed(value) if isinstance(value, (tuple, frozenset)) else str(value)
            rows.append((each.metadata["variable"], text.removesuffix(".0"), each.metadata["help"]))
    return rows


def listed(values: tuple[object, ...] | frozenset[object]) -> str:
    """Several values as one text, as the environment has them."""
    return ",".join(sorted(map(str, values)) if isinstance(values, frozenset) else map(str, values))
