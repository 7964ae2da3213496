"""`bitmart-engine`: the engine, or the paper exchange, as a process; and, from `remote`, what asks a running one.

The process says in a few lines on stdout what runs and where, logs to stderr, and ends within 5 seconds of a signal
or of POST /stop. Here is what can be typed and what is made of it; `process` runs it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import trio
from attrs import evolve, frozen

from .alerts import Alert, Alerts, AlertsUnusable, Sender
from .checking import settings_report
from .collecting import owning_the_process
from .engine import open_engine
from .environment import shown_path
from .guarding import Unguarded
from .health_watch import HealthWatch
from .housekeeping import supervised
from .journal_cli import backup, journal
from .logs import configure_logs
from .loop_watch import LoopWatch
from .options import env_file_option, read_settings, state_dir_option
from .outages_file import keep_outages
from .process import CannotStart, End, fail, run, say
from .remote import COMMANDS, EXIT_CODES
from .remote.client import checked_url
from .remote.completing import SHELLS, script
from .replay_cli import replay
from .settings import IN_MEMORY, Settings, is_new
from .store import JournalError
from .systemd import keep_told, manager_of
from .version import VERSION
from .world import World

if TYPE_CHECKING:
    from .paper import Market, PaperConfig, PaperExchange

__all__ = ["main"]

REPLAY_SPEED = 60.0
TRIED_FOR_S = 20.0
"""How long the addresses of alerts have to take a test."""
EVERYWHERE = ("//0.0.0.0:", "//[::]:")

Command = Any
"""What click makes of a function."""


# What people type


def _finite(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("must be a number")
    return value


PORT = click.IntRange(0, 65535)
LEVEL = click.Choice(["debug", "info", "warning", "error"])


def _common_options(command: Command) -> Command:
    """The simulated market, and logs."""
    for option in (
        click.option("--log-level", type=LEVEL, default="info", show_default=True),
        click.option(
            "--log-json/--log-console",
            default=None,
            help="JSON lines, or lines for people.  [default: for people on a terminal]",
        ),
        click.option("--seed", type=int, help="Of the random market.  [default: 0]"),
        click.option("--symbol", help="What the recording is of.  [default: BTCUSDT]"),
        click.option(
            "--speed",
            type=click.FloatRange(0, min_open=True),
            callback=_finite,
            help=f"How many times as fast as recorded.  [default: {REPLAY_SPEED:g}]",
        ),
        click.option(
            "--replay",
            type=click.Path(path_type=Path),
            help="Replay one-minute candles (CSV: timestamp,open,high,low,close,volume).",
        ),
        click.option(
            "--set",
            "parameters",
            multiple=True,
            metavar="NAME=VALUE",
            help="How the simulated BitMart behaves where nobody knows how BitMart does; `--set list` lists them.",
        ),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(VERSION, prog_name="bitmart-engine")
def main() -> None:
    """A trading engine for BitMart Futures V2.

    'serve' and 'paper' run until they are stopped; 'alert', 'backup', 'check', 'doctor', 'journal' and 'replay' need
    no engine; the other commands ask a running one.
    """


for command in (*COMMANDS, backup, journal, replay):
    main.add_command(command)


@main.command()
@click.option("--paper", is_flag=True, help="Trade on a simulated BitMart, without an account.")
@_common_options
@click.option(
    "--paper-admin-port",
    type=PORT,
    default=8090,
    show_default=True,
    help="Where the simulated BitMart is controlled; 0 for any.",
)
@env_file_option
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    help="Where the journal is kept.  [default: STATE_DIR; with --paper nowhere]",
)
@click.option(
    "--prices-only",
    is_flag=True,
    help="Start without API credentials though the journal holds orders or stops: they stay unguarded.",
)
@click.option(
    "--accept-older-journal",
    is_flag=True,
    help="Start on a copy of the journal that lacks its latest records. Look at the exchange first.",
)
def serve(
    paper: bool,
    paper_admin_port: int,
    env_file: Path | None,
    state_dir: Path | None,
    prices_only: bool,
    accept_older_journal: bool,
    log_level: str,
    log_json: bool | None,
    **market: Any,
) -> None:
    """Run the engine and its control API."""
    configure_logs(log_level, log_json)
    for option, value in market.items():
        if value not in (None, ()) and not paper:
            name = "set" if option == "parameters" else option
            raise click.UsageError(f"--{name} needs --paper")
    settings = read_settings(env_file, paper=paper)
    if paper:
        settings = evolve(settings, state_dir=IN_MEMORY)  # the paper exchange forgets too
    if state_dir is not None:
        settings = evolve(settings, state_dir=str(state_dir))
    settings = evolve(settings, prices_only=prices_only, accept_older_journal=accept_older_journal)
    try:
        alerts = Alerts(settings)
    except AlertsUnusable as unusable:
        fail(str(unusable), 2)
    configure_logs(log_level, log_json, alerts.hear)
    if not paper:
        run(lambda end: _serve(end, settings, alerts), alerts.last_words)
        return
    simulation = _simulation(**market, admin_port=paper_admin_port)

    async def with_exchange(end: End) -> None:
        from .on_paper import moved_to

        async with AsyncExitStack() as stack:
            exchange = await simulation.open(stack)
            await _serve(end, moved_to(exchange, settings), alerts, exchange)

    run(with_exchange, alerts.last_words)


@main.command()
@env_file_option
def alert(env_file: Path | None) -> None:
    """Send a message to every address of ALERT_URLS, to try them. Exit code 1 if one does not take it."""
    configure_logs("error", None)
    settings = read_settings(env_file)
    if not settings.alert_urls:
        fail("ALERT_URLS is not set: nobody would be told", 2)
    try:
        sender = Sender(settings.alert_urls)
    except AlertsUnusable as unusable:
        fail(str(unusable), 2)
    tried = Alert("info", "bitmart-engine: a test", "Alerts of this engine come here.")
    taken = sender.send_now(tried, TRIED_FOR_S)
    say(
        f"address {number} of {len(taken)}: {'taken' if took else 'not taken'}"
        for number, took in enumerate(taken, 1)
    )
    if not all(taken):
        raise SystemExit(1)


@main.command()
@env_file_option
def check(env_file: Path | None) -> None:
    """Say with which settings 'serve' would start, and what follows from them. Starts nothing.

    Secrets are not shown. Exit code 2 where 'serve' would refuse them.
    """
    configure_logs("error", None)
    say(settings_report(read_settings(env_file)))


@main.command()
@env_file_option
@state_dir_option
@click.option("--url", help="Where the engine is asked how it is.  [default: CTRL_ADDR]")
def doctor(env_file: Path | None, state_dir: Path | None, url: str | None) -> None:
    """Make a report to attach to a bug: versions, settings, sizes, counts, and what a running engine says of itself.

    It holds no secret (of those it says whether they are set), no balance, and of orders and positions only those that
    are in trouble; it names hosts and directories. Changes nothing.
    """
    from .doctor import examined

    configure_logs("error", None)
    settings = read_settings(env_file)
    if state_dir is not None:
        settings = evolve(settings, state_dir=str(state_dir))
    try:
        say(examined(settings, None if url is None else checked_url(url)))
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--url") from None


@main.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what SHELL has to read to complete commands, options, states and ids.

    For bash: eval "$(bitmart-engine completion bash)"
    """
    click.echo(script(main, shell))


@main.command()
@_common_options
@click.option("--admin-port", type=PORT, default=8090, show_default=True)
@click.option("--ws-port", type=PORT, default=8091, show_default=True)
@click.option("--rest-port", type=PORT, default=8092, show_default=True)
def paper(log_level: str, log_json: bool | None, **simulated: Any) -> None:
    """Run the simulated BitMart alone. A port of 0 is any free one."""
    configure_logs(log_level, log_json)
    simulation = _simulation(**simulated)

    async def alone(end: End) -> None:
        async with AsyncExitStack() as stack:
            say(_exchange_lines(await simulation.open(stack)))
            await trio.sleep_forever()

    run(alone)


# What is made of it


@frozen
class _Simulation:
    """A paper exchange that is yet to be opened."""

    market: Market
    config: PaperConfig

    async def open(self, stack: AsyncExitStack) -> PaperExchange:
        from .paper import open_paper_exchange

        exchange = open_paper_exchange(self.config, market=self.market)
        try:
            return await stack.enter_async_context(exchange)
        except OSError as taken:
            raise CannotStart(
                f"the paper exchange {taken.strerror}; --help names the option for another port"
            ) from None


def _simulation(
    *,
    replay: Path | None,
    speed: float | None,
    symbol: str | None,
    seed: int | None,
    parameters: tuple[str, ...],
    **ports: int,
) -> _Simulation:
    from .paper import DEFAULT_SYMBOLS, PaperConfig, RandomWalk, Replay, ReplayError

    config = _with_parameters(PaperConfig(seed=seed or 0, **cast(Any, ports)), parameters)
    if replay is None:
        if speed is not None or symbol is not None:
            raise click.UsageError("--speed and --symbol need --replay")
        return _Simulation(RandomWalk(seed=seed or 0), config)
    symbol = (symbol or DEFAULT_SYMBOLS[0].symbol).upper()
    known = [each.symbol for each in DEFAULT_SYMBOLS]
    if symbol not in known:
        raise click.UsageError(f"--symbol {symbol}: the paper exchange has {', '.join(known)}")
    try:
        market = Replay(replay, symbol, speed or REPLAY_SPEED, clock="from now")
    except ReplayError as error:
        fail(str(error), 2)
    return _Simulation(market, config)


def _with_parameters(config: PaperConfig, given: tuple[str, ...]) -> PaperConfig:
    """The config with what `--set` says; `list` lists what there is, and ends."""
    from .paper import set_parameters, unknowns

    if "list" in given:
        for one in unknowns():
            click.echo(f"{one.name}={one.default_text}\n    {one.what}\n    ({one.choices})")
        raise SystemExit(0)
    pairs = [each.partition("=") for each in given]
    for name, equals, _ in pairs:
        if not equals:
            raise click.UsageError(f"--set {name}: it takes NAME=VALUE, or list")
    try:
        return set_parameters(config, {name: value for name, _, value in pairs})
    except ValueError as wrong:
        raise click.UsageError(f"--set: {wrong}") from None


# What runs, and what it says


async def _serve(
    end: End, settings: Settings, alerts: Alerts, exchange: PaperExchange | None = None
) -> None:
    from .control import AddressUnavailable, listen, serve_control

    async with AsyncExitStack() as stack:
        collector = stack.enter_context(owning_the_process())
        try:
            listeners = await listen(settings)  # before anything is asked of the exchange
        except AddressUnavailable as taken:
            raise CannotStart(str(taken)) from None
        for each in listeners:
            await stack.enter_async_context(each)
        new = is_new(settings)
        try:
            world = World(loop_watch=LoopWatch(), collector=collector)
            engine = await stack.enter_async_context(open_engine(settings, world=world))
        except JournalError as unusable:
            raise CannotStart(str(unusable)) from None
        except Unguarded as left:
            raise CannotStart(str(left), 2) from None
        end.ask = engine.stop
        async with trio.open_nursery() as beside:
            async with trio.open_nursery() as serving:
                watch = HealthWatch(engine)
                serve_to = partial(serve_control, watch=watch)
                address = await serving.start(serve_to, engine, listeners)
                say(_engine_lines(settings, address, exchange, new=new))
                say(f"unguarded       {each}" for each in engine.unguarded())
                for name, task in (
                    ("outages", partial(keep_outages, engine)),
                    ("alerts", partial(alerts.run, engine, watch)),
                ):
                    beside.start_soon(supervised, task, name, engine.counters)
                if (manager := manager_of(os.environ)) is not None:
                    serving.start_soon(keep_told, engine, manager)
                await engine.wait_stopping()
                end.begin()
            beside.cancel_scope.cancel()


def _engine_lines(
    settings: Settings, address: str, exchange: PaperExchange | None, *, new: bool = False
) -> Iterator[str]:
    at, everywhere = address, False
    for wildcard, loopback in zip(EVERYWHERE, ("//127.0.0.1:", "//[::1]:"), strict=True):
        if wildcard in address:
            at, everywhere = address.replace(wildcard, loopback), True
    token = ' -H "Authorization: Bearer $CTRL_TOKEN"' if settings.control_token else ""
    yield f"bitmart-engine {VERSION}, {settings.mode} mode, {settings.rest_uri}"
    if settings.missing_credentials:
        missing = ", ".join(settings.missing_credentials)
        yield f"no API credentials ({missing} not set): prices only, no orders"
    yield f"control API     {at}" + (" and this machine's other addresses" if everywhere else "")
    if exchange is not None:
        yield f"paper exchange  {exchange.admin_uri} (move prices, break things)"
    if settings.control_token:
        yield "access          with the token of CTRL_TOKEN"
    else:
        yield "access          this machine only; a CTRL_TOKEN lets others in"
    if settings.control_allow:
        yield f"                without a token from {', '.join(map(str, settings.control_allow))}"
    if settings.quantity_unit != "base":
        yield f"quantity        counts {settings.quantity_unit}, as QUANTITY_UNIT says"
    env_file = settings.origin.env_file
    read = shown_path(env_file) if env_file else f"the environment; no {shown_path('.env')}"
    yield f"settings        {read}"
    if settings.state_dir == IN_MEMORY:
        yield "journal         in memory: nothing is kept"
    else:
        yield f"journal         {settings.state_shown}{', a new state directory' if new else ''}"
    yield f"try             curl{token} {at}/status"
    body = '{"symbol": "BTCUSDT", "tfs": ["1m"]}'
    yield (
        f"                curl{token} -X POST {at}/klines/subscribe"
        f" -H 'Content-Type: application/json' -d '{body}'"
    )
    yield f"stop            Ctrl-C, or curl{token} -X POST {at}/stop"


def _exchange_lines(exchange: PaperExchange) -> Iterator[str]:
    yield f"bitmart-engine {VERSION}, the paper exchange alone"
    yield f"paper exchange  {exchange.admin_uri} (move prices, break things)"
    yield "an engine trades on it with these settings"
    yield f"BITMART_PUBLIC_WS_URI={exchange.public_ws_uri}"
    yield f"BITMART_PRIVATE_WS_URI={exchange.private_ws_uri}"
    yield f"BITMART_REST_URI={exchange.rest_uri}"
    yield f"BITMART_API_KEY={exchange.config.api_key}"
    yield f"BITMART_API_SECRET={exchange.config.api_secret}"
    yield f"BITMART_API_MEMO={exchange.config.api_memo}"
    yield "stop            Ctrl-C"
