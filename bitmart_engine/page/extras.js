// Panels of engines that tell more: trades and fills. Shown only where they are told.
import { grouped, oneLine } from "./format.js";
import { html } from "./html.js";
import { Panel, Table, When } from "./table.js";
import { t } from "./words.js";

const COLUMNS_SHOWN = 9;

// A cell of whatever kind: times by their name, the rest as text.
function cell(name, value) {
  if (value === null || value === undefined) return "–";
  if (name.endsWith("_ms") && Number.isInteger(value) && value > 1e12) return html`<${When} ms=${value} />`;
  if (typeof value === "object") return oneLine(value, 60);
  if (name.endsWith("_s") && typeof value === "number") return `${grouped(value)} s`;
  return /^-?\d+(\.\d+)?$/.test(String(value)) ? grouped(value) : oneLine(String(value), 60);
}

const isPlain = (value) => value === null || typeof value !== "object";

function Rows({ name, title, rows }) {
  const names = Object.keys(rows[0] ?? {}).filter((key) => isPlain(rows[0][key])).slice(0, COLUMNS_SHOWN);
  const columns = names.map((key) => [key, (row) => cell(key, row[key])]);
  return html`<${Panel} name=${name} title=${title} wide>
    <${Table} label=${title} columns=${columns} rows=${rows} keyOf=${(row) => JSON.stringify(row)} empty=${t("none")} />
  </${Panel}>`;
}

export function Extras({ store }) {
  const { trades, fills } = store.extras;
  return html`
    ${Array.isArray(trades?.trades) && html`<${Rows} name="trades" title=${t("trades")} rows=${trades.trades} />`}
    ${Array.isArray(fills?.fills) && html`<${Rows} name="fills" title=${t("filled")} rows=${fills.fills} />`}
  `;
}
