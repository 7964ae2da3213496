// The panel of the chart: which symbol, which timeframe, its candles, and the levels and fills that belong to it.
import { ask } from "./api.js";
import { moving } from "./acts.js";
import { Chart } from "./chart.js";
import { grouped, utc } from "./format.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { buys } from "./money.js";
import { Panel } from "./table.js";
import { isOver } from "./past.js";
import { keeper } from "./verdict.js";
import { t } from "./words.js";

const TIMEFRAMES = ["1m", "5m", "15m", "1h", "4h", "1d"];
const READ_AGAIN_MS = 30000;
const FAR_S = 3600;
const LEVELS_OF_ORDERS = 40;

export function symbolsOf(store) {
  const alive = [...store.protections.values(), ...store.orders.values()].filter((each) => !isOver(each));
  const held = store.status?.positions ?? [];
  const streamed = (store.status?.kline_channels ?? []).map((each) => each.split(":")[1]).filter(Boolean); // before their first price
  return [...new Set([...held, ...alive].map((each) => each.symbol).concat(Object.keys(store.status?.prices ?? {}).sort(), streamed))];
}

// The levels of a symbol, as the chart draws them: only those of a protection can be moved, and their titles say who keeps them.
export function levelsOf(store, symbol) {
  const levels = [];
  for (const protection of store.protections.values()) {
    if (protection.symbol !== symbol || protection.state !== "armed") continue;
    const { id, stop_loss: stop, take_profit: target, exchange_stop_loss: stopThere, exchange_take_profit: targetThere } = protection;
    const name = short(id);
    if (stop) levels.push({ price: stop, kind: "down", title: `${t("stop")} ${name} · ${t(`k_${keeper(protection)}`)}`, protection, field: "stop_loss" });
    if (keeper(protection) === "engine_at") levels.push({ price: stopThere, kind: "down", title: `${t("stop")} ${name} · ${t("k_exchange")}`, dashed: true });
    if (target) levels.push({ price: target, kind: "up", title: `${t("target")} ${name} · ${t(Number(targetThere) === Number(target) ? "k_both" : "k_engine")}`, protection, field: "take_profit" });
  }
  for (const held of store.status?.positions ?? []) {
    if (held.symbol === symbol && held.entry_price) levels.push({ price: held.entry_price, kind: "muted", title: t("entry_line"), dashed: true });
  }
  const last = Number(store.status?.prices[symbol]?.last ?? 0);
  const far = (each) => Math.abs(Number(each.price) - last);
  const ofOrders = [...store.orders.values()].filter((each) => each.symbol === symbol && !isOver(each)).flatMap(levelsOfOrder);
  return levels.concat(ofOrders.sort((a, b) => far(a) - far(b)).slice(0, LEVELS_OF_ORDERS));
}

function levelsOfOrder(order) {
  const name = short(order.id);
  const levels = [
    { price: order.entry_zone_min, kind: "zone", title: "", dashed: true },
    { price: order.entry_zone_max, kind: "zone", title: `${t("zone")} ${name}`, dashed: true },
  ];
  if (order.filled_size) return levels;
  if (order.stop_loss) levels.push({ price: order.stop_loss, kind: "down", title: `${t("stop")} ${name} · ${t("k_waits")}`, dashed: true });
  if (order.take_profit) levels.push({ price: order.take_profit, kind: "up", title: `${t("target")} ${name} · ${t("k_waits")}`, dashed: true });
  return levels;
}

const short = (id) => (id.length > 10 ? `${id.slice(0, 9)}…` : id);

// Fills as far as orders and protections tell them: the average of an entry, the price of a close.
function markAverages(store, symbol, add) {
  for (const order of store.past.orders.values()) {
    if (order.symbol !== symbol || !order.filled_size) continue;
    const at = order.history?.findLast((each) => each.state === "filled" || each.state === "partially_filled");
    add(at?.at_ms, { buys: order.side === "long", text: `${order.filled_size} @ ${order.average_price ?? "?"}` });
  }
  for (const each of store.past.protections.values()) {
    if (each.symbol !== symbol || each.state !== "closed") continue;
    add(each.history?.at(-1)?.at_ms, { buys: each.side !== "long", text: `${t("closed_at")} ${each.close_price ?? "?"}` });
  }
}

// Marks on the candles: fills, and moves of stops and targets that the page saw. `seconds` is a candle's length.
export function marksOf(store, symbol, seconds) {
  const marks = [];
  const add = (ms, mark) => ms && marks.push({ ...mark, time: Math.floor(ms / 1000 / seconds) * seconds });
  const fills = store.extras.fills?.fills?.filter((each) => each.symbol === symbol) ?? [];
  for (const fill of fills) add(fill.at_ms, { buys: buys(fill), text: `${fill.size} @ ${fill.price}` });
  if (!fills.length) markAverages(store, symbol, add);
  for (const { at, what, symbol: of, from, to } of store.notes) {
    if (of !== symbol || to === undefined || to === null) continue;
    add(at, { price: to, kind: what === "moved_stop" ? "down" : "up", text: `${t(what === "moved_stop" ? "stop" : "target")} ${from ?? "–"} → ${to}` });
  }
  return marks;
}

export function Market({ store, symbol, choose, act, theme }) {
  const element = useRef(null);
  const chart = useRef(null);
  const [timeframe, setTimeframe] = useState("1m");
  const acting = useRef(act);
  acting.current = act;

  useEffect(() => {
    if (!symbol) return undefined;
    const drawn = new Chart(element.current, (protection, field, price) => acting.current(moving(protection, field, price)));
    chart.current = drawn;
    element.current.chart = drawn; // for tests, and for whoever looks with the browser's tools
    return () => {
      chart.current = null;
      drawn.remove();
    };
  }, [symbol]);

  useEffect(() => {
    if (!symbol) return undefined;
    const read = async () => {
      const found = await store.showCandles(symbol, timeframe);
      if (found && chart.current) chart.current.candles(found.bars, store.status?.prices[symbol]?.last);
    };
    store.onCandle = (bar) => chart.current?.candle(bar);
    read();
    const again = setInterval(read, READ_AGAIN_MS);
    return () => clearInterval(again);
  }, [symbol, timeframe]);

  useEffect(() => chart.current?.recolour(), [theme]);
  useEffect(() => {
    if (!chart.current) return;
    chart.current.levels(levelsOf(store, symbol));
    chart.current.marks(marksOf(store, symbol, secondsOf(timeframe)));
  });

  if (!symbol) return html`<${Panel} name="chart" title=${t("chart")}><${Watch} store=${store} choose=${choose} /></${Panel}>`;
  const price = store.status.prices[symbol];
  const last = store.candles?.bars.at(-1);
  const isElsewhen = last && Math.abs(Date.now() / 1000 - last.time) > FAR_S + secondsOf(timeframe);
  const clocks = last && html`<span class=${isElsewhen ? "warn" : ""}>${t("candle_is", { when: utc(last.time * 1000, isElsewhen) })}</span>
    <span class="muted">${t("chart_wall", { when: utc(Date.now(), isElsewhen) })}</span> `;
  return html`<${Panel} name="chart" title=${t("chart")}
    note=${html`${clocks}${store.candles?.failed && html`<span class="bad">${store.candles.failed}</span>`}`}>
    <div class="bar">
      <label><span class="unseen">${t("symbol")}</span>
        <select value=${symbol} onChange=${(event) => choose(event.target.value)}>
          ${symbolsOf(store).concat(symbol).filter((each, index, all) => all.indexOf(each) === index).map((each) => html`<option value=${each}>${each}</option>`)}
        </select></label>
      <label><span class="unseen">${t("timeframe")}</span>
        <select value=${timeframe} onChange=${(event) => setTimeframe(event.target.value)}>
          ${TIMEFRAMES.map((each) => html`<option value=${each}>${each}</option>`)}
        </select></label>
      <output class="price" aria-label=${t("price")}>${grouped(price?.last)}</output>
      ${price?.stale && html`<span class="bad">${t("stale")}</span>`}
      <span class="hint">${t("drag_hint")}</span>
    </div>
    <div class="chart" ref=${element} role="img" aria-label=${`${t("chart")} ${symbol} ${timeframe}`}></div>
  </${Panel}>`;
}

const secondsOf = (timeframe) => parseInt(timeframe, 10) * { m: 60, h: 3600, d: 86400 }[timeframe.at(-1)];

function Watch({ store, choose }) {
  const [name, setName] = useState("");
  const [trouble, setTrouble] = useState("");
  const go = async (event) => {
    event.preventDefault();
    const symbol = name.trim().toUpperCase();
    try {
      await ask("POST", "klines/subscribe", { symbol, tfs: ["1m"] });
      choose(symbol);
    } catch (error) {
      setTrouble(t("failed", { why: error.message }));
    }
    store.readSoon();
  };
  return html`<form class="watch" onSubmit=${go}>
    <label>${t("no_chart")} <input name="watch" value=${name} placeholder=${t("symbol_placeholder")} onInput=${(event) => setName(event.target.value)} required /></label>
    <button type="submit">${t("watch")}</button> <span class="trouble" role="alert">${trouble}</span>
  </form>`;
}
