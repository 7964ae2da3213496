// The page: what stands where, which theme and language, and which act is being asked about.
import { Confirm, halting, pausing, placing, stopping } from "./acts.js";
import { token } from "./api.js";
import { bothClocks, duration, local, oneLine, utc } from "./format.js";
import { html, render, useEffect, useState } from "./html.js";
import { Market, symbolsOf } from "./market.js";
import { Figures } from "./figures.js";
import { Exposure, Protections } from "./held.js";
import { Log } from "./log.js";
import { Connections, Dropped, Keeping, Latency, Outbox } from "./machinery.js";
import { Fills, Trades } from "./money.js";
import { Orders } from "./orders.js";
import { Place, newForm } from "./place.js";
import { LastHere, Since } from "./since.js";
import { Store } from "./store.js";
import { TOO_OLD_S, sinceMs } from "./verdict.js";
import { NAMES, has, language, speak, t, word } from "./words.js";

const THEMES = ["auto", "light", "dark"];
const THEME_KEY = "bitmart-engine theme";
const SAID_MS = 8000;

function Clock() {
  const now = Date.now();
  return html`<span class="clock" title=${bothClocks(now)}><b>${utc(now)}</b> UTC <span class="muted">${local(now)} ${t("local")}</span></span>`;
}

// A trouble that the page has no words for is told in the engine's own.
function reasonText({ code, values }) {
  return has(code) || values.what === undefined ? t(code, { ...values, side: values.side && t(values.side), level: values.level && word("v_", values.level) }) : oneLine(values.what, 300);
}

function Verdict({ store }) {
  const { level, reasons } = store.verdict;
  const since = sinceMs(store.verdict, store.health) ?? store.verdictSince;
  return html`<section class=${`verdict ${level}`} aria-label=${t(level)} data-level=${level}>
    <div class="light" aria-hidden="true"></div>
    <div class="what" role="status">
      <strong>${t(level)}</strong> <time datetime=${new Date(since).toISOString()} title=${bothClocks(since)}>${t("since", { when: utc(since) })}</time>
      ${reasons.length > 0 &&
      html`<ul>${reasons.slice(0, 8).map((each) => html`<li class=${each.level}>${reasonText(each)}</li>`)}</ul>`}
    </div>
    <${Age} store=${store} />
  </section>`;
}

function Age({ store }) {
  const s = store.ageS;
  const old = s > TOO_OLD_S;
  return html`<span class=${old ? "age bad" : "age muted"}>${old ? t("data_age", { s: Number.isFinite(s) ? Math.floor(s) : "?" }) : t("data_fresh")}</span>`;
}

function Choice({ label, value, options, choose }) {
  return html`<label><span class="unseen">${label}</span>
    <select value=${value} onChange=${(event) => choose(event.target.value)}>
      ${options.map(([name, text]) => html`<option value=${name}>${text}</option>`)}
    </select></label>`;
}

function TokenEntry({ store, refusal }) {
  const [text, setText] = useState("");
  const go = (event) => {
    event.preventDefault();
    token.set(text.trim());
    store.start();
    store.changed();
  };
  return html`<form class="token" onSubmit=${go}>
    <h2>${t("token_title")}</h2>
    <p>${t("token_why")}</p>
    <label>${t("token_label")} <input name="token" type="password" autocomplete="off" value=${text} onInput=${(event) => setText(event.target.value)} required autofocus /></label>
    <p class="trouble" role="alert">${refusal && t("token_wrong")}</p>
    <div class="buttons"><button class="primary" type="submit">${t("token_enter")}</button></div>
  </form>`;
}

function Page({ store, lastHere, theme, setTheme, redraw }) {
  const [act, setAct] = useState(null);
  const [form, setForm] = useState(null);
  const [symbol, setSymbol] = useState(null);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const { status } = store;
  const shown = symbol ?? symbolsOf(store)[0] ?? null;
  const ended = () => {
    setAct(null);
    setForm(null);
  };
  return html`
    <header class="top">
      ${status && html`<a class="skip" href="#chart">${t("skip")}</a>`}
      <h1>bitmart-engine</h1>
      ${status && html`<span class=${`mode ${status.mode}`}>${t(`mode_${status.mode}`)}</span>`}
      <${Clock} />
      <span class="space"></span>
      <${Choice} label=${t("lang")} value=${language()} options=${Object.entries(NAMES)} choose=${(name) => (speak(name), redraw())} />
      <${Choice} label=${t("theme")} value=${theme} options=${THEMES.map((each) => [each, t(`theme_${each}`)])} choose=${setTheme} />
      ${status && html`<button class="primary" onClick=${() => setForm(newForm(shown))}>${t("place")}…</button>
      <button class="quiet" onClick=${() => setAct(pausing(status))}>${pausing(status).title}…</button>
      <button class="danger quiet" onClick=${() => setAct(halting(store))}>${t("halt")}…</button>
      <button class="danger quiet" onClick=${() => setAct(stopping(store.protections))}>${t("stop_engine")}…</button>`}
    </header>
    <main>
      ${store.phase === "token" && html`<${TokenEntry} store=${store} refusal=${store.refusal} />`}
      ${store.phase === "refused" && html`<section class="token"><h2>${t("not_allowed")}</h2><p class="trouble">${store.refusal}</p></section>`}
      ${store.phase !== "token" && store.phase !== "refused" && html`<${Verdict} store=${store} />`}
      ${status && html`
        <${Figures} store=${store} />
        <div class="grid">
          <${Market} store=${store} symbol=${shown} choose=${setSymbol} act=${setAct} theme=${theme} />
          <${Since} store=${store} lastHere=${lastHere} show=${setSymbol} redraw=${redraw} />
          <${Exposure} store=${store} act=${setAct} show=${setSymbol} />
          <${Protections} store=${store} act=${setAct} show=${setSymbol} />
          <${Orders} store=${store} act=${setAct} show=${setSymbol} />
          <${Trades} told=${store.extras.trades} show=${setSymbol} />
          <${Connections} store=${store} />
          <${Keeping} health=${store.health} />
          <${Latency} latency=${store.status.latency} />
          <${Dropped} store=${store} />
          <${Outbox} store=${store} act=${setAct} />
          <${Fills} told=${store.extras.fills} show=${setSymbol} />
          <${Log} store=${store} show=${setSymbol} />
        </div>`}
    </main>
    <div class=${said ? "said" : "unseen"} role="status">${said}</div>
    ${form && !act && html`<${Place} store=${store} form=${form} setForm=${setForm} confirm=${(body) => setAct(placing(body))} back=${() => setForm(null)} />`}
    ${act?.dialog && html`<${act.dialog} act=${act} store=${store} back=${() => setAct(null)} />`}
    ${act && !act.dialog && html`<${Confirm} act=${act} store=${store} done=${(what) => (ended(), setSaid(what))} back=${() => setAct(null)} />`}
    <footer>
      ${status && html`<span>${t("version", { v: status.version })}, ${t("uptime", { d: duration(status.uptime_s) })}</span>`}
      ${token.get() && html`<button class="link" onClick=${() => (token.forget(), location.reload())}>${t("forget")}</button>`}
      <span>${t("charts_by")} <a href="https://www.tradingview.com/" rel="noopener noreferrer" target="_blank">TradingView Lightweight Charts™</a>, Copyright © 2026 TradingView, Inc.</span>
    </footer>`;
}

function wear(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

let theme = THEMES.includes(localStorage.getItem(THEME_KEY)) ? localStorage.getItem(THEME_KEY) : "auto";
const store = new Store(() => draw());
const lastHere = new LastHere(localStorage);
document.getElementById("page").store = store; // for tests, and for whoever looks with the browser's tools

function draw() {
  if (!document.hidden && store.ageS <= TOO_OLD_S) lastHere.here(Date.now());
  const setTheme = (name) => {
    theme = name;
    localStorage.setItem(THEME_KEY, name);
    wear(name);
    draw();
  };
  render(html`<${Page} store=${store} lastHere=${lastHere} theme=${theme} setTheme=${setTheme} redraw=${draw} />`, document.getElementById("page"));
  const level = store.verdict.level;
  document.title = `${{ green: "●", amber: "▲", red: "■" }[level]} ${t(level)} · bitmart-engine`;
}

wear(theme);
speak(language());
draw();
store.start();
setInterval(() => store.changed(), 1000);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
