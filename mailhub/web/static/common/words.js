// The words of the page, in the reader's language: one JSON file a language.
import { root } from "./api.js";

const LANGUAGES = ["en", "zh"];
/** @type {Record<string, string>} */
let words = {};
export let language = "en";

/**
 * Read the words of a page and put them where the document asks for them.
 * @param {string} page the folder that has them
 */
export async function load(page) {
  const kept = localStorage.getItem("language");
  const wanted = [kept ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase());
  language = wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en";
  words = await (await fetch(`${root}/static/${page}/${language}.json`)).json();
  document.documentElement.lang = language;
  fill(document);
}

/**
 * The words of a part of the page beside those that are there.
 * @param {string} part the folder that has them
 */
export async function more(part) {
  words = { ...words, ...(await (await fetch(`${root}/static/${part}/${language}.json`)).json()) };
}

/**
 * A phrase, with {name} replaced by what is given.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function say(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * Fill in data-word (text), data-label (aria-label and title) and data-hint (placeholder).
 * @param {ParentNode} within
 */
export function fill(within) {
  for (const one of within.querySelectorAll("[data-word]")) one.textContent = say(one.getAttribute("data-word") ?? "");
  for (const one of within.querySelectorAll("[data-label]")) {
    const text = say(one.getAttribute("data-label") ?? "");
    one.setAttribute("aria-label", text);
    one.setAttribute("title", text);
  }
  for (const one of within.querySelectorAll("[data-hint]")) one.setAttribute("placeholder", say(one.getAttribute("data-hint") ?? ""));
}
