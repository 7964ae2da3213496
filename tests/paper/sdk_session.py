"""A trader with BitMart's own Python SDK, as a process: what it did and what it was told, as one line of JSON.

python sdk_session.py REST_URI PUBLIC_WS_URI PRIVATE_WS_URI ADMIN_URI
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

import requests
from bitmart.api_contract import APIContract
from bitmart.lib.cloud_exceptions import APIException
from bitmart.websocket.futures_socket_client import FuturesSocketClient

KEYS = ("paper-key", "paper-secret", "paper")
PATIENCE_S = 20
SYMBOL = "BTCUSDT"


class Heard:
    """The frames of one socket."""

    def __init__(self) -> None:
        self.frames: list[dict] = []
        self.changed = threading.Condition()

    def take(self, frame: dict) -> None:
        with self.changed:
            self.frames.append(frame)
            self.changed.notify_all()

    def wait_for(self, wanted) -> dict:
        """The first frame that is `wanted`, if it comes in time."""
        with self.changed:
            self.changed.wait_for(lambda: any(map(wanted, self.frames)), PATIENCE_S)
            return next(filter(wanted, self.frames))


def survey(contract: APIContract) -> dict[str, object]:
    """What every method answers that the fact sheet describes: with a position, a stop, and orders that wait."""
    answers: dict[str, object] = {}

    def ask(method: str, *args: object, **kwargs: object) -> object:
        body, headers = getattr(contract, method)(*args, **kwargs)
        assert body["code"] == 1000, (method, body)
        assert {"code", "message", "trace", "data"} == set(body), (method, body)
        answers[method] = body["data"]
        answers.setdefault("headers", sorted(headers))
        return body["data"]

    now_s = int(time.time())
    opening = {"side": 1, "leverage": "10", "open_type": "isolated", "size": 10}
    ask("get_details")
    ask("get_depth", SYMBOL)
    ask("get_open_interest", SYMBOL)
    ask("get_funding_rate", SYMBOL)
    ask("get_funding_rate_v2")
    ask("get_fund_rate_history", SYMBOL, 2)
    ask("get_kline", SYMBOL, 5, now_s - 3600, now_s)
    ask("get_mark_price_kline", SYMBOL, 5, now_s - 3600, now_s)
    ask("get_leverage_bracket", SYMBOL)
    ask("get_market_trade", SYMBOL, 10)
    ask("get_trade_fee_rate", SYMBOL)
    ask("get_assets_detail")
    ask("get_position_mode")
    ask("post_set_position_mode", "hedge_mode")
    ask("post_submit_leverage", SYMBOL, "isolated", "10")
    ask("post_claim")
    ask("post_transfer", "USDT", "10", "spot_to_contract", recv_window=5000)
    ask("get_transfer_list", 1, 10)

    market = ask("post_submit_order", SYMBOL, "sdk2", "market", **opening)
    taken = str(market["order_id"])
    ask("get_order_history", SYMBOL, now_s - 60, now_s + 60, client_order_id="sdk2")
    ask("get_trades", SYMBOL, now_s - 60, now_s + 60)
    ask("get_order", SYMBOL, taken)
    ask("get_transaction_history", SYMBOL, 4)
    ask("get_position", SYMBOL)
    ask("get_position_v2", SYMBOL)
    ask("get_position_risk", SYMBOL)

    stop = ask("post_submit_tp_sl_order", SYMBOL, "stop_loss", 3, "60000", "0", 1)
    ask("post_modify_tp_sl_order", SYMBOL, "60500", 1, order_id=stop["order_id"])
    plan = {"type": "limit", "trigger_price": "61000", "executive_price": "61500", "price_way": 2}
    plan_id = str(
        ask("post_submit_plan_order", SYMBOL, price_type=1, **opening, **plan)["order_id"]
    )
    presets = {"preset_stop_loss_price": "59000", "preset_stop_loss_price_type": 1}
    ask("post_modify_preset_plan_order", SYMBOL, plan_id, **presets)
    ask("get_current_plan_order", SYMBOL, plan_type="plan")
    ask("post_cancel_plan_order", SYMBOL, plan_id)
    trailing = {"activation_price": "70000", "callback_rate": "1", "activation_price_type": 1}
    trail_id = str(ask("post_submit_trail_order", SYMBOL, **opening, **trailing)["order_id"])
    ask("post_cancel_trail_order", SYMBOL, trail_id)

    resting = ask("post_submit_order", SYMBOL, "sdk3", "limit", price="64000", **opening)
    ask("post_modify_limit_order", SYMBOL, order_id=resting["order_id"], price="63000")
    ask("get_open_order", SYMBOL)
    ask("post_cancel_all_after", SYMBOL, 60)
    ask("post_cancel_all_after", SYMBOL, 0)
    ask("post_cancel_orders", SYMBOL)
    ask("post_cancel_plan_order", SYMBOL)
    ask("post_submit_order", SYMBOL, "sdk4", "market", 3, size=10)
    return answers


def refusals(contract: APIContract) -> dict[str, list[int]]:
    """The HTTP status and the code of calls that fail, as the SDK raises them."""
    asked: dict[str, Callable[[], object]] = {
        "unknown symbol": lambda: contract.get_details("NOPEUSDT"),
        "no order": lambda: contract.get_order(SYMBOL, "1"),
        "nothing to close": lambda: contract.post_submit_order(SYMBOL, None, "market", 3, size=1),
        "used again": lambda: contract.post_submit_order(
            SYMBOL, "sdk2", "market", 1, "10", "isolated", size=1
        ),
        "not simulated": lambda: contract.get_auto_repayment(),
        "wrong secret": lambda: APIContract(
            KEYS[0], "wrong", KEYS[2], url=contract.URL
        ).post_cancel_orders(SYMBOL),
    }
    told = {}
    for name, ask in asked.items():
        try:
            ask()
        except APIException as refused:
            told[name] = [refused.status_code, json.loads(refused.response)["code"]]
    return told


def main(rest_uri: str, public_uri: str, private_uri: str, admin_uri: str) -> None:
    contract = APIContract(*KEYS, url=rest_uri, timeout=(5, 10))
    public, private = Heard(), Heard()
    public_socket = FuturesSocketClient(stream_url=public_uri, on_message=public.take)
    private_socket = FuturesSocketClient(
        stream_url=private_uri,
        on_message=private.take,
        api_key=KEYS[0],
        api_secret_key=KEYS[1],
        api_memo=KEYS[2],
    )
    told: dict[str, object] = {}

    public_socket.subscribe("futures/klineBin1m:BTCUSDT")
    public.wait_for(lambda frame: frame.get("action") == "subscribe")
    private_socket.login(timeout=0.2)
    told["login"] = private.wait_for(lambda frame: frame.get("action") == "access")
    private_socket.subscribe(["futures/order", "futures/position"])
    told["acks"] = [
        private.wait_for(lambda frame, topic=topic: frame.get("group") == topic)["success"]
        for topic in ("futures/order", "futures/position")
    ]
    told["pong"] = public.wait_for(lambda frame: frame.get("group") == "System")["data"][:5]

    requests.post(f"{admin_uri}/price", json={"symbol": "BTCUSDT", "price": "65000"}, timeout=5)
    kline = public.wait_for(lambda f: "data" in f and f["group"] == "futures/klineBin1m:BTCUSDT")
    told["kline"] = kline["data"]["items"][0]["c"]

    placed = contract.post_submit_order(
        contract_symbol="BTCUSDT",
        client_order_id="sdk1",
        type="limit",
        side=1,
        leverage="10",
        open_type="isolated",
        mode=1,
        price="64000",
        size=10,
    )[0]
    told["placed"] = placed["code"]
    order_id = str(placed["data"]["order_id"])
    event = private.wait_for(lambda f: f.get("group") == "futures/order" and "data" in f)
    told["pushed"] = event["data"][0]["order"]["client_order_id"]
    read = contract.get_order(contract_symbol="BTCUSDT", order_id=order_id)[0]
    told["read"] = (read["data"]["state"], read["data"]["client_order_id"], read["data"]["price"])
    open_orders = contract.get_open_order(contract_symbol="BTCUSDT")[0]["data"]
    told["open"] = [each["order_id"] == order_id for each in open_orders]
    told["cancelled"] = contract.post_cancel_order(contract_symbol="BTCUSDT", order_id=order_id)[0][
        "code"
    ]
    ended = private.wait_for(
        lambda f: (
            f.get("group") == "futures/order"
            and any(each["action"] == 3 for each in f.get("data", []))
        )
    )
    told["ended"] = ended["data"][0]["order"]["state"]
    told["details"] = contract.get_details("BTCUSDT")[0]["data"]["symbols"][0]["symbol"]
    told["answers"] = survey(contract)
    told["refused"] = refusals(contract)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # the SDK's ping timers would go on for ever
