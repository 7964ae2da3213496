// The figures at the top: what somebody wants to know in ten seconds who was away for a week.
import { duration, grouped, usdt } from "./format.js";
import { html } from "./html.js";
import { isOver } from "./past.js";
import { atRisk, contractSizes, sumOf, unrealised } from "./sums.js";
import { t } from "./words.js";

function Figure({ name, title, value, sub, level }) {
  return html`<div class=${`figure ${level ?? ""}`} data-name=${name}>
    <dt>${title}</dt><dd><b>${value}</b><span>${sub}</span></dd>
  </div>`;
}

function Positions({ held }) {
  const say = (value, sub, level) => html`<${Figure} name="positions" title=${t("f_positions")} value=${value} sub=${sub} level=${level} />`;
  if (held === null) return say("?", t("f_unknown"), "amber");
  if (!held.length) return say("0", t("f_flat"));
  const bare = held.reduce((sum, each) => sum + Math.max(0, each.size - each.covered), 0);
  const contracts = held.reduce((sum, each) => sum + each.size, 0);
  return bare ? say(held.length, t("f_uncovered", { n: grouped(bare) }), "red") : say(held.length, t("f_contracts", { n: grouped(contracts) }));
}

function Pnl({ store, held, sizes }) {
  const pnl = sumOf((held ?? []).map((each) => unrealised(store, each, sizes)));
  if (held === null || pnl === null) return html`<${Figure} name="pnl" title=${t("f_pnl")} value="?" sub=${t("f_unknown")} />`;
  return html`<${Figure} name="pnl" title=${t("f_pnl")} value=${usdt(pnl, true)} sub=${t("f_pnl_sub")} level=${pnl < 0 ? "down" : pnl > 0 ? "up" : ""} />`;
}

function Risk({ store, held, sizes }) {
  const risks = (held ?? []).map((each) => atRisk(store, each, sizes));
  const bare = risks.reduce((sum, each) => sum + each.bare, 0);
  const sum = held === null ? null : sumOf(risks.map((each) => each.usdt));
  const sub = bare ? t("f_risk_none", { n: grouped(bare) }) : sum === null ? t("f_unknown") : t("f_risk_sub");
  return html`<${Figure} name="risk" title=${t("f_risk")} value=${sum === null ? "?" : usdt(sum)} sub=${sub} level=${bare ? "red" : ""} />`;
}

function Balance({ balance }) {
  if (!balance) return html`<${Figure} name="balance" title=${t("f_balance")} value="?" sub=${t("f_unknown")} />`;
  const sub = t("f_balance_sub", { frozen: usdt(balance.frozen), deposit: usdt(balance.position_deposit) });
  return html`<${Figure} name="balance" title=${t("f_balance")} value=${usdt(balance.available)} sub=${sub} />`;
}

function Orders({ store }) {
  const alive = [...store.orders.values()].filter((each) => !isOver(each));
  const waiting = alive.filter((each) => each.state === "waiting").length;
  const { paused_ms: pausedMs, halt } = store.status;
  const paused = Boolean(halt ?? pausedMs);
  const sub = paused ? t(halt ? "f_halted" : "f_paused") : t("f_orders_sub", { waiting: grouped(waiting), working: grouped(alive.length - waiting) });
  return html`<${Figure} name="orders" title=${t("f_orders")} value=${grouped(alive.length)} sub=${sub} level=${paused ? "amber" : ""} />`;
}

function Stops({ kept }) {
  if (!kept) return null;
  const level = kept.nobody ? "red" : kept.exchange ? "amber" : "";
  const somebody = kept.both + kept.engine + kept.exchange;
  const value = `${grouped(somebody)} / ${grouped(somebody + kept.nobody)}`;
  return html`<${Figure} name="stops" title=${t("f_stops")} value=${value} sub=${t("f_stops_sub", kept)} level=${level} />`;
}

function Naked({ naked }) {
  if (!naked) return null;
  if (naked.now_s > 0) return html`<${Figure} name="naked" title=${t("f_naked")} value=${duration(naked.now_s)} sub=${t("now_d")} level="red" />`;
  const never = naked.sum_s === 0;
  const sub = never ? t("f_naked_never") : t("f_naked_sum", { d: duration(naked.sum_s) });
  return html`<${Figure} name="naked" title=${t("f_naked")} value=${duration(naked.longest_s)} sub=${sub} />`;
}

function Owed({ owed, dead }) {
  const sub = t("f_owed_sub", { dead: grouped(dead) });
  return html`<${Figure} name="owed" title=${t("f_owed")} value=${grouped(owed)} sub=${sub} level=${dead ? "amber" : ""} />`;
}

export function Figures({ store }) {
  const { status, health } = store;
  const held = status.positions;
  const sizes = contractSizes(store);
  return html`<dl class="figures" id="figures" aria-label=${t("figures")}>
    <${Positions} held=${held} />
    <${Pnl} store=${store} held=${held} sizes=${sizes} />
    <${Risk} store=${store} held=${held} sizes=${sizes} />
    <${Balance} balance=${status.balance} />
    <${Orders} store=${store} />
    <${Stops} kept=${health?.stops_kept} />
    <${Naked} naked=${health?.naked} />
    <${Owed} owed=${status.outbox.owed} dead=${store.dead} />
  </dl>`;
}
