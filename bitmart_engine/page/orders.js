// Orders that wait or work, and, folded away, those that ended.
import { cancelling } from "./acts.js";
import { grouped, oneLine } from "./format.js";
import { html } from "./html.js";
import { isOver } from "./past.js";
import { Id, Panel, Side, State, Table, When, textOf } from "./table.js";
import { t, word } from "./words.js";

export function Orders({ store, act, show }) {
  const all = [...store.orders.values()];
  const columns = [
    [t("id"), (row) => html`<${Id} of=${row} show=${show} />`],
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    [t("state"), (row) => html`<${State} state=${row.state} />`],
    [t("zone_range"), (row) => `${grouped(row.entry_zone_min)} – ${grouped(row.entry_zone_max)}`, "n"],
    [t("size"), (row) => (row.filled_size ? `${row.filled_size} / ${row.size}` : grouped(row.size)), "n"],
    [t("stop_loss"), (row) => grouped(row.stop_loss), "n"],
    [t("take_profit"), (row) => grouped(row.take_profit), "n"],
    [t("when"), (row) => html`<${When} ms=${row.accepted_ms} />`],
    [t("actions"), (row) => html`<button class="quiet" disabled=${row.cancel_asked} onClick=${() => act(cancelling(row))} aria-label=${`${t("cancel")} ${row.id}`}>${t("cancel")}…</button>`, "act"],
  ];
  return html`<${Panel} name="orders" title=${t("orders")} wide>
    <${Table} label=${t("orders")} columns=${columns} rows=${all.filter((each) => !isOver(each))} keyOf=${(row) => row.id} text=${textOf} empty=${t("no_orders")} />
    <${Ended} of=${t("orders")} rows=${all.filter(isOver)} show=${show} />
  </${Panel}>`;
}

export function Ended({ of, rows, show }) {
  if (!rows.length) return null;
  const columns = [
    [t("id"), (row) => html`<${Id} of=${row} show=${show} />`],
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    [t("state"), (row) => html`<${State} state=${row.state} />`],
    [t("reason"), (row) => oneLine(row.reason ? word("c_", row.reason) : "–")],
    [t("price"), (row) => grouped(row.close_price ?? row.average_price), "n"],
    [t("when"), (row) => html`<${When} ms=${row.history?.at(-1)?.at_ms} />`],
  ];
  const newestFirst = rows.toSorted((a, b) => (b.history?.at(-1)?.at_ms ?? 0) - (a.history?.at(-1)?.at_ms ?? 0));
  return html`<details><summary>${t("more", { n: rows.length })}</summary>
    <${Table} label=${`${of}: ${t("more", { n: rows.length })}`} columns=${columns} rows=${newestFirst} keyOf=${(row) => row.id} text=${textOf} empty="" />
  </details>`;
}
