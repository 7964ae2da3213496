// What can be done: each act asks once, says what will happen, and is refused when the data is too old to decide on.
import { ask, path } from "./api.js";
import { grouped, typedPrice } from "./format.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { isOver } from "./past.js";
import { TOO_OLD_S, keeper } from "./verdict.js";
import { t } from "./words.js";

// An act: {title, says(value), verb, danger, input or choices, run(value)}; `run` returns the id or word of what was done.

export function cancelling(order) {
  return {
    title: t("cancel"),
    says: () => t("will_cancel", { id: order.id }),
    verb: t("yes_cancel"),
    danger: true,
    run: async () => (await ask("DELETE", `api/orders/${path(order.id)}`)).status,
  };
}

export function closing(protection) {
  const { id, symbol, side, remaining } = protection;
  return {
    title: t("close"),
    says: () => t("will_close", { id, symbol, side: t(side), size: remaining }),
    verb: t("yes_close"),
    danger: true,
    run: async () => (await ask("POST", `api/protections/${path(id)}/close`)).status,
  };
}

export function moving(protection, field, price) {
  const from = protection[field];
  const tighter = field === "stop_loss" && keeper(protection) !== "engine";
  return {
    title: `${t("move")}: ${t(field)}`,
    input: { label: t("new_level"), value: price ?? from ?? "" },
    says: (to) =>
      t("will_move", {
        what: t(field),
        id: protection.id,
        from: grouped(from),
        to: grouped(to),
        where: tighter ? t("where_tight") : "",
      }),
    verb: t("yes_move"),
    run: async (to) => (await ask("PATCH", `api/protections/${path(protection.id)}`, { [field]: to })).position[field],
  };
}

export function stopping(protections) {
  const bare = [...protections.values()].filter((each) => each.remaining > 0 && ["engine", "engine_at"].includes(keeper(each)));
  return {
    title: t("stop_engine"),
    says: () => t("will_stop", { n: bare.length }),
    verb: t("yes_stop"),
    danger: true,
    run: async () => (await ask("POST", "stop")).message,
  };
}

// Entries as a whole: pause them, or resume them where they are paused.
export function pausing(status) {
  const paused = Boolean(status.paused_ms ?? status.halt);
  return {
    title: paused ? t("resume") : t("pause"),
    says: () => (paused ? t("will_resume") : t("will_pause")),
    verb: paused ? t("yes_resume") : t("yes_pause"),
    run: async () => (await ask("POST", paused ? "resume" : "pause")).message,
  };
}

const HALTS = ["no_new", "cancel", "flatten"];

// The kill switch: how much is chosen in its dialog; a level in use is not gone back from but by resuming.
export function halting(store) {
  const orders = [...store.orders.values()].filter((each) => !isOver(each)).length;
  const positions = [...store.protections.values()].filter((each) => each.remaining > 0).length;
  const levels = HALTS.slice(Math.max(0, HALTS.indexOf(store.status.halt?.level)));
  return {
    title: t("halt"),
    choices: levels.map((value) => ({ value, text: t(`v_${value}`) })),
    says: (level) => t(`will_halt_${level}`, { orders, positions }),
    verb: t("yes_halt"),
    danger: true,
    run: async (level) => (await ask("POST", "api/halt", { level })).message,
  };
}

export function retrying(notification) {
  return {
    title: t("retry"),
    says: () => t("will_retry", { id: notification.id }),
    verb: t("yes_retry"),
    run: async () => (await ask("POST", `api/outbox/${path(notification.id)}/retry`)).id,
  };
}

export function placing(body) {
  return {
    title: t("place"),
    says: () =>
      t(body.risk ? "will_place_risk" : "will_place", {
        size: body.size,
        risk: body.risk?.amount,
        symbol: body.symbol,
        side: t(body.side),
        min: grouped(body.entry_zone_min),
        max: grouped(body.entry_zone_max),
        stop: grouped(body.stop_loss),
        target: grouped(body.take_profit),
      }) + (body.stop_loss ? "" : ` ${t("preview_no_stop")}`),
    verb: t("yes_place"),
    run: async () => (await ask("POST", "api/place-order", body)).message,
  };
}

// Why an act came to nothing, in words. Silence is no refusal.
export function why(error) {
  return error.status === 0 ? t("unknown_outcome") : t("failed", { why: error.message });
}

// Why nothing may be sent now, in words; "" while the data is fresh enough to decide on.
export function tooOld(store) {
  const s = store.silentS > TOO_OLD_S * 2 ? store.silentS : store.ageS;
  return s > TOO_OLD_S ? t("too_old", { s: Number.isFinite(s) ? Math.floor(s) : "?" }) : "";
}

export function Confirm({ act, store, done, back }) {
  const dialog = useRef(null);
  const [value, setValue] = useState(act.input?.value ?? act.choices?.[0].value ?? "");
  const [asking, setAsking] = useState(false);
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    dialog.current.showModal();
  }, []);

  const price = act.input ? typedPrice(value) : null;
  const go = async (event) => {
    event.preventDefault();
    if (asking) return;
    const old = tooOld(store);
    if (old) {
      setTrouble(old);
      return;
    }
    if (act.input && price === null) {
      setTrouble(`${value}: ${t("not_a_price")}`);
      return;
    }
    setAsking(true);
    setTrouble("");
    try {
      const what = await act.run(act.choices ? value : price);
      store.readSoon();
      done(t("done", { what: `${act.title}, ${what}` }));
    } catch (error) {
      setAsking(false);
      setTrouble(error.status === undefined ? String(error) : why(error));
      store.readSoon();
    }
  };

  return html`<dialog ref=${dialog} aria-labelledby="act-title" aria-describedby="act-says" onClose=${back}>
    <form onSubmit=${go}>
      <h2 id="act-title">${act.title}</h2>
      ${act.input &&
      html`<label>${act.input.label}
        <input name="level" inputmode="decimal" autocomplete="off" value=${value} onInput=${(event) => setValue(event.target.value)} autofocus />
      </label>`}
      ${act.choices && html`<fieldset class="choices"><legend>${t("halt_level")}</legend>
        ${act.choices.map((each) => html`<label><input type="radio" name="choice" value=${each.value} checked=${each.value === value} onChange=${() => setValue(each.value)} /> ${each.text}</label>`)}
      </fieldset>`}
      <p id="act-says">${act.says(price ?? value)}</p>
      <p class="trouble" role="alert">${trouble}</p>
      <div class="buttons">
        <button type="button" onClick=${() => dialog.current.close()}>${t("back")}</button>
        <button type="submit" class=${act.danger ? "danger" : "primary"} disabled=${asking}>${asking ? t("sending") : act.verb}</button>
      </div>
    </form>
  </dialog>`;
}
