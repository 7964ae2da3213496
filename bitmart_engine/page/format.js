// Numbers and times as people read them. Prices stay the engine's own text: nothing is rounded that is shown as a price.
import { language } from "./words.js";

const pad = (number) => String(number).padStart(2, "0");

export function utc(ms, withDay = false) {
  const at = new Date(ms).toISOString();
  return withDay || !sameDay(ms) ? `${at.slice(0, 10)} ${at.slice(11, 19)}` : at.slice(11, 19);
}

export function local(ms) {
  const at = new Date(ms);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

// For the title of a time: both clocks in full.
export function bothClocks(ms) {
  return `${new Date(ms).toISOString().replace("T", " ").slice(0, 19)} UTC, ${new Date(ms).toLocaleString(language())}`;
}

const sameDay = (ms) => new Date(ms).toISOString().slice(0, 10) === new Date().toISOString().slice(0, 10);

export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function grouped(text) {
  if (text === null || text === undefined) return "–";
  const [whole, rest] = String(text).split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  return rest === undefined ? spaced : `${spaced}.${rest}`;
}

export const decimals = (text) => (String(text).split(".")[1] ?? "").length;

export const percent = (share) => (Math.abs(share) * 100).toFixed(2);

// A price as somebody typed it, or null: digits and one point (or comma), nothing else.
export function typedPrice(text) {
  const plain = String(text).trim().replace(/[\s\u202f]/g, "").replace(",", ".");
  return /^\d+(\.\d+)?$/.test(plain) && Number(plain) > 0 ? plain : null;
}

// Metadata in one line, of bounded length.
export function oneLine(value, longest = 120) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

// An amount of USDT to the cent; `signed` shows a plus too. It is rounded: to be read, never to be sent.
export function usdt(amount, signed = false) {
  const value = Number(amount);
  if (amount === null || amount === undefined || !Number.isFinite(value)) return "–";
  const said = grouped(Math.abs(value).toFixed(2));
  const less = value < 0 && Math.abs(value) >= 0.005;
  return less ? `−${said}` : signed && value >= 0.005 ? `+${said}` : said;
}
