// What came of it in money: trades and fills. Shown only where the engine tells them; what it does not know says why.
import { duration, grouped, oneLine, usdt } from "./format.js";
import { html } from "./html.js";
import { Id, Panel, Side, Table, When } from "./table.js";
import { t, word } from "./words.js";

function Amount({ of, name, unit = "" }) {
  const value = of[name];
  if (isUnknown(of, name)) return html`<span class="muted" title=${of.unknown?.[name] ?? null}>–</span>`;
  return html`<span class=${Number(value) < 0 ? "down" : Number(value) > 0 ? "up" : ""}>${usdt(value, true)}${unit}</span>`;
}

const isUnknown = (of, name) => of[name] === null || of[name] === undefined;
const Plain = ({ of, name }) => (isUnknown(of, name) ? html`<span class="muted" title=${of.unknown?.[name] ?? null}>–</span>` : grouped(of[name]));

export function Trades({ told, show }) {
  if (!Array.isArray(told?.trades)) return null;
  const columns = [
    [t("id"), (row) => html`<${Id} of=${row} show=${show} />`],
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => (row.side ? html`<${Side} side=${row.side} />` : "–")],
    [t("state"), (row) => html`<span class="state">${word("x_", row.state)}</span> ${row.reason && oneLine(word("c_", row.reason))}`],
    [t("size"), (row) => html`<${Plain} of=${row} name="size" />`, "n"],
    [t("price_in"), (row) => html`<${Plain} of=${row} name="entry_price" />`, "n"],
    [t("price_out"), (row) => html`<${Plain} of=${row} name="exit_price" />`, "n"],
    [t("fees"), (row) => html`<${Plain} of=${row} name="fees" />`, "n"],
    [t("realised"), (row) => html`<${Amount} of=${row} name="realised_pnl" />`, "n"],
    ["%", (row) => html`<${Amount} of=${row} name="percent" />`, "n"],
    ["R", (row) => html`<${Amount} of=${row} name="r" />`, "n"],
    [t("slippage"), (row) => html`<${Plain} of=${row} name="stop_slippage" />`, "n"],
    [t("took"), (row) => (row.duration_ms === null ? "–" : duration(row.duration_ms / 1000)), "n"],
    [t("when"), (row) => html`<${When} ms=${row.closed_ms ?? row.opened_ms} />`],
  ];
  return html`<${Panel} name="trades" title=${t("trades")} wide>
    <${Table} label=${t("trades")} columns=${columns} rows=${told.trades} keyOf=${(row) => row.id}
      text=${(row) => `${row.id} ${row.symbol} ${row.side} ${row.state} ${row.reason}`} empty=${t("no_trades")} />
  </${Panel}>`;
}

// What trades that ended since a moment have earned, in USDT: {sum, unknown}; null where the engine does not tell.
export function earnedSince(told, sinceMs) {
  if (!Array.isArray(told?.trades)) return null;
  const ended = told.trades.filter((each) => each.closed_ms !== null && each.closed_ms > sinceMs);
  const values = ended.filter((each) => each.realised_pnl !== null).map((each) => Number(each.realised_pnl));
  return { sum: values.reduce((sum, each) => sum + each, 0), unknown: ended.length - values.length, count: ended.length };
}

export const buys = (fill) => String(fill.side).startsWith("buy");

export function Fills({ told, show }) {
  if (!Array.isArray(told?.fills)) return null;
  const columns = [
    [t("when"), (row) => html`<${When} ms=${row.at_ms} />`],
    [t("symbol"), (row) => html`<button class="link id" onClick=${() => show(row.symbol)} aria-label=${`${t("show")} ${row.symbol} ${row.id}`}>${oneLine(row.symbol, 40)}</button>`],
    [t("side"), (row) => (row.side ? html`<span class=${buys(row) ? "up" : "down"}>${word("o_", row.side)}</span>` : "–")],
    [t("size"), (row) => grouped(row.size), "n"],
    [t("price"), (row) => grouped(row.price), "n"],
    [t("fees"), (row) => (row.fee === null ? "–" : `${grouped(row.fee)} ${oneLine(row.fee_currency ?? "", 12)}`), "n"],
    [t("realised"), (row) => html`<${Amount} of=${row} name="realised" />`, "n"],
    [t("liquidity"), (row) => (row.liquidity ? word("m_", row.liquidity) : "–")],
    [t("whose"), (row) => (row.whose ? word("w_", row.whose) : "–")],
    [t("of_order"), (row) => oneLine(row.order_id ?? row.protection_id ?? row.client_order_id ?? row.exchange_order_id, 40)],
  ];
  return html`<${Panel} name="fills" title=${t("fills")} wide>
    <${Table} label=${t("fills")} columns=${columns} rows=${told.fills} keyOf=${(row) => row.id}
      text=${(row) => `${row.symbol} ${row.side} ${row.whose} ${row.order_id} ${row.exchange_order_id}`} empty=${t("no_fills")} />
  </${Panel}>`;
}
