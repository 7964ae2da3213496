// What happened, as orders and protections remember it. It asks nothing and keeps nothing.

const FINAL = new Set(["filled", "cancelled", "expired", "rejected", "closed", "released"]);
const UNTOLD = new Set(["waiting", "submitting", "pending_fill"]); // told as "accepted", or not worth a line
const STOPS = new Set(["stop_loss", "exchange_stop_loss"]);
const TARGETS = new Set(["take_profit", "exchange_take_profit"]);
const KEPT = 500;

export const isOver = (each) => FINAL.has(each.state);

// [{at, what, of, id, symbol, side, size, price, reason}], the newest first; `what` is the end of a key `h_...`.
export function happened(store, most = KEPT) {
  const all = [...store.notes];
  for (const order of store.past.orders.values()) all.push(...ofOrder(order));
  for (const each of store.past.protections.values()) all.push(...ofProtection(each));
  all.sort((a, b) => b.at - a.at);
  return all.slice(0, most);
}

function ofOrder(order) {
  const told = [{ ...common(order, "order"), at: order.accepted_ms, what: "accepted", size: order.size }];
  for (const moment of order.history ?? []) {
    if (UNTOLD.has(moment.state)) continue;
    const fills = moment.state === "filled" || moment.state === "partially_filled";
    const size = fills ? order.filled_size : order.size;
    const price = fills ? order.average_price : order.price;
    told.push({ ...common(order, "order"), at: moment.at_ms, what: moment.state, size, price, reason: moment.reason });
  }
  return told;
}

function ofProtection(protection) {
  const ended = protection.history?.at(-1);
  return (protection.history ?? [])
    .filter((moment) => !UNTOLD.has(moment.state))
    .map((moment) => ({
      ...common(protection, "protection"),
      at: moment.at_ms,
      what: moment.state,
      size: moment.state === "armed" ? protection.covered : protection.closed || protection.covered,
      price: moment.state === "closed" && moment === ended ? protection.close_price : null,
      reason: moment.state === "armed" ? "" : moment.reason,
    }));
}

const common = (each, of) => ({ of, id: each.id, symbol: each.symbol, side: each.side });

// How often each thing happened, by the end of a key `p_...`, in the order in which it matters.
export function tally(told) {
  const counts = { stopped: 0, target: 0, closed: 0, released: 0, filled: 0, cancelled: 0, ended: 0, accepted: 0 };
  for (const { of, what, reason } of told) {
    if (of === "protection" && what === "closed") counts[STOPS.has(reason) ? "stopped" : TARGETS.has(reason) ? "target" : "closed"] += 1;
    else if (of === "protection" && what === "released") counts.released += 1;
    else if (of === "order" && what === "filled") counts.filled += 1;
    else if (of === "order" && what === "cancelled") counts.cancelled += 1;
    else if (of === "order" && (what === "expired" || what === "rejected")) counts.ended += 1;
    else if (of === "order" && what === "accepted") counts.accepted += 1;
  }
  return Object.entries(counts).filter(([, n]) => n > 0);
}

// A protection of an order that ended unfilled says nothing that the order does not.
export const isNews = (each) => !(each.of === "protection" && each.what === "released" && !each.size);

// What is forgotten first once `most` are remembered: what ended longest ago.
export function bounded(things, most) {
  if (things.size <= most) return;
  for (const [id, each] of things) {
    if (things.size <= most) return;
    if (isOver(each)) things.delete(id);
  }
}
