"""A trader with BitMart's own Python SDK, as a process: what it did and what it was told, as one line of JSON.

python sdk_session.py REST_URI PUBLIC_WS_URI PRIVATE_WS_URI ADMIN_URI
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback

import requests
from bitmart.api_contract import APIContract
from bitmart.websocket.futures_socket_client import FuturesSocketClient

KEYS = ("paper-key", "paper-secret", "paper")
PATIENCE_S = 20


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
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # the SDK's ping timers would go on for ever
