// Asks the engine: JSON by fetch, and the stream of events read by fetch too, so that both carry the token.
// Addresses are relative to the page, so that it works behind a prefix.

const KEY = "bitmart-engine token";

export class Refused extends Error {
  constructor(status, message, field) {
    super(message);
    this.status = status;
    this.field = field ?? null;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

function address(path) {
  return new URL(path.replace(/^\//, ""), document.baseURI);
}

function headers(more = {}) {
  const known = token.get();
  return known ? { ...more, Authorization: `Bearer ${known}` } : more;
}

const COMMON = { cache: "no-store", credentials: "same-origin", redirect: "error", referrerPolicy: "no-referrer" };

// The answer's object. Throws Refused; status 0 says that no answer came, so that nobody knows whether it was done.
export async function ask(method, path, body, withinMs = 10000) {
  const asked = { ...COMMON, method, headers: headers(), signal: AbortSignal.timeout(withinMs) };
  if (body !== undefined) {
    asked.headers = headers({ "Content-Type": "application/json" });
    asked.body = JSON.stringify(body);
  }
  let answer, text;
  try {
    answer = await fetch(address(path), asked);
    text = await answer.text();
  } catch {
    throw new Refused(0, "no answer");
  }
  let said = null;
  try {
    said = JSON.parse(text);
  } catch {
    // whatever stands between the page and the engine may answer in its own words
  }
  if (said === null || typeof said !== "object") throw new Refused(answer.status || 0, `HTTP ${answer.status}`);
  if (!answer.ok || said.ok !== true) throw new Refused(answer.status, String(said.error ?? `HTTP ${answer.status}`), said.field);
  return said;
}

export const get = (path) => ask("GET", path);

// Reads GET /events until it ends or is silent for `silentMs`; returns why. `heard` is called for every piece, heartbeats too.
export async function readEvents({ after, heard, told, silentMs, stop }) {
  const giveUp = new AbortController();
  const leave = () => giveUp.abort();
  stop.addEventListener("abort", leave);
  let timer = setTimeout(() => giveUp.abort(), silentMs);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => giveUp.abort(), silentMs);
    heard();
  };
  try {
    const path = after ? `events?last_event_id=${encodeURIComponent(after)}` : "events";
    const answer = await fetch(address(path), { ...COMMON, headers: headers({ Accept: "text/event-stream" }), signal: giveUp.signal });
    if (!answer.ok) return { status: answer.status };
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return { status: 200 };
      alive();
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      const events = parts.map(parsed).filter((each) => each !== null);
      if (events.length) told(events);
    }
  } catch {
    return { status: 0 };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", leave);
    giveUp.abort();
  }
}

function parsed(block) {
  const data = block
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trimStart())
    .join("\n");
  if (!data) return null;
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

export const path = (...parts) => parts.map(encodeURIComponent).join("/");
