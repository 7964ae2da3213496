"""Turns what happened into frames for those who subscribed: trades, candles, and the account's pushes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import trio

from . import wire
from .account import ONE_WAY
from .books import Books
from .candles import Candles
from .config import PaperConfig
from .hub import Gate, Hub
from .pushes import BalancePush, OrderPush, PositionPush
from .topics import ASSETS, ORDERS, POSITIONS, UNICAST, kline_channels, mark_price_channel
from .wire import Json


class Broadcast:
    """Everything the exchange says without being asked."""

    def __init__(self, hub: Hub, books: Books, candles: Mapping[str, Candles]) -> None:
        self._hub = hub
        self._books = books
        self._candles = candles
        self._config = books.config
        self._bars = {symbol: list(bar_topics(self._config, symbol)) for symbol in candles}
        self._changed: dict[str, None] = {}

    def trade(self, trade: wire.Trade) -> None:
        """A public trade, and the candles that it changed."""
        topic = f"futures/trade:{trade.symbol}"
        if self._hub.is_wanted(topic):
            self._hub.publish(topic, wire.trade(trade))
        if self._config.kline_interval_s:
            self._changed[trade.symbol] = None
        else:
            self._tell_bars(trade.symbol)

    def _tell_bars(self, symbol: str) -> None:
        """The running bars of a symbol, and of its mark price, which is the last price here."""
        for topic, step, shape in self._bars[symbol]:
            if self._hub.is_wanted(topic):
                running = self._candles[symbol].running(step)
                data = wire.kline(symbol, running, shape, self._config.kline_ts_offset_s)
                self._hub.publish(topic, data)

    async def tell_bars(self) -> None:
        """Where bars are not told with every trade: those that changed, every so many seconds."""
        while self._config.kline_interval_s:
            await trio.sleep(self._config.kline_interval_s)
            changed, self._changed = self._changed, {}
            for symbol in changed:
                self._tell_bars(symbol)

    def settle(self, gate: Gate | None) -> None:
        """What the books have to tell; it leaves at once, or when the gate opens."""
        for push in self._books.take_pushes():
            match push:
                case OrderPush():
                    event = wire.order_event(push, self._config.fee_sign)
                    self._hub.publish_later(ORDERS, [event], gate)
                case PositionPush():
                    self._hub.publish_later(POSITIONS, [self._position(push)], gate)
                case BalancePush():
                    self._hub.publish_later(ASSETS[0], wire.asset(push), gate)

    def snapshot(self, topic: str) -> object:
        """The present state, as the first frame of a private topic."""
        if topic == ORDERS:
            sign = self._config.fee_sign
            return [wire.order_event(push, sign) for push in self._books.account_view.orders()]
        if topic == POSITIONS:
            return [self._position(push) for push in self._books.account_view.positions()]
        if topic == UNICAST:
            return {}
        data = wire.asset(self._books.account_view.balance())
        if topic == ASSETS[0]:
            return data
        return {**dict.fromkeys(data, "0"), "currency": topic.rpartition(":")[2]}

    def _position(self, push: PositionPush) -> Json:
        one_way = push.position_mode == ONE_WAY
        signed = one_way and self._config.one_way_position_push == "signed"
        return wire.position_event(push, signed=signed)

    async def tell_positions(self) -> None:
        """Every ten seconds the positions held, changed or not."""
        while True:
            await trio.sleep(self._config.position_interval_s)
            positions = [self._position(push) for push in self._books.account_view.positions()]
            if positions or self._config.position_push_when_flat:
                self._hub.publish_later(POSITIONS, positions, None)


def bar_topics(config: PaperConfig, symbol: str) -> Iterator[tuple[str, int, str]]:
    """The topics of a symbol's bars: with the minutes of a bar, and the shape of a push."""
    for channel, step in kline_channels(config).items():
        yield f"futures/{channel}:{symbol}", step, config.kline_shape
        mark = mark_price_channel(channel)
        yield f"futures/{mark}:{symbol}", step, config.mark_price_kline_shape
