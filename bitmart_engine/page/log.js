// The log: what happened to orders and protections, as far back as the engine remembers, and what the page saw itself.
import { grouped, local, oneLine } from "./format.js";
import { html } from "./html.js";
import { happened, isNews } from "./past.js";
import { Panel, Table, When } from "./table.js";
import { t, word } from "./words.js";

const BAD = new Set(["rejected", "unknown", "missed", "down", "engine_down"]);
const GOOD = new Set(["filled", "partially_filled", "armed"]);

const tone = ({ what, reason }) => (BAD.has(what) || reason === "liquidation" ? "bad" : GOOD.has(what) ? "good" : "");

// One thing that happened, in words; its id leads to its chart.
export function Happened({ one, show }) {
  const { what, id, symbol, side, size, price, reason, from, to, text } = one;
  return html`<span class="happened">
    ${symbol && html`<b>${symbol}</b> `}${side && html`<span class=${side}>${t(side)}</span> `}
    <span class=${tone(one)}>${word("h_", what)}</span>
    ${reason && what !== "armed" && html`: ${oneLine(word("c_", reason), 120)}`}
    ${size > 0 && html` <span class="muted">${grouped(size)}${price ? ` @ ${grouped(price)}` : ""}</span>`}
    ${to !== undefined && html` <span class="muted">${grouped(from)} → ${grouped(to)}</span>`}
    ${text && html` ${oneLine(text, 200)}`}
    ${id && symbol && html` <button class="link id" onClick=${() => show(symbol)} aria-label=${`${t("show")} ${id}`}>${oneLine(id, 24)}</button>`}
    ${id && !symbol && html` <span class="muted">${oneLine(id, 40)}</span>`}
  </span>`;
}

export function Log({ store, show }) {
  const rows = happened(store).filter(isNews);
  const columns = [
    ["UTC", (row) => html`<${When} ms=${row.at} />`],
    [t("local"), (row) => (row.at ? local(row.at) : "–"), "tight"],
    [t("events"), (row) => html`<${Happened} one=${row} show=${show} />`, "wholly"],
  ];
  return html`<${Panel} name="log" title=${t("log")} wide>
    <${Table} label=${t("log")} columns=${columns} rows=${rows} keyOf=${(row) => `${row.at} ${row.of} ${row.id} ${row.what} ${row.to ?? ""}`} empty=${t("log_nothing")} />
  </${Panel}>`;
}
