// The lists. Whatever comes from the engine is shown as text: ids, symbols and metadata are their owners' own words.
import { cancelling, closing, moving, retrying } from "./acts.js";
import { bothClocks, duration, grouped, local, oneLine, percent, utc } from "./format.js";
import { html } from "./html.js";
import { isOver } from "./store.js";
import { keeper } from "./verdict.js";
import { t } from "./words.js";

const SHOWN = 100;

export function When({ ms }) {
  if (!ms) return "–";
  return html`<time datetime=${new Date(ms).toISOString()} title=${bothClocks(ms)}>${utc(ms)}</time>`;
}

export function Panel({ name, title, note, children, wide }) {
  return html`<section class=${wide ? "panel wide" : "panel"} id=${name} aria-labelledby=${`${name}-title`}>
    <header><h2 id=${`${name}-title`}>${title}</h2>${note && html`<span class="note">${note}</span>`}</header>
    ${children}
  </section>`;
}

// `columns`: [title, cell(row), class]; on a phone each cell shows its title beside it.
export function Table({ label, columns, rows, empty, keyOf }) {
  if (!rows.length) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${label}><table>
    <thead><tr>${columns.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}</tr></thead>
    <tbody>${rows.slice(0, SHOWN).map(
      (row) => html`<tr key=${keyOf(row)}>
        ${columns.map(([title, cell, kind]) => html`<td class=${kind} data-title=${title}>${cell(row)}</td>`)}
      </tr>`,
    )}</tbody>
  </table></div>${rows.length > SHOWN && html`<p class="empty">+ ${rows.length - SHOWN}</p>`}`;
}

const Side = ({ side }) => html`<span class=${side}>${t(side)}</span>`;
const State = ({ state }) => html`<span class=${`state ${state}`}>${state}</span>`;

function Id({ of, show }) {
  const said = of.metadata && Object.keys(of.metadata).length ? oneLine(of.metadata) : "";
  const title = said ? `${t("metadata")}: ${oneLine(of.metadata, 1000)}` : null;
  return html`<button class="link id" title=${title} onClick=${() => show(of.symbol)} aria-label=${`${t("show")} ${of.id}`}>${oneLine(of.id, 40)}</button>
    ${said && html`<div class="meta">${oneLine(of.metadata, 60)}</div>`}`;
}

function toStop(store, held) {
  const last = Number(store.status.prices[held.symbol]?.last);
  const stops = [...store.protections.values()]
    .filter((each) => each.symbol === held.symbol && each.side === held.side && each.remaining > 0 && each.stop_loss)
    .map((each) => Number(each.stop_loss));
  if (!last || !stops.length) return "–";
  const next = held.side === "long" ? Math.max(...stops) : Math.min(...stops);
  return `${percent((last - next) / last)} %`;
}

export function Exposure({ store }) {
  const held = store.status.positions;
  const columns = [
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    [t("held"), (row) => grouped(row.size), "n"],
    [t("covered"), (row) => grouped(row.covered), "n"],
    [t("uncovered"), (row) => html`<span class=${row.size > row.covered ? "bad" : "muted"}>${grouped(Math.max(0, row.size - row.covered))}</span>`, "n"],
    [t("entry"), (row) => grouped(row.entry_price), "n"],
    [t("liquidation"), (row) => grouped(row.liquidation_price), "n"],
    [t("risk"), (row) => toStop(store, row), "n"],
  ];
  const { balance } = store.status;
  const note = balance ? `${t("balance")} ${grouped(balance.available)} ${balance.currency}` : "";
  return html`<${Panel} name="exposure" title=${t("exposure")} note=${note}>
    <${Table} label=${t("exposure")} columns=${columns} rows=${held ?? []} keyOf=${(row) => `${row.symbol} ${row.side}`}
      empty=${held === null ? t("held_unknown") : t("nothing_held")} />
  </${Panel}>`;
}

function keptBy(row) {
  const how = keeper(row);
  return html`<span class=${`keeper ${how}`}>${t(how, { price: grouped(row.exchange_stop_loss) })}</span>`;
}

export function Protections({ store, act, show }) {
  const all = [...store.protections.values()];
  const alive = all.filter((each) => !isOver(each));
  const columns = [
    [t("id"), (row) => html`<${Id} of=${row} show=${show} />`],
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    [t("state"), (row) => html`<${State} state=${row.state} />`],
    [t("size"), (row) => grouped(row.remaining || row.size), "n"],
    [t("stop_loss"), (row) => level(row, "stop_loss", act), "n"],
    [t("take_profit"), (row) => level(row, "take_profit", act), "n"],
    [t("kept_by"), keptBy],
    [t("actions"), (row) => row.remaining > 0 && html`<button class="danger quiet" onClick=${() => act(closing(row))} aria-label=${`${t("close")} ${row.id}`}>${t("close")}</button>`, "act"],
  ];
  return html`<${Panel} name="protections" title=${t("protections")} wide>
    <${Table} label=${t("protections")} columns=${columns} rows=${alive} keyOf=${(row) => row.id} empty=${t("no_protections")} />
    <${Ended} rows=${all.filter(isOver)} show=${show} />
  </${Panel}>`;
}

function level(row, field, act) {
  return html`<span>${grouped(row[field])}</span> <button class="quiet" onClick=${() => act(moving(row, field))}
    aria-label=${`${t("move")} ${t(field)} ${row.id}`}>${t("move")}</button>`;
}

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
    [t("actions"), (row) => html`<button class="quiet" disabled=${row.cancel_asked} onClick=${() => act(cancelling(row))} aria-label=${`${t("cancel")} ${row.id}`}>${t("cancel")}</button>`, "act"],
  ];
  return html`<${Panel} name="orders" title=${t("orders")} wide>
    <${Table} label=${t("orders")} columns=${columns} rows=${all.filter((each) => !isOver(each))} keyOf=${(row) => row.id} empty=${t("no_orders")} />
    <${Ended} rows=${all.filter(isOver)} show=${show} />
  </${Panel}>`;
}

function Ended({ rows, show }) {
  if (!rows.length) return null;
  const columns = [
    [t("id"), (row) => html`<${Id} of=${row} show=${show} />`],
    [t("symbol"), (row) => row.symbol],
    [t("side"), (row) => html`<${Side} side=${row.side} />`],
    [t("state"), (row) => html`<${State} state=${row.state} />`],
    [t("reason"), (row) => row.reason || "–"],
    [t("price"), (row) => grouped(row.close_price ?? row.average_price), "n"],
    [t("when"), (row) => html`<${When} ms=${row.history?.at(-1)?.at_ms} />`],
  ];
  return html`<details><summary>${t("more", { n: rows.length })}</summary>
    <${Table} label=${t("more", { n: rows.length })} columns=${columns} rows=${rows} keyOf=${(row) => row.id} empty="" />
  </details>`;
}

export function Connections({ store }) {
  const columns = [
    [t("name"), (row) => row.name],
    [t("state"), (row) => html`<span class=${row.state === "up" ? "good" : "bad"}>${row.state}</span>`],
    [t("from_when"), (row) => html`<${When} ms=${row.since} />`],
    [t("last_message"), (row) => (row.last_message_age_s === null ? "–" : t("s_ago", { s: row.last_message_age_s.toFixed(1) })), "n"],
    [t("reconnects"), (row) => row.reconnects, "n"],
    [t("channels"), (row) => row.channels, "n"],
    [t("last_error"), (row) => oneLine(row.last_error ?? t("none"))],
  ];
  return html`<${Panel} name="connections" title=${t("connections")}>
    <${Table} label=${t("connections")} columns=${columns} rows=${store.status.connections} keyOf=${(row) => row.name} empty="" />
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
    [t("actions"), (row) => row.state === "dead" && html`<button class="quiet" onClick=${() => act(retrying(row))} aria-label=${`${t("retry")} ${row.id}`}>${t("retry")}</button>`, "act"],
  ];
  return html`<${Panel} name="outbox" title=${t("outbox")} wide note=${t("outbox_counts", store.status.outbox)}>
    <${Table} label=${t("outbox")} columns=${columns} rows=${store.notifications} keyOf=${(row) => row.id} empty=${t("nothing_owed")} />
  </${Panel}>`;
}

function said({ type, data, missed }) {
  if (type === "lagged") return t("missed", { n: missed ?? "?" });
  const parts = [data.id ?? data.order_id ?? data.client_order_id, data.side, data.state, data.reason, data.price ?? data.stop_loss];
  return oneLine(parts.filter((each) => each !== null && each !== undefined && each !== "").join("  "), 160);
}

export function Log({ store }) {
  const columns = [
    ["UTC", (row) => html`<${When} ms=${row.at_ms} />`],
    [t("local"), (row) => (row.at_ms ? local(row.at_ms) : "–")],
    [t("kind"), (row) => row.type],
    [t("symbol"), (row) => row.symbol ?? "–"],
    [t("events"), said],
  ];
  return html`<${Panel} name="log" title=${t("events")} wide>
    <${Table} label=${t("events")} columns=${columns} rows=${store.log} keyOf=${(row) => row.id ?? `gap ${row.missed}`} empty=${t("no_events")} />
  </${Panel}>`;
}

export function Dropped({ store }) {
  const rows = Object.entries(store.status.dropped).filter(([, n]) => n > 0);
  const columns = [
    [t("kind"), ([name]) => name],
    [t("counted"), ([, n]) => grouped(n), "n"],
  ];
  if (!rows.length) return null;
  return html`<${Panel} name="dropped" title=${t("dropped")} wide note=${t("uptime", { d: duration(store.status.uptime_s) })}>
    <${Table} label=${t("dropped")} columns=${columns} rows=${rows} keyOf=${([name]) => name} empty="" />
  </${Panel}>`;
}
