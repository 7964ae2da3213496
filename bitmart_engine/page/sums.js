// Sums in USDT, as floats: to be read by a person, never sent to the engine. What is not known is null, never 0.

const LEARNED_FROM = ["quantity", "size"];

// The base currency in one contract of each symbol: as instruments tell, else as an order has both its sizes.
export function contractSizes(store) {
  const sizes = new Map();
  for (const order of store.orders.values()) {
    const [quantity, size] = LEARNED_FROM.map((name) => Number(order[name]));
    if (quantity > 0 && size > 0) sizes.set(order.symbol, quantity / size);
  }
  for (const [symbol, each] of store.instruments) {
    if (Number(each?.contract_size) > 0) sizes.set(symbol, Number(each.contract_size));
  }
  return sizes;
}

const sign = (side) => (side === "short" ? -1 : 1);

export function lastPrice(store, symbol) {
  const last = Number(store.status?.prices[symbol]?.last);
  return last > 0 ? last : null;
}

// What a position has won or lost at the last price, before fees: as the engine says it, else reckoned here.
export function unrealised(store, held, sizes) {
  if (held.unrealized_pnl !== undefined && held.unrealized_pnl !== null) return Number(held.unrealized_pnl);
  const [last, size] = [lastPrice(store, held.symbol), sizes.get(held.symbol)];
  if (last === null || !size || held.entry_price === null) return null;
  return (last - Number(held.entry_price)) * sign(held.side) * held.size * size;
}

const guards = (each, held) => each.symbol === held.symbol && each.side === held.side && each.remaining > 0;

// What is lost from the price now to the stops of a position: {usdt, bare}; `bare` contracts have no stop, usdt is null if unknown.
export function atRisk(store, held, sizes) {
  const [last, size] = [lastPrice(store, held.symbol), sizes.get(held.symbol)];
  let [usdt, stopped] = [0, 0];
  for (const each of store.protections.values()) {
    if (!guards(each, held) || each.stop_loss === null) continue;
    stopped += each.remaining;
    if (last !== null && size) usdt += Math.max(0, (last - Number(each.stop_loss)) * sign(held.side)) * each.remaining * size;
  }
  return { usdt: last === null || !size ? null : usdt, bare: Math.max(0, held.size - stopped) };
}

// The share of the price now that lies between it and the next stop; null where there is none.
export function toStop(store, held) {
  const last = lastPrice(store, held.symbol);
  const stops = [...store.protections.values()].filter((each) => guards(each, held) && each.stop_loss).map((each) => Number(each.stop_loss));
  if (last === null || !stops.length) return null;
  const next = held.side === "long" ? Math.max(...stops) : Math.min(...stops);
  return ((last - next) / last) * sign(held.side);
}

// The sum of what is known of each; null as soon as one is not known.
export function sumOf(values) {
  return values.some((each) => each === null) ? null : values.reduce((sum, each) => sum + each, 0);
}
