// What the engine runs on: its connections, what it owes to callbacks, and what it dropped or gave up.
import { retrying } from "./acts.js";
import { duration, grouped, oneLine } from "./format.js";
import { html } from "./html.js";
import { Panel, Side, State, Table, When } from "./table.js";
import { t, word } from "./words.js";

const WEEK_MS = 7 * 86400000;
const STRIP = 168; // one unit an hour

// Seven days of a connection, what it was down marked in it, and how often and for how long that was; where the engine tells.
function Week({ told, name }) {
  if (!told) return "–";
  const from = Date.now() - WEEK_MS;
  const found = told.connections.find((each) => each.name === name);
  const at = (ms) => Math.max(0, ((ms - from) / WEEK_MS) * STRIP);
  const down = told.outages.filter((each) => each.connection === name).slice(0, 200);
  return html`<svg class="week" viewBox=${`0 0 ${STRIP} 10`} preserveAspectRatio="none" role="img" aria-label=${t("week_strip", { name })}>
      <rect class="ran" width=${STRIP} height="10" />
      ${down.map((each) => html`<rect class="down" x=${at(each.began_ms)} width=${Math.max(1, (each.lasted_s * 1000 * STRIP) / WEEK_MS)} height="10" />`)}
    </svg><span>${found ? t("outages", { n: found.count, s: duration(found.sum_s) }) : t("none")}</span>`;
}

// The engine itself belongs to the list where there was a time in which none ran.
function connectionsOf({ status, extras }) {
  const away = extras.outages?.connections.some((each) => each.name === "engine");
  return away ? [...status.connections, { name: "engine", state: "up", since: null, last_message_age_s: null, reconnects: null, channels: "–", last_error: null }] : status.connections;
}

export function Connections({ store }) {
  const columns = [
    [t("name"), (row) => row.name, "tight"],
    [t("state"), (row) => html`<span class=${row.state === "up" ? "good" : "bad"}>${word("s_", row.state)}</span>`],
    [t("from_when"), (row) => html`<${When} ms=${row.since} />`],
    [t("last_message"), (row) => (row.last_message_age_s === null ? "–" : t("s_ago", { s: row.last_message_age_s.toFixed(1) })), "n"],
    [t("reconnects"), (row) => grouped(row.reconnects), "n"],
    [t("channels"), (row) => row.channels, "n"],
    [t("week"), (row) => html`<${Week} told=${store.extras.outages} name=${row.name} />`, "weeks"],
    [t("last_error"), (row) => oneLine(row.last_error ?? t("none"))],
  ];
  return html`<${Panel} name="connections" title=${t("connections")}>
    <${Table} label=${t("connections")} columns=${columns} rows=${connectionsOf(store)} keyOf=${(row) => row.name} empty=${t("none")} />
  </${Panel}>`;
}

const KEEPERS = ["both", "engine", "exchange", "nobody"];

// Of each position with a promised stop: contracts by who keeps it now, and for how long nobody did.
export function Keeping({ health }) {
  if (!health?.positions) return null;
  const counted = (row, who) => html`<span class=${who === "nobody" && row.contracts[who] ? "bad" : row.contracts[who] ? "" : "muted"}>${grouped(row.contracts[who])}</span>`;
  const columns = [
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    ...KEEPERS.map((who) => [t(`v_${who}`), (row) => counted(row, who), "n"]),
    [t("naked_longest"), (row) => duration(row.naked.longest_s), "n"],
    [t("naked_sum"), (row) => duration(row.naked.sum_s), "n"],
  ];
  return html`<${Panel} name="keeping" title=${t("keeping")}>
    <${Table} label=${t("keeping")} columns=${columns} rows=${health.positions} keyOf=${(row) => `${row.symbol} ${row.side}`} empty=${t("nothing_kept")} />
  </${Panel}>`;
}

const ms = (value) => (value === null ? "–" : `${value.toFixed(1)} ms`);

export function Latency({ latency }) {
  const rows = Object.entries(latency ?? {}).filter(([, each]) => each.count > 0);
  if (!rows.length) return null;
  const columns = [
    [t("latency"), ([name]) => word("l_", name)],
    [t("counted"), ([, each]) => grouped(each.count), "n"],
    [t("median"), ([, each]) => ms(each.p50_ms), "n"],
    [t("p99"), ([, each]) => ms(each.p99_ms), "n"],
    [t("longest"), ([, each]) => ms(each.longest_ms), "n"],
  ];
  return html`<${Panel} name="latency" title=${t("latency")}>
    <${Table} label=${t("latency")} columns=${columns} rows=${rows} keyOf=${([name]) => name} empty="" />
  </${Panel}>`;
}

export function Outbox({ store, act }) {
  const columns = [
    [t("id"), (row) => oneLine(row.id, 40)],
    [t("kind"), (row) => row.kind],
    [t("state"), (row) => html`<${State} state=${row.state} />`],
    [t("attempts"), (row) => row.attempts ?? "–", "n"],
    [t("why"), (row) => oneLine(row.why ?? "–")],
    [t("when"), (row) => html`<${When} ms=${row.created_ms} />`],
    [t("actions"), (row) => row.state === "dead" && html`<button class="quiet" onClick=${() => act(retrying(row))} aria-label=${`${t("retry")} ${row.id}`}>${t("retry")}…</button>`, "act"],
  ];
  return html`<${Panel} name="outbox" title=${t("outbox")} wide note=${t("outbox_counts", store.status.outbox)}>
    <${Table} label=${t("outbox")} columns=${columns} rows=${store.notifications} keyOf=${(row) => row.id} empty=${t("nothing_owed")} />
  </${Panel}>`;
}

export function Dropped({ store }) {
  const rows = Object.entries(store.status.dropped).filter(([, n]) => n > 0);
  const columns = [
    [t("kind"), ([name]) => name],
    [t("counted"), ([, n]) => grouped(n), "n"],
  ];
  if (!rows.length) return null;
  return html`<${Panel} name="dropped" title=${t("dropped")} note=${t("uptime", { d: duration(store.status.uptime_s) })}>
    <${Table} label=${t("dropped")} columns=${columns} rows=${rows} keyOf=${([name]) => name} empty="" />
  </${Panel}>`;
}
