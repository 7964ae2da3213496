"""The command `replay`: files in, trades out, with results that can be worked out by hand."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bitmart_engine import PlaceOrder
from bitmart_engine.cli import main
from bitmart_engine.model.trades import rounded
from bitmart_engine.paper import DEFAULT_SYMBOLS
from bitmart_engine.replay.candles import Candle, read_candles
from bitmart_engine.replay.orders import OrderError, TimedOrder, read_orders
from bitmart_engine.replay.playing import Rules, instrument_of, play
from bitmart_engine.replay.report import report_of

DIP = {
    "id": "dip",
    "symbol": "BTCUSDT",
    "side": "long",
    "entry_zone_min": "64950",
    "entry_zone_max": "64960",
    "size": 10,
    "stop_loss": "64900",
    "take_profit": "65100",
    "timeout_seconds": 3600,
}
RALLY = {
    **DIP,
    "id": "rally",
    "side": "short",
    "entry_zone_min": "65040",
    "entry_zone_max": "65050",
    "stop_loss": "65100",
    "take_profit": "64900",
}
FIRST = 1_704_153_600
"""2024-01-02 00:00:00 UTC, in s."""


def candles(*rows: str) -> str:
    """A file of one-minute candles: each row is open, high, low, close."""
    lines = [f"{FIRST + 60 * n},{row.replace(' ', ',')},1" for n, row in enumerate(rows)]
    return "\n".join(["time,open,high,low,close,volume", *lines]) + "\n"


QUIET = "65000 65000 65000 65000"
DOWN = "65000 65000 64940 64945"
UP = "64945 65120 64940 65110"


class Files:
    """A directory with the two files, and the command."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, rows: str, orders: object, *options: str) -> Any:
        candle_file, order_file = self.directory / "c.csv", self.directory / "o.jsonl"
        candle_file.write_text(rows)
        text = orders if isinstance(orders, str) else ""
        if isinstance(orders, list):
            text = "\n".join(map(json.dumps, orders))
        order_file.write_text(text)
        return CliRunner().invoke(
            main, ["replay", str(candle_file), "--orders", str(order_file), *options]
        )

    def report(self, rows: str, orders: object, *options: str) -> Any:
        result = self.run(rows, orders, "--json", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_an_entry_in_a_dip_and_its_target_come_out_as_worked_out_by_hand(files):
    (trade,) = files.report(candles(QUIET, DOWN, UP, QUIET), [DIP])["trades"]
    entry_fee = 10 * Decimal("0.001") * 64960 * Decimal("0.0002")
    exit_fee = 10 * Decimal("0.001") * 65100 * Decimal("0.0006")
    assert (trade["average_in"], trade["average_out"]) == ("64960", "65100")
    assert trade["gross"] == "1.4"
    assert Decimal(trade["fees"]) == entry_fee + exit_fee == Decimal("0.52052")
    assert Decimal(trade["net"]) == Decimal("0.87948")
    assert Decimal(trade["risk"]) == Decimal("0.6")
    assert Decimal(trade["r"]) == Decimal("1.4658")
    assert not trade["open"]
    assert (
        FIRST + 60 < trade["entry_ms"] / 1000 < FIRST + 120 < trade["exit_ms"] / 1000 < FIRST + 180
    )


def test_a_short_and_its_target_come_out_as_worked_out_by_hand(files):
    rows = candles(QUIET, "65000 65060 65000 65055", "65055 65060 64880 64890", QUIET)
    (trade,) = files.report(rows, [RALLY])["trades"]
    assert trade["side"] == "short"
    assert (trade["average_in"], trade["average_out"]) == ("65040", "64900")
    assert trade["gross"] == "1.4"
    assert Decimal(trade["fees"]) == Decimal("0.13008") + Decimal("0.3894")
    assert (trade["exit_reason"], trade["closed_by"]) == ("take_profit", "exchange")


ENTERED = (QUIET, "65000 65000 64940 64950")
BOTH = "64950 65110 64700 65000"
"""Reaches the stop and the target of a dip; the high is nearer to the open."""


def test_of_a_stop_and_a_target_in_one_candle_the_nearer_extreme_is_first(files):
    (trade,) = files.report(candles(*ENTERED, BOTH), [DIP])["trades"]
    assert (trade["exit_reason"], trade["average_out"]) == ("take_profit", "65100")


def test_the_worst_path_takes_the_stop_of_a_candle_that_reaches_both(files):
    (trade,) = files.report(candles(*ENTERED, BOTH), [DIP], "--path", "worst")["trades"]
    assert (trade["exit_reason"], trade["average_out"]) == ("stop_loss", "64900")
    assert Decimal(trade["gross"]) == Decimal("-0.6")


def test_the_worst_path_takes_the_stop_of_a_short_too(files):
    rows = candles(QUIET, "65000 65060 65000 65050", "65050 65200 64890 65000")
    (nearer,) = files.report(rows, [RALLY], "--path", "nearer")["trades"]
    rows = candles(QUIET, "65000 65060 65000 65050", "65050 65300 64890 65000")
    (other,) = files.report(rows, [RALLY])["trades"]
    (worst,) = files.report(rows, [RALLY], "--path", "worst")["trades"]
    assert nearer["exit_reason"] == "stop_loss"
    assert (other["exit_reason"], worst["exit_reason"]) == ("take_profit", "stop_loss")


def test_a_stop_in_the_gap_between_two_candles_is_filled_at_the_open(files):
    rows = candles(*ENTERED, "64800 64820 64790 64800")
    (trade,) = files.report(rows, [DIP])["trades"]
    assert (trade["exit_reason"], trade["average_out"]) == ("stop_loss", "64800")


def test_an_order_whose_zone_is_never_reached_expires_and_is_listed_with_why(files):
    order = {**DIP, "entry_zone_min": "60000", "entry_zone_max": "60010", "stop_loss": "59000"}
    report = files.report(candles(*[QUIET] * 12), [{**order, "timeout_seconds": 400}])
    assert report["trades"] == []
    (unfilled,) = report["unfilled"]
    assert (unfilled["id"], unfilled["state"]) == ("dip", "expired")
    assert unfilled["why"]


def test_an_order_that_still_waits_at_the_end_is_listed_with_why(files):
    order = {**DIP, "entry_zone_min": "60000", "entry_zone_max": "60010", "stop_loss": "59000"}
    (unfilled,) = files.report(candles(*[QUIET] * 12), [order])["unfilled"]
    assert (unfilled["state"], unfilled["why"]) == ("waiting", "candles_ended")


def test_what_is_open_at_the_end_is_valued_at_the_last_price(files):
    (trade,) = files.report(candles(*ENTERED, "64950 64990 64950 64980"), [DIP])["trades"]
    assert (trade["open"], trade["exit_reason"], trade["average_out"]) == (
        *(True, "candles_ended", "64980"),
    )
    assert trade["exit_ms"] == (FIRST + 180) * 1000
    assert Decimal(trade["fees"]) == Decimal("0.12992")


def test_an_order_is_placed_at_its_time(files):
    rows = candles(*ENTERED, *[QUIET] * 3, DOWN, "64945 64960 64945 64960")
    at = FIRST + 240
    (trade,) = files.report(rows, [{**DIP, "at": at * 1000}])["trades"]
    assert at < trade["entry_ms"] / 1000 < FIRST + 7 * 60
    iso = files.report(rows, [{**DIP, "at": "2024-01-02T00:04:00Z"}])
    assert iso["trades"] == [trade]


def test_fees_and_the_first_balance_are_what_the_options_say(files):
    options = ("--maker-fee", "0", "--taker-fee", "0.001", "--balance", "500")
    report = files.report(candles(QUIET, DOWN, UP, QUIET), [DIP], *options)
    assert Decimal(report["trades"][0]["fees"]) == Decimal("0.651")
    assert report["totals"]["balance"] == "500.749"


def test_a_market_order_enters_as_a_taker(files):
    (trade,) = files.report(candles(QUIET, DOWN, UP, QUIET), [{**DIP, "type": "market"}])["trades"]
    assert trade["average_in"] == "64960"
    assert Decimal(trade["fees"]) == Decimal("0.38976") + Decimal("0.3906")


def walk(seed: int, count: int) -> str:
    """Candles that wander."""
    rng, price, rows = random.Random(seed), 65_000, []
    for _ in range(count):
        close = price + rng.randint(-40, 40)
        high, low = max(price, close) + rng.randint(0, 20), min(price, close) - rng.randint(0, 20)
        rows.append(f"{price} {high} {low} {close}")
        price = close
    return candles(*rows)


def several(seed: int, count: int) -> list[dict[str, object]]:
    """Orders of both sides, spread over so many candles."""
    rng = random.Random(seed)
    return [
        {
            **(DIP if rng.random() < 0.5 else RALLY),
            "id": f"o{number}",
            "timeout_seconds": rng.randint(300, 3600),
            "at": FIRST + 60 * rng.randrange(count),
            "type": rng.choice(["limit", "market"]),
        }
        for number in range(5)
    ]


def test_the_same_seed_gives_the_same_report_byte_for_byte(files):
    one, again = (
        files.run(walk(2, 150), several(2, 150), "--json", "--seed", "5") for _ in range(2)
    )
    assert one.exit_code == 0
    assert one.stdout_bytes == again.stdout_bytes
    assert json.loads(one.stdout)["trades"]


@pytest.mark.parametrize("seed", [3, 5, 6])
def test_passing_over_quiet_candles_changes_nothing(files, seed):
    rows, orders = walk(seed, 150), several(seed, 150)
    report = files.report(rows, orders)
    assert report["trades"]
    assert report == files.report(rows, orders, "--every-candle")


def test_nothing_is_left_behind_and_the_environment_is_not_read(files, monkeypatch):
    monkeypatch.chdir(files.directory)
    (files.directory / ".env").write_text("NO SENSE AT ALL\n")
    monkeypatch.setenv("STATE_DIR", str(files.directory / "state"))
    files.report(candles(QUIET, DOWN, UP), [{**DIP, "callback_url": "http://127.0.0.1:9/hook"}])
    assert {each.name for each in files.directory.iterdir()} == {"c.csv", "o.jsonl", ".env"}


GOOD = candles(QUIET, DOWN)


@pytest.mark.parametrize(
    ("rows", "orders", "said"),
    [
        ("", [DIP], "c.csv: there are no candles in it"),
        ("time,open,high,low\n", [DIP], "c.csv: line 1: column 'close' is missing"),
        (GOOD + "x,1,1,1,1,1\n", [DIP], "c.csv: line 4: column 'time': 'x' is not a time"),
        (GOOD + f"{FIRST},1,1,1,1,1\n", [DIP], "c.csv: line 4: column 'time'"),
        (GOOD + f"{FIRST + 120},1,2,1,3,1\n", [DIP], "c.csv: line 4: column 'high'"),
        (GOOD + f"{FIRST + 120},1,2,1,nan,1\n", [DIP], "c.csv: line 4: column 'close': 'nan'"),
        (GOOD, "", "o.jsonl: there are no orders in it"),
        (GOOD, "{", "o.jsonl: line 1: the body is not JSON"),
        (GOOD, "\n[1", "o.jsonl: line 2: the array is not JSON"),
        (GOOD, [DIP, DIP], "o.jsonl: line 2: field 'id': 'dip' is that of line 1 already"),
        (GOOD, [{**DIP, "stop_los": 1}], "line 1: field 'stop_los': unknown field 'stop_los'"),
        (GOOD, [{**DIP, "stop_loss": 65000}], "line 1: field 'stop_loss': "),
        (GOOD, [{**DIP, "symbol": "ETHUSDT"}], "line 1: field 'symbol': symbol must be BTCUSDT"),
        (GOOD, [{**DIP, "at": "soon"}], "line 1: field 'at': at must be a time"),
        (GOOD, [{**DIP, "at": FIRST + 120}], "line 1: field 'at': at must lie within the candles"),
        (
            GOOD,
            [{**DIP, "callback_url": "http://169.254.169.254/"}],
            "line 1: field 'callback_url'",
        ),
        (GOOD, json.dumps([DIP, {**DIP, "id": "b", "size": 0}]), "order 2: field 'size': "),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_and_exit_code_2(files, rows, orders, said):
    result = files.run(rows, orders)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_one_line_and_exit_code_2(tmp_path):
    result = CliRunner().invoke(main, ["replay", str(tmp_path / "no"), "--orders", "no"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_a_symbol_that_the_paper_exchange_lacks_needs_its_contract(files):
    orders = [{**DIP, "symbol": "XUSDT"}]
    assert files.run(GOOD, orders, "--symbol", "XUSDT").exit_code == 2
    options = ("--symbol", "XUSDT", "--tick-size", "0.5", "--contract-size", "0.01")
    (trade,) = files.report(candles(QUIET, DOWN, UP), orders, *options)["trades"]
    assert trade["gross"] == "14"


def test_people_get_a_table_and_the_totals(files):
    result = files.run(candles(QUIET, DOWN, UP, QUIET), [DIP])
    assert result.exit_code == 0
    heading, row = result.stdout.splitlines()[:2]
    assert heading.split()[:3] == ["id", "side", "size"]
    assert row.split()[:3] == ["dip", "long", "10"]
    assert "1 won, 0 lost" in result.stdout
    assert "funding and liquidations are not played" in result.stdout


def test_an_order_that_the_engine_refuses_when_it_is_placed_ends_the_replay_with_its_place():
    rules = Rules(instrument=DEFAULT_SYMBOLS[0])
    one = Candle(FIRST * 1000, *map(Decimal, QUIET.split()))
    asked = PlaceOrder(
        id="a",
        symbol="BTCUSDT",
        side="long",
        entry_zone_min=Decimal(64950),
        entry_zone_max=Decimal(64960),
        size=10,
        leverage=Decimal(1000),
    )
    with pytest.raises(OrderError, match=r"^line 9: field 'leverage': leverage 1000 is outside"):
        play([one], [TimedOrder(asked, None, "line 9")], rules)


@pytest.mark.parametrize(("name", "begins"), [("c.svg", "<svg "), ("C.HTML", "<!doctype html>")])
def test_a_chart_is_written_and_is_the_same_each_time(files, name, begins):
    chart = files.directory / name
    files.report(candles(QUIET, DOWN, UP, QUIET), [DIP], "--chart", str(chart))
    first = chart.read_text()
    files.report(candles(QUIET, DOWN, UP, QUIET), [DIP], "--chart", str(chart))
    assert first.startswith(begins)
    assert chart.read_text() == first


@pytest.mark.parametrize("name", ["c.png", "no/such/place.svg"])
def test_a_chart_that_cannot_be_is_refused_with_exit_code_2(files, name):
    result = files.run(GOOD, [DIP], "--chart", str(files.directory / name))
    assert result.exit_code == 2
    assert name in result.stderr


def test_an_order_that_is_placed_where_the_price_is_enters_within_seconds(files):
    rows = candles(
        QUIET, "65000 65000 64955 64955", "64955 64955 64955 64955", "64955 64960 64940 64940"
    )
    at = FIRST + 130
    (trade,) = files.report(rows, [{**DIP, "at": at, "type": "market"}])["trades"]
    assert trade["average_in"] == "64955"
    assert at < trade["entry_ms"] / 1000 <= at + 2


def with_hole(minutes: int) -> str:
    """Quiet candles, of which some are missing, and then one that falls into the zone of a dip."""
    before, after = candles(*[QUIET] * 5), candles(DOWN, UP).splitlines()[1:]
    moved = [f"{int(row[:10]) + 60 * (5 + minutes)}{row[10:]}" for row in after]
    return before + "\n".join(moved) + "\n"


@pytest.mark.parametrize("options", [(), ("--every-candle",)])
def test_where_candles_are_missing_time_goes_on(files, options):
    orders = [{**DIP, "timeout_seconds": 1500}, {**DIP, "id": "later", "at": FIRST + 1200}]
    report = files.report(with_hole(30), orders, *options)
    assert [each["id"] for each in report["trades"]] == ["later"]
    assert [(each["id"], each["state"]) for each in report["unfilled"]] == [("dip", "expired")]


def test_candles_between_two_ticks_are_moved_onto_the_grid(files):
    rows = candles(QUIET, "65000 65000 64940.04 64945.01", "64945.01 65120.06 64940 65110")
    (trade,) = files.report(rows, [DIP])["trades"]
    assert (trade["average_in"], trade["average_out"]) == ("64960", "65100")


def test_candles_of_an_hour_are_played_too(files):
    lines = candles(QUIET, DOWN, UP, QUIET).splitlines()
    hourly = [f"{FIRST + 3600 * n}{line[10:]}" for n, line in enumerate(lines[1:])]
    report = files.report("\n".join(hourly), [{**DIP, "timeout_seconds": 86_400}])
    assert report["candles"]["interval_s"] == 3600
    (trade,) = report["trades"]
    assert (trade["average_in"], trade["average_out"]) == ("64960", "65100")


def test_a_ctrl_c_ends_a_replay_with_exit_code_130(files, monkeypatch):
    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bitmart_engine.replay.market._Player.play", interrupted)
    result = files.run(GOOD, [DIP])
    assert (result.exit_code, result.stdout) == (130, "")


@pytest.mark.parametrize("seed", [3, 6])
def test_trades_come_to_what_the_engine_itself_keeps_of_them(tmp_path, seed):
    (tmp_path / "c.csv").write_text(walk(seed, 150))
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, several(seed, 150))))
    rules, read = Rules(instrument=DEFAULT_SYMBOLS[0]), read_candles(tmp_path / "c.csv")
    orders = read_orders(
        *(tmp_path / "o.jsonl", instrument_of(rules.instrument), "base"),
        *(read[0].at_ms, read[-1].at_ms + 60_000),
    )
    played = play(read, orders, rules)
    trades = {each.id: each for each in report_of(played, read, 60_000, rules).trades}
    kept = {each.id: each for each in played.kept}
    assert trades
    assert kept.keys() == trades.keys()
    for id, ours in trades.items():
        theirs = kept[id]
        assert (ours.size, ours.average_in, ours.risk) == (
            *(theirs.size, rounded(theirs.entry_price), theirs.risk),
        )
        if not ours.open:
            assert ours.average_out == rounded(theirs.exit_price)
            assert (ours.gross, ours.fees, ours.net) == (
                *(theirs.gross_pnl, theirs.fees, theirs.realised_pnl),
            )
            assert ours.r == rounded(theirs.r)
