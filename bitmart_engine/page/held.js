// What is held, and the protections over it: how much is covered, by whom, at what risk, and what can be done about it.
import { closing, moving } from "./acts.js";
import { closingAll } from "./closing.js";
import { grouped, percent, usdt } from "./format.js";
import { html } from "./html.js";
import { Ended } from "./orders.js";
import { isOver } from "./past.js";
import { atRisk, contractSizes, lastPrice, toStop, unrealised } from "./sums.js";
import { Id, Panel, Side, State, Table, textOf } from "./table.js";
import { keeper } from "./verdict.js";
import { t } from "./words.js";

function Pnl({ value }) {
  if (value === null) return "–";
  return html`<span class=${value < 0 ? "down" : "up"}>${usdt(value, true)}</span>`;
}

function Risk({ risk }) {
  const said = risk.usdt === null ? "–" : usdt(risk.usdt);
  return risk.bare ? html`<span class="bad">${t("f_risk_none", { n: grouped(risk.bare) })}</span>` : said;
}

export function Exposure({ store, act, show }) {
  const held = store.status.positions;
  const sizes = contractSizes(store);
  const share = (row) => toStop(store, row);
  const columns = [
    [t("symbol"), (row) => html`<button class="link id" onClick=${() => show(row.symbol)} aria-label=${`${t("show")} ${row.symbol}`}>${row.symbol}</button>`],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    [t("held"), (row) => grouped(row.size), "n"],
    [t("covered"), (row) => grouped(row.covered), "n"],
    [t("uncovered"), (row) => html`<span class=${row.size > row.covered ? "bad" : "muted"}>${grouped(Math.max(0, row.size - row.covered))}</span>`, "n"],
    [t("entry"), (row) => grouped(row.entry_price), "n"],
    [t("price_now"), (row) => grouped(row.mark_price ?? store.status.prices[row.symbol]?.last), "n"],
    [`${t("upnl")} USDT`, (row) => html`<${Pnl} value=${unrealised(store, row, sizes)} />`, "n"],
    [t("risk"), (row) => (share(row) === null || lastPrice(store, row.symbol) === null ? "–" : `${percent(share(row))} %`), "n"],
    [`${t("risk_usdt")} USDT`, (row) => html`<${Risk} risk=${atRisk(store, row, sizes)} />`, "n"],
    [t("liquidation"), (row) => grouped(row.liquidation_price), "n"],
  ];
  const any = [...store.protections.values()].some((each) => each.remaining > 0);
  const note = any && html`<button class="danger quiet" onClick=${() => act(closingAll(store))}>${t("close_all")}…</button>`;
  return html`<${Panel} name="exposure" title=${t("exposure")} note=${note} wide>
    <${Table} label=${t("exposure")} columns=${columns} rows=${held ?? []} keyOf=${(row) => `${row.symbol} ${row.side}`}
      empty=${held === null ? t("held_unknown") : t("nothing_held")} />
  </${Panel}>`;
}

function KeptBy({ row }) {
  const how = keeper(row);
  return html`<span class=${`keeper ${how}`}>${t(how, { price: grouped(row.exchange_stop_loss) })}</span>`;
}

function level(row, field, act) {
  return html`<span>${grouped(row[field])}</span> <button class="quiet" onClick=${() => act(moving(row, field))}
    aria-label=${`${t("move")} ${t(field)} ${row.id}`}>${t("move")}</button>`;
}

export function Protections({ store, act, show }) {
  const all = [...store.protections.values()];
  const columns = [
    [t("id"), (row) => html`<${Id} of=${row} show=${show} />`],
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    [t("state"), (row) => html`<${State} state=${row.state} />`],
    [t("size"), (row) => grouped(row.remaining || row.size), "n"],
    [t("stop_loss"), (row) => level(row, "stop_loss", act), "n"],
    [t("take_profit"), (row) => level(row, "take_profit", act), "n"],
    [t("kept_by"), (row) => html`<${KeptBy} row=${row} />`],
    [t("actions"), (row) => row.remaining > 0 && html`<button class="danger quiet" onClick=${() => act(closing(row))} aria-label=${`${t("close")} ${row.id}`}>${t("close")}…</button>`, "act"],
  ];
  return html`<${Panel} name="protections" title=${t("protections")} wide>
    <${Table} label=${t("protections")} columns=${columns} rows=${all.filter((each) => !isOver(each))} keyOf=${(row) => row.id} text=${textOf} empty=${t("no_protections")} />
    <${Ended} of=${t("protections")} rows=${all.filter(isOver)} show=${show} />
  </${Panel}>`;
}
