// What the page says, in the language chosen. `t` fills in {names}; what has no words in French is said in English.
import { NAMES as ENGLISH } from "./words/english.js";
import { SAID as ENGLISH_SAID } from "./words/english_said.js";
import { NAMES as FRENCH } from "./words/french.js";
import { SAID as FRENCH_SAID } from "./words/french_said.js";

const KEY = "bitmart-engine language";
const LANGUAGES = { en: { ...ENGLISH, ...ENGLISH_SAID }, fr: { ...FRENCH, ...FRENCH_SAID } };
export const NAMES = { en: "English", fr: "Français" };

const kept = localStorage.getItem(KEY);
const ofBrowser = (navigator.language ?? "en").toLowerCase().startsWith("fr") ? "fr" : "en";
let chosen = Object.hasOwn(LANGUAGES, kept ?? "") ? kept : ofBrowser;

export const language = () => chosen;

export function speak(name) {
  if (!Object.hasOwn(LANGUAGES, name)) return;
  chosen = name;
  localStorage.setItem(KEY, name);
  document.documentElement.lang = name;
}

export const has = (key) => Object.hasOwn(LANGUAGES.en, key);

export function t(key, values = {}) {
  const known = [LANGUAGES[chosen], LANGUAGES.en].find((each) => Object.hasOwn(each, key));
  const text = known ? known[key] : String(key);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

// A word of the engine (a state, a side, a reason) in the language chosen; as it is, where it is none that the page knows.
export const word = (prefix, name) => (has(`${prefix}${name}`) ? t(`${prefix}${name}`) : String(name));
