// "Since you were last here": when that was, which this browser remembers, and what has happened from then on.
import { bothClocks, duration, usdt, utc } from "./format.js";
import { html } from "./html.js";
import { Panel, When } from "./table.js";
import { happened, isNews, tally } from "./past.js";
import { Happened } from "./log.js";
import { earnedSince } from "./money.js";
import { t } from "./words.js";

const KEY = "bitmart-engine last here";
const AWAY_MS = 5 * 60 * 1000;
const WRITE_EVERY_MS = 5000;
const SHOWN = 60;

// Moments of the wall clock: `last` the page was looked at with data on it, `since` the absence before this visit began.
export class LastHere {
  constructor(storage) {
    this._storage = storage;
    this._writtenMs = 0;
    const kept = read(storage);
    this.last = kept.last;
    this.since = kept.since;
  }

  // The page is looked at, and shows data, at this moment.
  here(nowMs) {
    if (this.last !== null && nowMs - this.last > AWAY_MS) this.since = this.last;
    this.last = nowMs;
    if (Math.abs(nowMs - this._writtenMs) > WRITE_EVERY_MS) this._write(nowMs);
  }

  seen(nowMs) {
    this.since = nowMs;
    this.last = nowMs;
    this._write(nowMs);
  }

  _write(nowMs) {
    this._writtenMs = nowMs;
    this._storage.setItem(KEY, JSON.stringify({ last: this.last, since: this.since }));
  }
}

function read(storage) {
  try {
    const { last, since } = JSON.parse(storage.getItem(KEY) ?? "{}");
    return { last: Number.isFinite(last) ? last : null, since: Number.isFinite(since) ? since : null };
  } catch {
    return { last: null, since: null };
  }
}

// The engine's own story: when it was started, and what was down; where it does not tell, which connection came back.
function ofEngine({ status, startedMs, extras }) {
  const started = { at: startedMs, what: "started", of: "engine", id: "", symbol: "" };
  if (extras.outages) return [started, ...extras.outages.outages.map(ofOutage)];
  const back = status.connections
    .filter((each) => each.state === "up" && each.reconnects > 0)
    .map((each) => ({ at: each.since, what: "up", of: "engine", id: each.name, symbol: "" }));
  return [started, ...back];
}

function ofOutage({ connection, began_ms: at, ended_ms: until, lasted_s: s, why }) {
  const [what, id] = connection === "engine" ? ["engine_down", ""] : ["down", connection];
  const lasted = until === null ? t("still") : t("lasted", { d: duration(s) });
  return { at, what, of: "outage", id, symbol: "", text: why ? `${lasted}: ${why}` : lasted };
}

export function Since({ store, lastHere, show, redraw }) {
  const now = Date.now();
  const { since } = lastHere;
  const all = [...happened(store), ...ofEngine(store)].filter((each) => each.at > (since ?? 0) && isNews(each));
  all.sort((a, b) => b.at - a.at);
  const earned = earnedSince(store.extras.trades, since ?? 0);
  const ago = since === null ? t("since_first") : t("since_ago", { d: duration((now - since) / 1000), when: utc(since).slice(0, -3) });
  const note = html`<span title=${since === null ? "" : bothClocks(since)}>${ago}</span>`;
  return html`<${Panel} name="since" title=${t("since_here")} note=${note}>
    <div class="tally">${earned?.count > 0 && html`<span class=${earned.sum < 0 ? "down" : "up"}>
        ${t(earned.unknown ? "p_earned_part" : "p_earned", { usdt: usdt(earned.sum, true), n: earned.unknown })}</span>`}
      ${tally(all).map(([what, n]) => html`<span class=${what}>${t(`p_${what}`, { n })}</span>`)}
      <button class="quiet" onClick=${() => (lastHere.seen(now), redraw())}>${t("since_seen")}</button></div>
    ${all.length === 0 && html`<p class="empty">${t("since_nothing")}</p>`}
    ${all.length > 0 && html`<ol class="story" tabindex="0" aria-label=${t("since_here")}>
      ${all.slice(0, SHOWN).map((each) => html`<li key=${`${each.at} ${each.of} ${each.id} ${each.what}`}>
        <${When} ms=${each.at} /> <${Happened} one=${each} show=${show} />
      </li>`)}
      ${all.length > SHOWN && html`<li class="muted">${t("hidden", { n: SHOWN, all: all.length })}</li>`}
    </ol>`}
  </${Panel}>`;
}
