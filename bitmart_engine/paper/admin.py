"""The admin app: the controls of `PaperExchange` over HTTP, on a loopback port of its own.

`GET /` shows the table of `commands.py` with a curl line for each. A command that cannot be carried out changes
nothing and says why: {"ok": false, "error": "..."} with status 400.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from quart import Response, request
from quart_trio import QuartTrio

from . import views, wire
from .commands import Command, commands
from .instruments import wire_decimal
from .parameters import in_force, unknowns
from .visitors import why_not
from .wire import Json

if TYPE_CHECKING:
    from .exchange import PaperExchange


def make_admin_app(exchange: PaperExchange) -> QuartTrio:
    """The app."""
    app = QuartTrio("bitmart_engine.paper.admin")
    table = commands(exchange)

    def answer(body: Json, status: int = 200) -> Response:
        pretty = json.dumps(body, indent=1) + "\n"
        return Response(pretty, status=status, content_type="application/json")

    def refused(why: str, status: int = 400) -> Response:
        return answer({"ok": False, "error": why}, status)

    def curl(command: Command) -> str:
        target = f"{exchange.admin_uri}{command.path}"
        return f"curl -X POST {target} -d '{json.dumps(command.example)}'"

    @app.before_request
    async def check_visitor() -> Response | None:
        headers = request.headers
        names = [name for name, _ in headers]
        why = why_not(headers.getlist("Host"), headers.getlist("Origin"), names)
        return None if why is None else refused(f"only this machine is served ({why})", 403)

    @app.get("/")
    async def usage() -> Response:
        look = "Prices, balance, positions, orders, connections, faults."
        lines = [{"what": look, "curl": f"curl {exchange.admin_uri}/state"}]
        look = (
            "What nobody has established of BitMart, and how it is here: set at the start, by name."
        )
        lines.append({"what": look, "curl": f"curl {exchange.admin_uri}/parameters"})
        lines += [{"what": one.what, "curl": curl(one)} for one in table]
        return answer({"commands": lines})

    @app.get("/state")
    async def state() -> Response:
        return answer(describe(exchange))

    @app.get("/parameters")
    async def parameters() -> Response:
        changed = in_force(exchange.config)
        rows = [
            {
                "name": one.name,
                "value": changed.get(one.name, one.default_text),
                "choices": one.choices,
                "what": one.what,
                "fact_sheet": one.where,
            }
            for one in unknowns()
        ]
        return answer({"parameters": rows})

    def publish(command: Command) -> None:
        async def carry_out() -> Response:
            try:
                raw = await request.get_data(as_text=True)
                body = json.loads(raw or "{}", parse_float=Decimal)
            except wire.NOT_JSON as error:
                return refused(f"the body is not JSON: {error}")
            try:
                result = command.run(**command.arguments(body))
            except ValueError as error:
                return refused(str(error))
            return answer({"ok": True, **({"count": result} if isinstance(result, int) else {})})

        app.add_url_rule(command.path, endpoint=command.path, view_func=carry_out, methods=["POST"])

    for command in table:
        publish(command)

    @app.errorhandler(404)
    @app.errorhandler(405)
    async def unknown(error: Exception) -> Response:
        return refused(f"no such command: {request.method} {request.path}; see GET /", 404)

    return app


def describe(exchange: PaperExchange) -> Json:
    """The exchange at a glance."""
    books = exchange.books
    faults = exchange.faults
    return {
        "prices": {symbol: wire_decimal(last) for symbol, last in books.last.items()},
        "balance": views.assets(books),
        "positions": [wire.position_event(push) for push in books.account_view.positions()],
        "working_orders": [views.order(order) for order in books.ledger.working()],
        "orders": len(books.orders),
        "fills": len(books.fills),
        "connections": exchange.connections,
        "requests": len(exchange.requests),
        "plan_orders": [views.plan(plan, books.account) for plan in books.plans.waiting()]
        + [views.waiting(one) for one in books.pending.waiting(trailing=False)],
        "trailing_orders": [views.order(one.order) for one in books.pending.waiting(trailing=True)],
        "parameters": in_force(exchange.config),
        "faults": {
            "requests": [f"{f.kind} {f.path}, {f.times} more" for f in faults.requests],
            "frozen": [f"{f.pattern} until {f.until}" for f in faults.frozen],
            "refusing_logins": faults.refused_logins != 0,
            "refusing_dials": faults.refusing_dials,
            "refused_channels": faults.refused_channels,
            "claims": [
                f"{c.path}: {c.remaining} of {c.limit}, {c.times} more" for c in faults.claims
            ],
            "odd_answers": [f"{a.how} {a.where}, {a.times} more" for a in faults.oddities.answers],
            "odd_pushes": [f"{a.how} {a.where}, {a.times} more" for a in faults.oddities.pushes],
            "delays_ms": exchange.delays.in_force(),
            "clock_skew_ms": exchange.clock_skew_ms,
            "rate_limits_enforced": exchange.limits.enforced,
        },
    }
