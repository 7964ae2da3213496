"""Turns what happened into frames for those who subscribed: trades, candles, tickers, and the account's pushes."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from . import wire
from .books import Books
from .candles import CHANNELS, Candles
from .hub import Gate, Hub
from .pushes import BalancePush, OrderPush, PositionPush


class Broadcast:
    """Everything the exchange says without being asked."""

    def __init__(self, hub: Hub, books: Books, candles: Mapping[str, Candles]) -> None:
        self._hub = hub
        self._books = books
        self._candles = candles
        self._config = books.config

    def trade(self, trade: wire.Trade) -> None:
        """A public trade, and the candles that it changed."""
        topic = f"futures/trade:{trade.symbol}"
        if self._hub.is_wanted(topic):
            self._hub.publish(topic, wire.trade(trade))
        for channel, step in CHANNELS.items():
            topic = f"futures/{channel}:{trade.symbol}"
            if self._hub.is_wanted(topic):
                running = self._candles[trade.symbol].running(step)
                self._hub.publish(topic, wire.kline(trade.symbol, running))

    def settle(self, gate: Gate | None) -> None:
        """What the books have to tell; it leaves at once, or when the gate opens."""
        for push in self._books.take_pushes():
            match push:
                case OrderPush():
                    event = wire.order_event(push, self._config.fee_sign)
                    self._hub.publish_later("futures/order", [event], gate)
                case PositionPush():
                    self._hub.publish_later("futures/position", [wire.position_event(push)], gate)
                case BalancePush():
                    self._hub.publish_later("futures/asset:USDT", wire.asset(push), gate)

    def snapshot(self, topic: str) -> object:
        """The present state, as the first frame of a private topic."""
        if topic == "futures/order":
            sign = self._config.fee_sign
            return [wire.order_event(push, sign) for push in self._books.standing.orders()]
        if topic == "futures/position":
            return [wire.position_event(push) for push in self._books.standing.positions()]
        return wire.asset(self._books.standing.balance())

    async def tell_positions(self) -> None:
        """Every ten seconds the positions held, changed or not."""
        while True:
            await trio.sleep(self._config.position_interval_s)
            positions = [wire.position_event(push) for push in self._books.standing.positions()]
            if positions or self._config.position_push_when_flat:
                self._hub.publish_later("futures/position", positions, None)

    async def tell_tickers(self) -> None:
        """Every few seconds the ticker of every symbol, changed or not."""
        while True:
            await trio.sleep(self._config.ticker_interval_s)
            for instrument in self._config.symbols:
                symbol = instrument.symbol
                last, day = self._books.last[symbol], self._candles[symbol].day()
                for topic in (f"futures/ticker:{symbol}", "futures/ticker"):
                    if self._hub.is_wanted(topic):
                        data = wire.ticker(symbol, last, instrument.tick_size, day)
                        self._hub.publish(topic, data, topic + self._config.ticker_group_suffix)
