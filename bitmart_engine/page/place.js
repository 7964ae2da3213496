// The form that places an order, with what can be said of it beforehand: distance, stop, target, reward to risk.
import { grouped, percent, typedPrice, usdt } from "./format.js";
import { html, useEffect, useRef } from "./html.js";
import { contractSizes, lastPrice } from "./sums.js";
import { t } from "./words.js";

const PRICES = ["entry_zone_min", "entry_zone_max", "stop_loss", "take_profit"];
const FIELDS = [
  ["id", "field_id"],
  ["symbol", "field_symbol"],
  ["entry_zone_min", "field_min"],
  ["entry_zone_max", "field_max"],
  ["size", "field_size"],
  ["risk", "field_risk"],
  ["leverage", "field_leverage"],
  ["stop_loss", "field_stop"],
  ["take_profit", "field_target"],
  ["timeout_seconds", "field_timeout"],
];
const NEEDED = new Set(["id", "symbol", "entry_zone_min", "entry_zone_max"]);

// An id that is also a client order id: 1 to 32 letters and digits.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return `page${[...bytes].map((each) => each.toString(16).padStart(2, "0")).join("")}`;
}

// The body of place-order, as text throughout; null while something needed is missing or is no number.
export function bodyOf(form) {
  const body = { side: form.side };
  for (const [name] of FIELDS) {
    const text = (form[name] ?? "").trim();
    if (!text) {
      if (NEEDED.has(name)) return null;
      continue;
    }
    const isText = name === "id" || name === "symbol";
    const value = isText ? text : typedPrice(text);
    if (value === null) return null;
    body[name] = name === "symbol" ? value.toUpperCase() : value;
  }
  const { size, risk, ...rest } = body;
  if ((size === undefined) === (risk === undefined)) return null;
  if (size !== undefined) return /^\d+$/.test(size) ? { ...rest, size: Number(size) } : null;
  return body.stop_loss === undefined ? null : { ...rest, risk: { amount: risk } };
}

// Why there is no body, as a word of the page.
function lacks(form) {
  if ((form.size ?? "").trim() && (form.risk ?? "").trim()) return "preview_both";
  return (form.risk ?? "").trim() && !(form.stop_loss ?? "").trim() ? "preview_risk_stop" : "preview_none";
}

// Lines about an order not placed yet. `price`, `contract` (base currency in one) and `available` (USDT) are null where not known.
// As the engine does, the risk is reckoned from the edge of the zone that is farthest from the stop.
export function previewOf(body, { price, contract, available }) {
  const [low, high, stop, target] = PRICES.map((name) => (body[name] === undefined ? null : Number(body[name])));
  const edge = body.side === "long" ? high : low;
  const said = [];
  const say = (key, values, more = {}) => said.push({ text: t(key, values), ...more });
  if (price === null) say("no_price", { symbol: body.symbol });
  else if (price >= low && price <= high) say("preview_in", {});
  else say("preview_far", { p: percent((price < low ? low - price : price - high) / price) });

  const wrong = stop !== null && (body.side === "long" ? stop >= low : stop <= high);
  const amount = Number(body.risk?.amount ?? 0);
  const size = body.size ?? (contract === null || wrong ? null : Math.floor(amount / (Math.abs(edge - stop) * contract)));
  if (contract === null) say("preview_size_unknown", { symbol: body.symbol });
  else if (size === 0) say("preview_too_small", { risk: usdt(amount) }, { bad: true });
  else if (size !== null) {
    const base = size * contract;
    const leverage = Number(body.leverage ?? 1);
    if (body.risk) say("preview_contracts", { n: grouped(size), risk: usdt(amount) });
    say("preview_size", { base: grouped(+base.toPrecision(10)), coin: body.symbol.replace(/USDT$/, ""), usdt: usdt(base * high), margin: usdt((base * high) / leverage), leverage });
  }
  if (stop === null) say("preview_no_stop", {}, { bad: true });
  else {
    if (wrong) say("preview_wrong_stop", {}, { bad: true });
    say("preview_stop", { p: percent((edge - stop) / edge) });
    if (contract !== null && size && !wrong) {
      const loss = Math.abs(edge - stop) * size * contract;
      const share = available > 0 ? ` ${t("preview_risk_share", { p: percent(loss / available) })}` : "";
      said.push({ text: `${t("preview_risk", { loss: usdt(loss) })}${share}`, strong: true });
    }
  }
  if (target !== null) say("preview_target", { p: percent((target - edge) / edge) });
  if (target !== null && contract !== null && size) say("preview_gain", { gain: usdt(Math.abs(target - edge) * size * contract) });
  if (stop !== null && target !== null && stop !== edge) {
    say("preview_ratio", { r: Math.abs((target - edge) / (edge - stop)).toFixed(2) });
  }
  return said;
}

// What a new form holds. The id stays with it, so that asking again places no second order.
export const newForm = (symbol) => ({ id: newId(), symbol: symbol ?? "", side: "long", timeout_seconds: "3600", leverage: "10" });

export function Place({ store, form, setForm, confirm, back }) {
  const dialog = useRef(null);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const body = bodyOf(form);
  useEffect(() => {
    if (body) store.readInstrument(body.symbol);
  }, [body?.symbol]);
  const facts = {
    price: body ? lastPrice(store, body.symbol) : null,
    contract: body ? (contractSizes(store).get(body.symbol) ?? null) : null,
    available: store.status?.balance ? Number(store.status.balance.available) : null,
  };
  const go = (event) => {
    event.preventDefault();
    if (body) confirm(body);
  };

  return html`<dialog ref=${dialog} class="wide" aria-labelledby="place-title" onClose=${back}>
    <form onSubmit=${go} autocomplete="off">
      <h2 id="place-title">${t("place")}</h2>
      <fieldset class="sides">
        <legend>${t("field_side")}</legend>
        ${["long", "short"].map(
          (side) => html`<label class=${`choice ${side}`}>
            <input type="radio" name="side" value=${side} checked=${form.side === side} onChange=${set("side")} /> ${t(side)}
          </label>`,
        )}
      </fieldset>
      <div class="fields">
        ${FIELDS.map(
          ([name, label]) => html`<label>${t(label)}
            <input name=${name} value=${form[name] ?? ""} onInput=${set(name)} required=${NEEDED.has(name)}
              inputmode=${name === "id" || name === "symbol" ? "text" : "decimal"} spellcheck="false" />
          </label>`,
        )}
      </div>
      <section class="preview" aria-live="polite" aria-label=${t("preview")}>
        ${(body ? previewOf(body, facts) : [{ text: t(lacks(form)) }]).map(({ text, bad, strong }) => html`<div class=${bad ? "bad" : strong ? "strong" : ""}>${text}</div>`)}
      </section>
      <div class="buttons">
        <button type="button" onClick=${() => dialog.current.close()}>${t("back")}</button>
        <button type="submit" class="primary" disabled=${!body}>${t("place_verb")}…</button>
      </div>
    </form>
  </dialog>`;
}
