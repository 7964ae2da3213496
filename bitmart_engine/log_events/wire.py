"""Events of the connections to the exchange: WebSockets, prices, and the REST API."""

from __future__ import annotations

__all__ = ["REST", "STREAMS"]

STREAMS = {
    "connection_up": "A WebSocket connection works, and its channels are subscribed.",
    "connection_dropped": "A WebSocket connection has ended and is made anew; `reason` and `cause` say why.",
    "connection_crashed": (
        "A WebSocket connection ended by an error of the engine and is made anew; report the traceback."
    ),
    "connection_waits_for_slot": (
        "A new WebSocket connection waits until another is closed, because the exchange allows only so many."
    ),
    "frame_malformed": "A frame of the exchange is no JSON, and was left out.",
    "frame_unexpected": "A frame of the exchange is of no known form, and was left out.",
    "subscription_sent_again": "A subscription was not answered in time and was sent again.",
    "subscription_refused_for_now": "The exchange refused a subscription for now; it is sent again.",
    "subscription_refused": (
        "The exchange refused a subscription; the channel is not received. Check that the symbol exists."
    ),
    "unsubscription_refused": "The exchange refused to end a subscription; what it pushes is ignored.",
    "channel_without_room": "A channel waits for room, because as many are held as the connections may carry.",
    "viewed_channel_invalid": "A channel that a user viewed before the start cannot exist, and is not subscribed.",
    "push_malformed": "A push of the exchange cannot be read, and was left out.",
    "push_of_unknown_channel": "A push came of a channel that the engine does not read.",
    "push_of_unwanted_topic": "A push came of a channel that nobody has subscribed any more.",
    "order_event_state_unknown": "An order was pushed with a state that is not known; it is taken for working.",
    "order_event_side_unknown": "An order was pushed with a side that is not known.",
    "order_fee_malformed": "The fee of a fill in an order push cannot be read; the fill is kept without it.",
    "order_last_trade_malformed": (
        "An order was pushed with a last trade that cannot be read; the rest of the push was taken."
    ),
    "ticks_merged": (
        "Prices came faster than they were read and were merged; highs and lows are kept, so no stop is missed."
    ),
    "price_late": "A price came late; it counts as a high or low of its time.",
    "price_of_another_time": "A price was left out, because its time is too far from now or from before a newer one.",
    "price_far_from_last": "A price is far from the last one, and waits for a second source before it is acted on.",
    "price_stray": "A price far from all others was not confirmed by any source, and was left out.",
    "price_unconfirmed_taken_for_stops": (
        "A far price could not be confirmed because nothing else was heard; stops act on it, targets and zones do "
        "not."
    ),
    "prices_stale": (
        "No price of a symbol has come for too long; its channels are asked for again, and prices are read over REST."
    ),
    "prices_recovered": "Prices of a symbol come again.",
    "price_from_rest": "A price was read over REST, because the stream is silent.",
    "rest_price_failed": (
        "A price could not be read over REST and is asked for again; while the stream is silent too, only the "
        "exchange watches stops."
    ),
    "symbol_without_price_channel": "No channel can give prices of a symbol; they are read over REST.",
    "gap_bars_checked": "The bars of a time in which prices were not heard were read, and compared with stops.",
    "gap_bars_read_failed": "The bars of a time in which prices were not heard could not be read; it is tried again.",
    "gap_trades_checked": "The trades of a time in which prices were not heard were read, and compared with stops.",
    "gap_trades_read_failed": (
        "The trades of a time in which prices were not heard could not be read; it is tried a few times."
    ),
    "kline_history_read_failed": (
        "The history of klines could not be read; bars of the time before are missing in what is shown."
    ),
}

REST = {
    "exchange_clock_measured": "The clock of the exchange was compared with that of this machine.",
    "exchange_clock_skewed": (
        "The clock of this machine differs from that of the exchange by more than half a second; check NTP."
    ),
    "exchange_clock_read_failed": "The clock of the exchange could not be read; the last comparison is used.",
    "exchange_clock_doubted": (
        "Something does not fit the clock of the exchange as it was measured, so it is compared again."
    ),
    "exchange_clock_set_back": (
        "The clock of the exchange was set back; times of it are compared with care for a while."
    ),
    "timestamp_refused": (
        "The exchange refused a timestamp; its clock was compared and the request sent once more. Check NTP."
    ),
    "aged_timestamp_refused": (
        "An order that was signed to die soon was refused for its timestamp, and sent again at once: the exchange "
        "takes them for less time than was measured."
    ),
    "request_window_not_measured": (
        "How old a signed request may be could not be measured; an order whose answer is lost meanwhile may be unknown "
        "for `REQUEST_VALID_S`."
    ),
    "request_window_measured": "It was measured how old a signed request may be.",
    "rate_ban_paused": (
        "The exchange has shut us out for too many requests; the endpoint is paused. Find out who else uses this "
        "address or key."
    ),
    "rate_limit_paused": "The exchange answered that there are too many requests; the endpoint is paused for a moment.",
    "rate_limit_learned": "The exchange told a request limit other than the one known so far; it is kept from now on.",
    "close_held_back": (
        "A close waits, because the request limit is used up by others; find out who else uses this address or key."
    ),
    "idle_check_failed": "The exchange could not be reached while nothing else was asked; it is tried again.",
    "contract_unreadable": (
        "The exchange describes a contract in a way that cannot be read; the contract cannot be traded."
    ),
    "contract_coin_margined": "A coin-margined contract was left out; the engine trades those margined in USDT.",
    "contract_size_step_unsupported": (
        "A contract whose sizes step by more than one was left out; the engine cannot trade it."
    ),
    "foreign_row_unreadable": (
        "A row of a list cannot be read and was left out; it is of a symbol in which the engine has nothing."
    ),
}
