// The form of filters and of the reply for absences, as the server keeps it.
import { ask } from "../../common/api.js";
import { confirm } from "../../common/asking.js";
import { element } from "../../common/dom.js";
import { say } from "../../common/words.js";

/** @typedef {{what: string, how: string, value: string, header: string, negated: boolean}} Condition */
/** @typedef {{what: string, value: string}} Action */
/** @typedef {{name: string, actions: Action[], conditions: Condition[], all: boolean, enabled: boolean}} Rule */
/** @typedef {{enabled: boolean, subject: string, text: string, days: number, since: string, until: string, zone: string}} Absence */
/** @typedef {{rules: Rule[], absence: Absence}} Form */
/** @typedef {{form: Form, script: string, by_hand: {name: string, text: string} | null}} Filters */

/** @returns {Promise<Filters>} */
export function load() {
  return ask("GET", "own/filters");
}

/**
 * Keep it; asked first where a script that was written by hand is in force. false: nothing was kept.
 * @param {Form} form
 * @param {Filters} before
 */
export async function save(form, before) {
  const replace = before.by_hand !== null;
  if (replace && !(await confirm(say("s-byHandTitle"), say("s-byHandSure", { name: before.by_hand?.name ?? "" })))) return false;
  /** @type {Filters} */
  const kept = await ask("PUT", "own/filters", { form, replace });
  before.by_hand = kept.by_hand;
  return true;
}

/**
 * What is in force instead of the form, where there is such a script.
 * @param {Filters} found
 */
export function byHand(found) {
  if (!found.by_hand) return element("div");
  return element(
    "div",
    { class: "hand" },
    element("p", {}, say("s-byHand", { name: found.by_hand.name })),
    element("details", {}, element("summary", {}, say("s-byHandShow")), element("pre", { tabindex: "0" }, found.by_hand.text)),
  );
}

/**
 * The form as Sieve, made when it is looked at.
 * @param {() => Form} form
 */
export function sieve(form) {
  const text = element("pre", { tabindex: "0", role: "region", "aria-label": "Sieve" });
  const box = /** @type {HTMLDetailsElement} */ (element("details", {}, element("summary", {}, say("s-showSieve")), text));
  box.ontoggle = async () => {
    if (!box.open) return;
    try {
      const made = await ask("POST", "own/filters/script", form());
      text.textContent = made.script.split("\r\n").slice(1).join("\n") || say("s-nothingYet"); // the first line is the form itself
    } catch (error) {
      text.textContent = String(error instanceof Error ? error.message : error);
    }
  };
  return box;
}
