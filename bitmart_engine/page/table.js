// What every panel is made of. Whatever comes from the engine is shown as text: ids, symbols and metadata are their owners' own words.
import { bothClocks, oneLine, utc } from "./format.js";
import { html, useState } from "./html.js";
import { t, word } from "./words.js";

const AT_ONCE = 100;
const FILTERED_FROM = 12;

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

// `columns`: [title, cell(row), class]; on a phone each cell shows its title beside it. Long lists show a part, and more when asked.
export function Table({ label, columns, rows, empty, keyOf, text }) {
  const [most, setMost] = useState(AT_ONCE);
  const [sought, setSought] = useState("");
  if (!rows.length) return html`<p class="empty">${empty}</p>`;
  const wanted = sought.trim().toLowerCase();
  const found = text && wanted ? rows.filter((row) => text(row).toLowerCase().includes(wanted)) : rows;
  return html`${text && rows.length >= FILTERED_FROM && html`<div class="sought">
      <input type="search" value=${sought} onInput=${(event) => setSought(event.target.value)} placeholder=${t("filter")} aria-label=${`${label}: ${t("filter")}`} />
    </div>`}
    <div class="scroll" tabindex="0" role="group" aria-label=${label}><table>
      <thead><tr>${columns.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}</tr></thead>
      <tbody>${found.slice(0, most).map(
        (row) => html`<tr key=${keyOf(row)}>
          ${columns.map(([title, cell, kind]) => html`<td class=${kind} data-title=${title}>${cell(row)}</td>`)}
        </tr>`,
      )}</tbody>
    </table></div>
    ${found.length > most && html`<p class="empty rest">${t("hidden", { n: most, all: found.length })}
      <button class="quiet" onClick=${() => setMost(most + AT_ONCE)}>${t("show_more", { n: Math.min(AT_ONCE, found.length - most) })}</button></p>`}`;
}

export const Side = ({ side }) => html`<span class=${`side ${side}`}>${t(side)}</span>`;

export const State = ({ state }) => html`<span class=${`state ${state}`} title=${state}>${word("s_", state)}</span>`;

export function Id({ of, show }) {
  const said = of.metadata && Object.keys(of.metadata).length ? oneLine(of.metadata) : "";
  const title = said ? `${t("metadata")}: ${oneLine(of.metadata, 1000)}` : null;
  return html`<button class="link id" title=${title} onClick=${() => show(of.symbol)} aria-label=${`${t("show")} ${of.id}`}>${oneLine(of.id, 40)}</button>
    ${said && html`<div class="meta">${oneLine(of.metadata, 60)}</div>`}`;
}

export const textOf = (row) => `${row.id} ${row.symbol} ${t(row.side)} ${row.state} ${word("s_", row.state)}`;
