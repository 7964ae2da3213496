"""What a user sends to the control API that is no request, and what he asks whatever the exchange does.

Each is answered as soon as an application waits for an answer, and what is refused leaves nothing behind.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import trio
from attrs import define, field, frozen

from tests.support.judge import Violation
from tests.support.wishes import GUARDED_HERE, wish, with_levels

from .receiver import HOOK

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Misuse"]

ANSWERED_WITHIN_S = 5.0
"""So long an application waits for an answer."""
PAUSE_S = 25.0
JSON = {"Content-Type": "application/json"}
REFUSED = (400, 413, 415, 422)
LOOKS = (
    "/status",
    "/status",
    "/api/orders/status",
    "/healthz",
    "/api/positions",
    "/api/outbox",
)
NOBODY = (
    ("GET", "/api/orders/{}"),
    ("DELETE", "/api/orders/{}"),
    ("GET", "/api/positions/{}"),
    ("DELETE", "/api/positions/{}"),
    ("POST", "/api/positions/{}/close"),
    ("POST", "/api/outbox/{}/retry"),
)
ODD_IDS = ("nobody", "a/b", "o 1", "%00", "\u9f99", "x" * 900)


@frozen
class Asked:
    """A request, and the statuses that it may be answered with."""

    method: str
    path: str
    wanted: tuple[int, ...]
    body: bytes = b""
    headers: Mapping[str, str] = JSON


@define(eq=False)
class Misuse:
    """A habit of the user's. `ids` are those of requests that were no requests."""

    run: Run
    rng: random.Random
    ids: set[str] = field(factory=set)

    async def go_on(self) -> None:
        """Ask for something odd every now and then, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self.rng.expovariate(1 / PAUSE_S))
                if self.run.lives.up:
                    nursery.start_soon(self._ask, self._something())

    def look(self) -> None:
        """Whether something of what was refused is on disk."""
        chronicle = self.run.chronicle
        for id in sorted(self.ids & {*chronicle.requests, *chronicle.state, *chronicle.guards}):
            self.run._broken(
                Violation("what is refused leaves nothing behind", id, "it is on disk")
            )

    async def _ask(self, asked: Asked) -> None:
        run, began = self.run, trio.current_time()
        what = f"{asked.method} {asked.path[:80]} {asked.body[:200].decode(errors='replace')}"
        run.trace.fault(f"misuse: {asked.method}", what)
        lives = run.user.lives
        try:
            answer = await run.app.client.request(
                asked.method, f"{run.app.address}{asked.path}", content=asked.body,
                headers=dict(asked.headers) if asked.body else {},
            )  # fmt: skip
        except httpx.ReadTimeout as silence:
            run._broken(Violation("everything asked is answered", what, str(silence)))
            return
        except httpx.HTTPError:
            return  # the engine died, or the answer was lost
        took_s = trio.current_time() - began
        if took_s > ANSWERED_WITHIN_S:
            detail = f"it was answered after {took_s:.1f} s"
            run._broken(Violation("everything asked is answered", what, detail))
        wanted = (*asked.wanted, 503) if run.lives.stopping else asked.wanted
        if answer.status_code not in wanted and run.user.lives == lives:
            said = f"{answer.status_code} {answer.text[:200]}, and {wanted} would be right"
            run._broken(Violation("answers are what they should be", what, said))
        elif answer.status_code in REFUSED:
            said_so = answer.json()
            if said_so.get("ok") is not False or not said_so.get("error"):
                run._broken(Violation("a refusal says why", what, answer.text[:200]))
        self.look()

    # What he asks

    def _something(self) -> Asked:
        chance = self.rng.random()
        if chance < 0.35:
            return Asked("GET", self.rng.choice(LOOKS), (200,))
        if chance < 0.5:
            method, path = self.rng.choice(NOBODY)
            id = self.rng.choice(ODD_IDS)
            return Asked(
                method, path.format(httpx.URL(path=f"/{id}").raw_path.decode()[1:]), (404, 405)
            )
        if chance < 0.6 and self.run.app.monitored:
            id = self.rng.choice(sorted(self.run.app.monitored))
            other = {**self.run.app.monitored[id], "metadata": {"another": "body"}}
            stormy = (503,) if self.run.weather.calm_since is None else ()  # a disk may be full
            wanted = (409, *stormy)
            return Asked("POST", "/api/monitor-position", wanted, json.dumps(other).encode())
        return self._malformed()

    def _malformed(self) -> Asked:
        """A request to place an order, or to guard a position, that is none, under an id that nobody has."""
        rng = self.rng
        id = f"n{len(self.ids):05}"
        self.ids.add(id)
        last = self.run.paper.last_price(GUARDED_HERE)
        zone = (last * Decimal("0.9"), last * Decimal("1.1"))
        body = wish(id, GUARDED_HERE, rng.choice(("long", "short")), zone, (60,), HOOK, rng)
        with_levels(body, last * Decimal("0.8"), last * Decimal("1.2"), stop=True, target=True)
        path = "/api/place-order"
        if rng.random() < 0.25:
            path = "/api/monitor-position"
            names = ("id", "symbol", "side", "stop_loss", "take_profit", "callback_url")
            body = {name: body[name] for name in names}
        return Asked("POST", path, REFUSED, *self._spoilt(body))

    def _spoilt(self, body: dict[str, Any]) -> tuple[bytes, Mapping[str, str]]:
        rng, whole = self.rng, json.dumps(body).encode()
        name = rng.choice(("id", "symbol", "side", "stop_loss"))
        match rng.randrange(12):
            case 0 | 1:
                return whole[: rng.randrange(1, len(whole))], JSON
            case 2 | 3:  # one field twice, alike or not
                value = rng.choice((body[name], "long" if name == "side" else "1"))
                return whole[:-1] + f', "{name}": {json.dumps(value)}}}'.encode(), JSON
            case 4:
                return whole, {
                    "Content-Type": rng.choice(("text/plain", "application/x-www-form-urlencoded"))
                }
            case 5:
                return json.dumps({**body, "stop_los": "1"}).encode(), JSON
            case 6:
                body.pop(rng.choice(("id", "symbol")))
                return json.dumps(body).encode(), JSON
            case 7:
                wrong = rng.choice(([], {}, True, ["long"], {"a": 1}))
                return json.dumps(
                    {**body, rng.choice(("id", "symbol", "side")): wrong}
                ).encode(), JSON
            case 8:
                odd = rng.choice((b"NaN", b"Infinity", b"1e999999", b'"1_000"', b'" 5"', b'"0x10"'))
                return whole[:-1].replace(
                    b'"stop_loss"', b'"was"'
                ) + b', "stop_loss": ' + odd + b"}", JSON
            case 9:
                return whole.replace(b'"symbol"', b'"symb\xff\xfeol"'), JSON
            case 10:
                return whole[:-1] + b', "metadata": ' + b"[" * 3000 + b"]" * 3000 + b"}", JSON
            case _:
                return whole[:-1] + b', "more": "' + b"x" * 70_000 + b'"}', JSON
