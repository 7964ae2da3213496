// Close all: each position is named and asked about once, each close is sent once, and each answer is shown.
import { tooOld, why } from "./acts.js";
import { ask, path } from "./api.js";
import { grouped } from "./format.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { t } from "./words.js";

// What is asked about is fixed when the dialog opens: nothing that opens meanwhile is closed unseen.
export function closingAll(store) {
  const rows = [...store.protections.values()].filter((each) => each.remaining > 0).map(({ id, symbol, side, remaining }) => ({ id, symbol, side, size: remaining }));
  const bare = (store.status.positions ?? []).map((each) => ({ ...each, n: each.size - each.covered })).filter((each) => each.n > 0);
  return { dialog: CloseAll, rows, bare };
}

function Answer({ of }) {
  if (of === null) return html`<b class="muted">${t("sending")}</b>`;
  return html`<b class=${of.bad ? "bad" : "good"}>${of.text}</b>`;
}

export function CloseAll({ act, store, back }) {
  const dialog = useRef(null);
  const [left, setLeft] = useState(new Set());
  const [answers, setAnswers] = useState(null); // id -> null while it is asked, else {bad, text}
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  const chosen = act.rows.filter((each) => !left.has(each.id));

  const choose = (id) => {
    const others = new Set(left);
    if (!others.delete(id)) others.add(id);
    setLeft(others);
  };
  const close = async ({ id }) => {
    try {
      await ask("POST", `api/protections/${path(id)}/close`);
      return { bad: false, text: t("close_sent") };
    } catch (error) {
      return { bad: true, text: why(error) };
    }
  };
  const go = async (event) => {
    event.preventDefault();
    if (answers) return;
    const old = tooOld(store);
    setTrouble(old);
    if (old) return;
    const found = new Map(chosen.map((each) => [each.id, null]));
    setAnswers(found);
    await Promise.all(chosen.map(async (each) => {
      found.set(each.id, await close(each));
      setAnswers(new Map(found));
    }));
    store.readSoon();
  };

  return html`<dialog ref=${dialog} class="wide" aria-labelledby="all-title" aria-describedby="all-says" onClose=${back}>
    <form onSubmit=${go}>
      <h2 id="all-title">${t("close_all")}</h2>
      <p id="all-says">${t(act.rows.length ? "close_all_what" : "close_all_none")}</p>
      <ul class="asked">${act.rows.map((each) => html`<li key=${each.id}>
        <label><input type="checkbox" checked=${!left.has(each.id)} disabled=${answers !== null} onChange=${() => choose(each.id)} />
          ${t("close_all_row", { ...each, side: t(each.side), size: grouped(each.size) })}</label>
        ${answers?.has(each.id) && html` <${Answer} of=${answers.get(each.id)} />`}
      </li>`)}</ul>
      ${act.bare.map((each) => html`<p class="warn">${t("close_all_bare", { ...each, side: t(each.side) })}</p>`)}
      <p class="trouble" role="alert">${trouble}</p>
      <div class="buttons">
        <button type="button" onClick=${() => dialog.current.close()}>${t(answers ? "close_leave" : "back")}</button>
        ${!answers && html`<button type="submit" class="danger" disabled=${!chosen.length}>${t("yes_close_n", { n: chosen.length })}</button>`}
      </div>
    </form>
  </dialog>`;
}
