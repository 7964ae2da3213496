// What the page knows: asked for once, kept up by the stream, and read again now and then. Bounded in every part.
import { Refused, get, path, readEvents, token } from "./api.js";
import { SILENT_S, verdict } from "./verdict.js";

const STATUS_EVERY_MS = 2000;
const LISTS_EVERY_MS = 15000;
const EXTRAS_EVERY_MS = 20000;
const LOG_KEPT = 200;
const CANDLES_KEPT = 1000;
const FINAL = new Set(["filled", "cancelled", "expired", "rejected", "closed", "released"]);
const EXTRAS = { health: "api/health", summary: "api/summary", trades: "api/trades", fills: "api/fills" };

export const isOver = (each) => FINAL.has(each.state);

// Two clocks, so that neither a machine that slept nor a clock that was set makes old data look fresh.
const clocks = () => ({ wall: Date.now(), steady: performance.now() });
const sinceS = (then) => (then ? Math.max(Math.abs(Date.now() - then.wall), performance.now() - then.steady) / 1000 : Infinity);

export class Store {
  constructor(changed) {
    this.phase = "connecting"; // "token" and "refused" wait for the user; "live" has data
    this.refusal = "";
    this.status = null;
    this.orders = new Map();
    this.protections = new Map();
    this.notifications = [];
    this.extras = {};
    this.log = [];
    this.verdict = { level: "amber", reasons: [{ level: "amber", code: "asking", values: {} }] };
    this.verdictSince = Date.now();
    this.candles = null; // {symbol, timeframe, bars}
    this.onCandle = () => {};
    this._changed = changed;
    this._lastId = null;
    this._told = [];
    this._starting = clocks();
    this._stop = new AbortController();
    this._listsAt = 0;
    this._extrasAt = 0;
    this._drawing = false;
  }

  start() {
    this._stop.abort();
    this._stop = new AbortController();
    this._listening = null;
    this.phase = this.status ? "live" : "connecting";
    this._starting = clocks();
    const { signal } = this._stop;
    this._everySoOften(signal, () => this._listen(signal));
  }

  // Seconds since the engine was last asked how it is and answered: what an act relies on.
  get ageS() {
    return sinceS(this._statusAt);
  }

  // Seconds without a word on the stream, or without a status.
  get silentS() {
    return Math.max(sinceS(this._heardAt ?? this._starting), sinceS(this._statusAt ?? this._starting));
  }

  changed() {
    const found = verdict(this, this.silentS, Date.now());
    const name = (one) => `${one.level} ${one.reasons.map((each) => each.code + (each.values.id ?? each.values.symbol ?? "")).join()}`;
    if (name(found) !== name(this.verdict)) this.verdictSince = Date.now();
    this.verdict = found;
    if (this._drawing) return;
    this._drawing = true;
    setTimeout(() => {
      this._drawing = false;
      this._changed();
    }, document.hidden ? 1000 : 50);
  }

  async _everySoOften(signal, allowed) {
    while (!signal.aborted) {
      const began = clocks();
      try {
        const status = await get("status");
        if (signal.aborted) return;
        const gone = this.status && status.uptime_s < this.status.uptime_s;
        this.status = status;
        this._statusAt = began;
        this._listening ??= allowed(); // the stream, once the token is known to be good
        this.phase = "live";
        if (gone) this._listsAt = 0;
        if (Date.now() - this._listsAt > LISTS_EVERY_MS) await this._readLists();
        if (Date.now() - this._extrasAt > EXTRAS_EVERY_MS) this._readExtras(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Refused)) console.error(error);
        this._turnedAway(error);
      }
      this.changed();
      await pause(STATUS_EVERY_MS, signal);
    }
  }

  _turnedAway(error) {
    if (error.status !== 401 && error.status !== 403) return;
    this.phase = error.status === 401 ? "token" : "refused";
    this.refusal = error.status === 401 && !token.get() ? "" : error.message;
    this._stop.abort();
  }

  async _readLists() {
    this._told = [];
    const [overview, outbox] = await Promise.all([get("api/orders/status"), get("api/outbox?limit=50")]);
    this.orders = new Map(Object.entries(overview.orders));
    this.protections = new Map(Object.entries(overview.positions));
    this.notifications = outbox.notifications;
    this._listsAt = Date.now();
    this._told.forEach((each) => this._apply(each)); // what was told meanwhile may be newer
  }

  // Panels of engines that know more; 404 says that this one does not.
  async _readExtras(signal) {
    this._extrasAt = Date.now();
    for (const [name, where] of Object.entries(EXTRAS)) {
      if (signal.aborted || this.extras[name] === null) continue;
      try {
        this.extras[name] = await get(where);
      } catch (error) {
        if (error.status === 404) this.extras[name] = null;
      }
    }
    this.changed();
  }

  readSoon() {
    this._listsAt = Math.min(this._listsAt, Date.now() - LISTS_EVERY_MS + 500);
  }

  async _listen(signal) {
    while (!signal.aborted) {
      const ended = await readEvents({
        after: this._lastId,
        silentMs: SILENT_S * 1000,
        stop: signal,
        heard: () => (this._heardAt = clocks()),
        told: (events) => this._take(events),
      });
      if (ended.status === 400) this._lastId = null;
      await pause(1000, signal);
      this.readSoon();
    }
  }

  _take(events) {
    for (const each of events) {
      if (each.id !== undefined) this._lastId = each.id;
      if (each.type === "lagged") this._listsAt = 0;
      if (each.type === "kline") this._takeCandle(each.data);
      else if (each.type !== "position" && each.type !== "balance") this.log.unshift(each); // those repeat themselves
      this._told.push(each);
      this._apply(each);
    }
    this.log.length = Math.min(this.log.length, LOG_KEPT);
    this._told.splice(0, this._told.length - 1000);
    this.changed();
  }

  _apply({ type, data }) {
    if (type !== "entry" && type !== "protection") return;
    const all = type === "entry" ? this.orders : this.protections;
    if (data.state === "withdrawn") all.delete(data.id);
    else all.set(data.id, { ...data, history: data.history ?? all.get(data.id)?.history });
    this.readSoon();
  }

  _takeCandle(kline) {
    const shown = this.candles;
    if (!shown || kline.symbol !== shown.symbol || kline.timeframe !== shown.timeframe) return;
    const bar = barOf(kline);
    const last = shown.bars.at(-1);
    if (last && bar.time < last.time) return; // history is read again when the chart is opened
    if (last?.time === bar.time) shown.bars[shown.bars.length - 1] = bar;
    else shown.bars.push(bar);
    shown.bars.splice(0, shown.bars.length - CANDLES_KEPT);
    this.onCandle(bar);
  }

  async showCandles(symbol, timeframe) {
    this.candles = { symbol, timeframe, bars: [] };
    const wanted = this.candles;
    try {
      const { klines } = await get(`api/klines/${path(symbol, timeframe)}?limit=300`);
      const later = wanted.bars;
      const bars = klines.map(barOf).filter((bar) => !later.length || bar.time < later[0].time);
      wanted.bars = [...bars, ...later];
    } catch (error) {
      if (error instanceof Refused) wanted.failed = error.message;
      else throw error;
    }
    this.changed();
    return wanted === this.candles ? wanted : null;
  }
}

// Floats are for drawing alone; what is sent to the engine is text.
function barOf(kline) {
  return { time: kline.open_time_s, open: +kline.open, high: +kline.high, low: +kline.low, close: +kline.close };
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    return signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
