"""Events of trading: orders, protections and the closes they make, and the account."""

from __future__ import annotations

__all__ = ["ACCOUNT", "ORDERS", "PROTECTIONS"]

ORDERS = {
    "entries_paused": "A user paused the entries: no waiting order goes out until they are resumed; stops go on.",
    "entries_resumed": "A user resumed the entries, paused or halted: waiting orders go out again.",
    "order_over_limit": "A new order would break one of the limits on what can be lost, and was refused.",
    "order_held_back_by_limit": (
        "The price is in the zone of an order that would break one of the limits; it waits on, while its time lasts."
    ),
    "trading_halted": (
        "A user used the kill switch: nothing new is opened until it is resumed; `cancel` takes every entry order "
        "back, `flatten` closes every position too."
    ),
    "order_accepted": "An order was accepted and waits for the price to enter its zone.",
    "order_open": "The order is at the exchange.",
    "order_partially_filled": "A part of the order has filled.",
    "order_filled": "The order has filled.",
    "order_cancelled": "The order was cancelled at the exchange.",
    "order_expired": "The order was not filled before its deadline.",
    "order_rejected": "The exchange rejected the order; `error` says why.",
    "order_unknown": (
        "It is not known whether the exchange took the order; the engine looks it up until that is known, and sends "
        "nothing meanwhile."
    ),
    "order_submit_retried": (
        "The order was not taken by the exchange, and not because of the order itself; it is sent again."
    ),
    "order_rested_long_enough": "The order has rested at the exchange for as long as it may, and is cancelled.",
    "order_cancel_refused": "The exchange refused to cancel the order, which may have ended; it is read.",
    "order_cancel_unanswered": "The cancel of the order was not answered; it is asked for again.",
    "open_orders_read_failed": "The working orders could not be listed at the exchange; each is read by itself.",
    "order_read_failed": "The order could not be read at the exchange; it is tried again.",
    "order_lookup_failed": "The look-up of an order whose fate is unknown has failed; it is tried again.",
    "order_fate_unproved": (
        "An order was neither found at the exchange nor proved absent; it stays as it is and is looked up again."
    ),
    "waiting_order_fate_unproved": (
        "The lists of the exchange were too long to tell whether a waiting order was sent before; that is found out "
        "when it is sent."
    ),
    "order_end_unconfirmed": "The end of an order could not be confirmed; it is read again before it is believed.",
    "order_fills_exceed_order": (
        "The trades of an order tell of more fills than the order itself; the trades are believed."
    ),
    "order_found_at_exchange": (
        "An order was found at the exchange that the journal did not know to be sent, and was taken over."
    ),
    "refused_order_filled": (
        "An order that the exchange had refused has filled; the fill is taken over. Look at it at the exchange."
    ),
    "refused_order_seen": "The exchange refused an order of which it told by a push; what the push says is believed.",
    "client_order_id_taken": "The client order id of an order is already used at the exchange; the next one is tried.",
    "traded_order_not_readable": "An order that has traded cannot be read at the exchange any more.",
    "zone_symbol_not_traded": "An order waits on a symbol that is not traded any more; cancel it.",
}

PROTECTIONS = {
    "position_monitored": "A stop or target was set over a position.",
    "protection_moved": "The stop or target of a protection was moved.",
    "protection_size_changed": "A protection covers another number of contracts than before.",
    "protection_fired": "The price has reached a stop or target, and the position is closed.",
    "protection_rearmed": "A protection had ended while its contracts are still held; it is armed again.",
    "held_after_end": (
        "Contracts are held that an ended protection may have covered, or somebody else opened; look at the position "
        "and protect it."
    ),
    "position_closed": "The position under a protection is closed.",
    "position_still_held": "A position that looked closed is still held; its protection goes on.",
    "exchange_stop_fired": "The stop or target that the exchange holds has fired.",
    "exchange_stop_fire_inferred": (
        "The position shows that the stop or target of the exchange has fired, though no order says so."
    ),
    "exchange_stop_foreign": "A stop that fired at the exchange belongs to no protection of the engine.",
    "exchange_stop_missing": (
        "The exchange does not hold the stop of a protection any more; the engine alone watches it."
    ),
    "exchange_stops_changed": "The exchange holds another stop or target for a protection than before.",
    "exchange_stops_cancelled": "Stops or targets of a protection were cancelled at the exchange.",
    "exchange_stop_left_behind": (
        "A stop could not be cancelled and may still be at the exchange, where it could close what is opened later; "
        "cancel it there."
    ),
    "exchange_stops_read_failed": "The stops that the exchange holds could not be read; it is tried again.",
    "exchange_stop_owner_read_failed": (
        "It could not be read to which position a stop that fired belongs; it is tried again."
    ),
    "exchange_stop_order_not_readable": (
        "The order that a stop of the exchange has made cannot be read yet; it is tried again."
    ),
    "close_beside_exchange_stop": (
        "A position is closed while a stop at the exchange may still act on it, because that could not be found out "
        "in time."
    ),
    "close_failed": (
        "A close was not taken by the exchange and is tried again until the position is gone; watch the position."
    ),
    "close_order_not_readable": "A closing order cannot be read yet; it is tried again.",
    "close_end_unconfirmed": (
        "The end of a closing order could not be confirmed; it is read again before it is believed."
    ),
    "close_fills_exceed_order": "The fills of a close are more than its order tells; the fills are believed.",
    "close_fill_inferred": "The position shows that a close has filled, though its order does not say so.",
    "close_found_at_exchange": "A close was found at the exchange that the journal did not know, and was taken over.",
    "close_explained": "An order was found that explains how a protected position was closed.",
    "earlier_closes_not_searched": (
        "Closes of before the start were not searched for, because there are too many symbols; the positions are "
        "compared."
    ),
}

ACCOUNT = {
    "reconciled": "Orders, positions and stops were compared with the exchange; the fields say what was found.",
    "reconcile_failed": (
        "Orders and positions could not be compared with the exchange; nothing new is opened until that succeeds."
    ),
    "positions_read_failed": "The positions could not be read; it is tried again.",
    "balance_read_failed": "The balance could not be read; it is tried again.",
    "fills_read_failed": "The exchange's list of fills could not be read; it is tried again, and nothing waits for it.",
    "fills_cut_short": "The exchange lists no more than 200 fills of one second; the others are missing.",
    "fills_put_aside": (
        "The file of the fills could not be used and was given another name; a new one is filled from the exchange's "
        "list, which goes back for days."
    ),
    "fill_dropped": "Too many fills wait to be written; the exchange's list has what was dropped.",
    "fill_owner_unreadable": "It could not be read whose a fill is; it is asked again within a minute.",
    "futures_orders_read_failed": "The orders of the account could not be read; it is tried again.",
    "futures_order_event_invalid": "An order of the account was told in a way that cannot be kept, and was left out.",
    "futures_order_not_found": (
        "The exchange does not know an order of the account any more; it stays as it was last seen."
    ),
}
