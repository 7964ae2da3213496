// What the page knows: asked for once, kept up by the stream, and read again now and then. Bounded in every part.
import { Refused, get, path, readEvents, token } from "./api.js";
import { bounded } from "./past.js";
import { SILENT_S, verdict } from "./verdict.js";

const STATUS_EVERY_MS = 2000;
const LISTS_EVERY_MS = 15000;
const EXTRAS_EVERY_MS = 20000;
const NOTES_KEPT = 200;
const PAST_KEPT = 1000;
const PAST_ASKED = 300;
const LISTS_AT_MOST_EVERY_MS = 3000;
const CANDLES_KEPT = 1000;
const INSTRUMENT_AGAIN_MS = 15000;
const EXTRAS = { trades: "api/trades", fills: "api/fills", outages: "api/outages" };

// Two clocks, so that neither a machine that slept nor a clock that was set makes old data look fresh.
const clocks = () => ({ wall: Date.now(), steady: performance.now() });
const sinceS = (then) => (then ? Math.max(Math.abs(Date.now() - then.wall), performance.now() - then.steady) / 1000 : Infinity);

export class Store {
  constructor(changed) {
    this.phase = "connecting"; // "token" and "refused" wait for the user; "live" has data
    this.refusal = "";
    this.status = null;
    this.health = null; // null too where the last answer had none
    this.orders = new Map();
    this.protections = new Map();
    this.notifications = [];
    this.extras = {};
    this.past = { orders: new Map(), protections: new Map() }; // with what ended longer ago
    this.notes = []; // what the page saw itself: moves of stops and targets, gaps
    this.startedMs = null;
    this.instruments = new Map();
    this.verdict = { level: "amber", reasons: [{ level: "amber", code: "asking", values: {} }] };
    this.verdictSince = Date.now();
    this.candles = null; // {symbol, timeframe, bars}
    this.onCandle = () => {};
    this._changed = changed;
    this.lastId = null;
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

  // Notifications that are given up, and not sent again since; the status counts all that ever were since the start.
  get dead() {
    return this.notifications.filter((each) => each.state === "dead").length;
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
        const [status, health] = await Promise.all([get("status"), get("api/health").catch(() => null)]);
        if (signal.aborted) return;
        this.health = health;
        const gone = this.status && status.uptime_s < this.status.uptime_s;
        this.status = status;
        const startedMs = Math.round(Date.now() / 1000 - status.uptime_s) * 1000;
        if (gone || Math.abs(startedMs - this.startedMs) > 5000) this.startedMs = startedMs; // steady, so that its line stays where it is
        this._statusAt = began;
        this._listening ??= allowed(); // the stream, once the token is known to be good
        this.phase = "live";
        if (gone) this._listsAt = 0;
        for (const { symbol } of status.positions ?? []) this.readInstrument(symbol);
        if (!this._askedPast) await this._readPast();
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
    this._remember("orders", this.orders.values());
    this._remember("protections", this.protections.values());
    this.notifications = outbox.notifications;
    this._listsAt = Date.now();
    this._told.forEach((each) => this._apply(each)); // what was told meanwhile may be newer
  }

  // Of one symbol what its orders have to fit; asked for once, and again only if that came to nothing.
  async readInstrument(symbol) {
    if (this.instruments.has(symbol)) return;
    this.instruments.set(symbol, null);
    try {
      const { instruments } = await get(`api/instruments?symbol=${path(symbol)}`);
      for (const each of instruments) this.instruments.set(each.symbol, each);
    } catch {
      setTimeout(() => this.instruments.delete(symbol), INSTRUMENT_AGAIN_MS);
    }
    this.changed();
  }

  // What ended before: once, because the stream and the lists tell of the rest.
  async _readPast() {
    const [{ orders }, { positions }] = await Promise.all([get(`api/orders?limit=${PAST_ASKED}`), get(`api/protections?limit=${PAST_ASKED}`)]);
    this._askedPast = true;
    this._remember("orders", orders.toReversed());
    this._remember("protections", positions.toReversed());
  }

  _remember(kind, things) {
    for (const each of things) this.past[kind].set(each.id, each);
    bounded(this.past[kind], PAST_KEPT);
  }

  _note(note) {
    this.notes.unshift(note);
    this.notes.length = Math.min(this.notes.length, NOTES_KEPT);
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
    this._listsAt = Math.min(this._listsAt, Date.now() - LISTS_EVERY_MS + LISTS_AT_MOST_EVERY_MS);
    this._extrasAt = Math.min(this._extrasAt, Date.now() - EXTRAS_EVERY_MS + LISTS_AT_MOST_EVERY_MS);
  }

  async _listen(signal) {
    while (!signal.aborted) {
      const ended = await readEvents({
        after: this.lastId,
        silentMs: SILENT_S * 1000,
        stop: signal,
        heard: () => (this._heardAt = clocks()),
        told: (events) => this._take(events),
      });
      if (ended.status === 400) this.lastId = null;
      await pause(1000, signal);
      this.readSoon();
    }
  }

  _take(events) {
    for (const each of events) {
      if (each.id !== undefined) this.lastId = each.id;
      if (each.type === "lagged") {
        this._listsAt = 0;
        this._note({ of: "page", what: "missed", at: Date.now(), id: "", symbol: "" });
      }
      if (each.type === "trading") this._note({ of: "trading", what: `trading_${each.data.state}`, at: each.at_ms, id: "", symbol: "" });
      if (each.type === "notice") this._note({ of: "notice", what: each.data.id, at: each.at_ms, id: "", symbol: each.symbol, text: each.data.what });
      if (each.type === "kline") this._takeCandle(each.data);
      if (each.type === "entry" || each.type === "protection") {
        this._told.push(each);
        this._apply(each);
      }
    }
    this._told.splice(0, this._told.length - 1000);
    this.changed();
  }

  _apply({ type, data, at_ms: at }) {
    const kind = type === "entry" ? "orders" : "protections";
    const before = this[kind].get(data.id);
    if (data.state === "withdrawn") {
      this[kind].delete(data.id);
      this.past[kind].delete(data.id);
    } else {
      const told = { ...data, history: grown(before?.history, data, at) };
      if (type === "protection" && before) this._noteMoves(before, data, at);
      this[kind].set(data.id, told);
      bounded(this[kind], PAST_KEPT);
      this._remember(kind, [told]);
    }
    this.readSoon();
  }

  _noteMoves(before, { id, symbol, side, ...after }, at) {
    for (const [field, what] of [["stop_loss", "moved_stop"], ["take_profit", "moved_target"]]) {
      if (before[field] === after[field]) continue;
      if (!this.notes.some((each) => each.at === at && each.id === id && each.what === what)) {
        this._note({ of: "protection", what, at, id, symbol, side, from: before[field], to: after[field] });
      }
    }
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

// A history as events tell it; the engine's own replaces it when the lists are read again.
function grown(history = [], { state, reason }, at) {
  const last = history.at(-1);
  return last?.state === state && last?.reason === reason ? history : [...history, { state, reason, at_ms: at }].slice(-50);
}

// Floats are for drawing alone; what is sent to the engine is text.
function barOf(kline) {
  return { time: kline.open_time_s, open: +kline.open, high: +kline.high, low: +kline.low, close: +kline.close };
}

// Leaves nothing behind on the signal, which outlives thousands of pauses.
function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    return signal.addEventListener("abort", end);
  });
}
