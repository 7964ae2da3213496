"""GET /metrics: how the engine is in numbers, in the text format of Prometheus.

Names end in their unit; what is not known is not there. Made at each scrape of what the engine knows anyway.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry
from quart import Blueprint, Response, current_app

from ..engine import Engine
from ..health import HealthLevel, Report
from ..health_watch import HealthWatch
from ..keeping import Keeper
from ..latency import LatencyStatistics
from ..version import VERSION
from .health import WATCH
from .status import limits_of

__all__ = ["TEXT_FORMAT", "endpoints", "families"]

PREFIX = "bitmart_engine_"
TEXT_FORMAT = CONTENT_TYPE_LATEST


def endpoints(engine: Engine) -> Blueprint:
    """GET /metrics."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    async def metrics() -> Response:
        watch: HealthWatch = current_app.extensions[WATCH]
        report = await watch.latest()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape(list(families(engine, report))))
        return Response(generate_latest(registry), content_type=TEXT_FORMAT)

    return routes


class _Scrape:
    """Metrics of one moment, as a registry takes them."""

    def __init__(self, made: list[Metric]) -> None:
        self._made = made

    def collect(self) -> list[Metric]:
        return self._made


def families(engine: Engine, report: Report) -> Iterator[Metric]:
    """Every metric, given the latest look at the engine's health."""
    yield InfoMetricFamily(
        f"{PREFIX}build", "the engine", {"version": VERSION, "mode": engine.settings.mode}
    )
    yield _gauge("uptime_seconds", "since the start", engine.uptime_s)
    yield _gauge("ready", "1 if an order can be trusted to it", not engine.not_ready())
    yield from _of_health(report)
    yield from _of_connections(engine)
    yield from _of_promises(engine)
    yield from _of_latencies(engine)
    yield from _of_loop(engine)
    yield from _of_limits(engine)
    events = CounterMetricFamily(
        f"{PREFIX}events", "what was dropped, retried or given up, by event", labels=["event"]
    )
    for event, times in engine.dropped().items():
        events.add_metric([event], times)
    yield events


def _of_limits(engine: Engine) -> Iterator[Metric]:
    limit = GaugeMetricFamily(f"{PREFIX}limit", "a limit that is set", labels=["name"])
    used = GaugeMetricFamily(f"{PREFIX}limit_used", "what is used of it", labels=["name"])
    for each in limits_of(engine):
        limit.add_metric([each.name], float(each.limit))
        if each.used is not None:
            used.add_metric([each.name], float(each.used))
    yield limit
    yield used


def _of_health(report: Report) -> Iterator[Metric]:
    levels = list(HealthLevel)
    yield _gauge("health_level", "0 green, 1 amber, 2 red", levels.index(report.level))
    troubles = GaugeMetricFamily(
        f"{PREFIX}trouble_seconds", "how long something is wrong", labels=["id", "level", "subject"]
    )
    for each in report.troubles:
        lasts_s = max(0.0, (report.at_ms - each.since_ms) / 1000)
        troubles.add_metric([each.id, each.level.value, each.subject], lasts_s)
    yield troubles
    stops = GaugeMetricFamily(
        f"{PREFIX}stop_contracts", "contracts with a promised stop", labels=["kept_by"]
    )
    kept = report.kept
    for who, size in kept.contracts.items():
        stops.add_metric([who.value], size)
    yield stops
    seconds = CounterMetricFamily(
        f"{PREFIX}stop_kept_seconds",
        "for how long any contract with a promised stop was kept so",
        labels=["symbol", "side", "kept_by"],
    )
    for position in kept.positions:
        for who, lasts_s in position.seconds.items():
            seconds.add_metric([position.symbol, position.side.value, who.value], lasts_s)
    yield seconds
    yield _gauge("naked_contracts", "kept by nobody", kept.contracts[Keeper.NOBODY])
    yield _gauge("unwatched_protections", "whose stop is kept by nobody", kept.unwatched)
    yield _gauge("naked_seconds", "since when contracts are kept by nobody", kept.naked.now_s)
    yield _gauge("naked_longest_seconds", "the longest since the start", kept.naked.longest_s)
    naked = CounterMetricFamily(f"{PREFIX}naked_sum_seconds", "all of it since the start")
    naked.add_metric([], kept.naked.sum_s)
    yield naked


def _of_connections(engine: Engine) -> Iterator[Metric]:
    up = GaugeMetricFamily(f"{PREFIX}connection_up", "1 while it works", labels=["connection"])
    again = CounterMetricFamily(f"{PREFIX}reconnects", "since the start", labels=["connection"])
    heard = GaugeMetricFamily(
        f"{PREFIX}connection_silent_seconds", "since bytes came", labels=["connection"]
    )
    for each in engine.streams().connections:
        up.add_metric([each.name], each.state == "up")
        again.add_metric([each.name], each.reconnects)
        if each.last_message_age_s is not None:
            heard.add_metric([each.name], each.last_message_age_s)
    yield from (up, again, heard)
    ages = GaugeMetricFamily(f"{PREFIX}price_age_seconds", "of the last tick", labels=["symbol"])
    for symbol, (_, age_s, _) in engine.prices().items():
        ages.add_metric([symbol], age_s)
    yield ages
    exchange = engine.exchange()
    if exchange.clock_offset_ms is not None:
        yield _gauge(
            "clock_offset_seconds",
            "the exchange's clock less this machine's",
            exchange.clock_offset_ms / 1000,
        )
    used = GaugeMetricFamily(f"{PREFIX}requests_used", "within its window", labels=["endpoint"])
    limit = GaugeMetricFamily(f"{PREFIX}requests_limit", "of its window", labels=["endpoint"])
    waiting = GaugeMetricFamily(f"{PREFIX}requests_waiting", "for a turn", labels=["endpoint"])
    for path, endpoint in exchange.endpoints.items():
        used.add_metric([path], endpoint.used)
        limit.add_metric([path], endpoint.limit)
        waiting.add_metric([path], endpoint.waiting)
    yield from (used, limit, waiting)


def _of_promises(engine: Engine) -> Iterator[Metric]:
    state, outbox = engine.state, engine.outbox()
    yield _gauge("orders_alive", "entry orders that have not ended", len(state.orders.alive()))
    yield _gauge("protections_alive", "that have not ended", len(state.protections.alive()))
    yield _gauge("callbacks_owed", "not delivered yet", outbox.owed)
    yield _gauge("callbacks_dead", "given up, and not owed again", len(state.dead))
    oldest = next(iter(state.owed.values()), None)
    age_ms = 0 if oldest is None else engine.now_ms() - oldest.created_ms
    yield _gauge("callback_oldest_seconds", "how long the oldest is owed", max(0, age_ms) / 1000)
    yield _gauge("journal_trouble", "1 while nothing can be promised", engine.trouble() is not None)
    foreign = GaugeMetricFamily(
        f"{PREFIX}foreign_contracts", "held beyond what is guarded", labels=["position"]
    )
    for position, size in engine.foreign_positions().items():
        foreign.add_metric([position], size)
    yield foreign


def _of_latencies(engine: Engine) -> Iterator[Metric]:
    measured = engine.latencies()
    orders = HistogramMetricFamily(
        f"{PREFIX}tick_to_order_seconds",
        "from the price that set an order off until it went to the connection",
        labels=["order"],
    )
    for order in ("entry", "close"):
        _add(orders, [order], measured[f"tick_to_{order}"])
    yield orders
    commits = HistogramMetricFamily(f"{PREFIX}journal_commit_seconds", "until it was on disk")
    _add(commits, [], measured["journal_commit"])
    yield commits
    requests = HistogramMetricFamily(
        f"{PREFIX}request_seconds", "to the exchange, until its answer was read", labels=["kind"]
    )
    unanswered = CounterMetricFamily(
        f"{PREFIX}requests_unanswered", "to the exchange, since the start", labels=["kind"]
    )
    for kind, times in engine.unanswered().items():
        _add(requests, [kind], measured[f"request_{kind}"])
        unanswered.add_metric([kind], times)
    yield from (requests, unanswered)


def _add(family: HistogramMetricFamily, labels: list[str], took: LatencyStatistics) -> None:
    within = [(str(bound), so_many) for bound, so_many in took.within]
    family.add_metric(labels, [*within, ("+Inf", took.count)], took.sum_s)


def _of_loop(engine: Engine) -> Iterator[Metric]:
    loop = engine.event_loop()
    if loop is None:
        return
    held = CounterMetricFamily(
        f"{PREFIX}event_loop_held",
        "passes of the event loop longer than this",
        labels=["longer_than_ms"],
    )
    for bound_ms, times in loop.longer_than_ms.items():
        held.add_metric([str(bound_ms)], times)
    yield held
    yield _gauge(
        "event_loop_longest_seconds", "of the last minute or two", loop.longest_lately_ms / 1000
    )


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"{PREFIX}{name}", what)
    made.add_metric([], float(value))
    return made
