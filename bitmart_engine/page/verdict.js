// The verdict: whether all is well, from what the page knows and how old it is. It asks nothing and keeps nothing.

export const SILENT_S = 15;
export const TOO_OLD_S = 5;
const CLOSING_LONG_S = 30;
// Troubles of GET /api/health that the page finds itself, in its own words.
const OWN_WORDS = new Set(
  ("journal_trouble stopping not_resumed unguarded no_credentials not_logged_in account_not_subscribed account_not_read exchange_held_back " +
    "public_connection_down entries_paused trading_halted clock_skewed callbacks_given_up order_unknown close_unfinished").split(" "),
);
const RANK = { green: 0, amber: 1, red: 2 };

// `silentS`: seconds without a word of the stream, or of the status, whichever is longer.
export function verdict(known, silentS, nowMs) {
  const { status } = known;
  const reasons = [];
  const say = (level, code, values = {}) => reasons.push({ level, code, values });
  if (silentS >= SILENT_S) say("red", "r_silent", { s: Math.floor(silentS) });
  if (status) judge(known, say, nowMs);
  for (const { id, level, subject, what } of known.health?.troubles ?? []) {
    const said = reasons.some((each) => each.code === "r_stale_stop" && each.values.symbol === subject);
    if (!OWN_WORDS.has(id) && !said && level in RANK) say(level, `q_${id}`, { subject, what });
  }
  reasons.sort((a, b) => RANK[b.level] - RANK[a.level]);
  if (!reasons.length && !status) return { level: "amber", reasons: [{ level: "amber", code: "asking", values: {} }] };
  return { level: reasons[0]?.level ?? "green", reasons };
}

function judge({ status, protections, orders, dead }, say, nowMs) {
  const armed = [...protections.values()].filter((each) => each.state === "armed" || each.state === "closing");
  if (!status.is_running) say("red", "r_ended");
  if (status.journal.trouble) say("red", "r_journal", { why: status.journal.trouble });
  if (status.unguarded.length) say("red", "r_unguarded", { ids: status.unguarded.join(", ") });
  for (const symbol of status.stale) {
    if (armed.some((each) => each.symbol === symbol)) say("red", "r_stale_stop", { symbol });
  }
  for (const each of armed) {
    const entered = each.history?.at(-1)?.at_ms;
    if (each.state === "closing" && entered && nowMs - entered > CLOSING_LONG_S * 1000) {
      say("red", "r_closing", { id: each.id, s: Math.floor((nowMs - entered) / 1000) });
    }
    if (each.remaining > 0 && each.stop_loss === null) say("amber", "r_nostop", { id: each.id });
  }
  for (const each of status.positions ?? []) {
    const bare = each.size - each.covered;
    if (bare > 0) say("amber", "r_naked", { symbol: each.symbol, side: each.side, n: bare });
  }
  for (const each of orders.values()) {
    if (each.state === "unknown") say("amber", "r_unknown", { id: each.id });
  }
  if (status.missing_credentials.length) say("amber", "r_no_account");
  else if (status.not_ready.length) say(armed.length ? "red" : "amber", "r_not_ready", { why: status.not_ready.join("; ") });
  if (status.halt) say("amber", "r_halted", { level: status.halt.level, orders: status.halt.orders_left, positions: status.halt.positions_left });
  else if (status.paused_ms) say("amber", "r_paused");
  if (dead) say("amber", "r_dead", { n: dead });
  if (status.exchange.clock_skewed) say("amber", "r_skew", { ms: Math.round(status.exchange.clock_offset_ms) });
  if (status.foreign_orders?.length) say("amber", "r_foreign", { n: status.foreign_orders.length });
}

// Since when it has been as bad as it is, as the engine knows; null where only the page knows.
export function sinceMs({ level }, health) {
  const standing = (health?.troubles ?? []).filter((each) => each.level === level).map((each) => each.since_ms);
  return standing.length ? Math.min(...standing) : null;
}

// Who keeps the stop of a protection: "both", "engine", "engine_at" (the exchange keeps another price), "waits" (for
// its order to fill), "nobody", "no_stop".
export function keeper(protection) {
  if (protection.stop_loss === null) return "no_stop";
  if (protection.state !== "armed" && protection.state !== "closing") return protection.state === "pending_fill" ? "waits" : "nobody";
  if (protection.exchange_stop_loss === null) return "engine";
  return Number(protection.exchange_stop_loss) === Number(protection.stop_loss) ? "both" : "engine_at";
}
