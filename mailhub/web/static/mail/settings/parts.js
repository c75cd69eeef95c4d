// What the sections are made of.
import { ask } from "../../common/api.js";
import { element } from "../../common/dom.js";
import { say } from "../../common/words.js";
import { apply } from "../preferences.js";
import { state } from "../state.js";

/** What was done last, in words. */
export const told = element("p", { class: "told", role: "status" });

/** @param {unknown} error */
export function wrong(error) {
  told.className = "told bad";
  told.textContent = String(error instanceof Error ? error.message : error);
}

/** @param {string} text */
export function tell(text) {
  told.className = "told";
  told.textContent = text;
}

/**
 * A control with its name before it.
 * @param {string} text
 * @param {HTMLElement} control
 * @param {string} [hint]
 */
export function field(text, control, hint = "") {
  const label = element("label", { class: "field" }, element("span", {}, text), control);
  if (!hint) return label;
  hints += 1;
  control.setAttribute("aria-describedby", `hint-${hints}`);
  return element("div", { class: "hinted" }, label, element("small", { id: `hint-${hints}` }, hint));
}

let hints = 0;

/**
 * @param {Record<string, string | boolean>} attributes
 * @returns {HTMLInputElement}
 */
export function input(attributes) {
  return /** @type {HTMLInputElement} */ (element("input", { autocomplete: "off", ...attributes }));
}

/**
 * @param {string} value
 * @param {[string, string][]} choices value and words
 * @param {Record<string, string | boolean>} [attributes]
 */
export function select(value, choices, attributes = {}) {
  const made = /** @type {HTMLSelectElement} */ (element("select", attributes, ...choices.map(([key, text]) => element("option", { value: key }, text))));
  made.value = value;
  return made;
}

/**
 * @param {string} text
 * @param {boolean} checked
 */
export function check(text, checked) {
  const box = input({ type: "checkbox" });
  box.checked = checked;
  return { box, label: element("label", { class: "check" }, box, " ", text) };
}

/**
 * A button whose work is told of, and that is not pressed twice.
 * @param {string} text
 * @param {() => Promise<string | void>} work what is to be said when it is done
 * @param {Record<string, string>} [attributes]
 */
export function button(text, work, attributes = {}) {
  const made = /** @type {HTMLButtonElement} */ (element("button", { type: "button", ...attributes }, text));
  made.onclick = () => void doing(made, work);
  return made;
}

/**
 * A form that is sent by its button or by Enter.
 * @param {string} text of the button
 * @param {() => Promise<string | void>} work
 * @param {...(HTMLElement | string)} inside
 */
export function form(text, work, ...inside) {
  const send = /** @type {HTMLButtonElement} */ (element("button", { class: "main" }, text));
  const made = element("form", {}, ...inside, element("p", {}, send));
  made.onsubmit = (event) => {
    event.preventDefault();
    void doing(send, work);
  };
  return made;
}

/**
 * @param {HTMLButtonElement} pressed
 * @param {() => Promise<string | void>} work
 */
async function doing(pressed, work) {
  pressed.disabled = true;
  tell("");
  try {
    tell((await work()) ?? "");
  } catch (error) {
    wrong(error);
  } finally {
    pressed.disabled = false;
  }
}

/**
 * Keep preferences, and put them into force.
 * @param {import("../state.js").Preferences} wanted
 */
export async function save(wanted) {
  state.preferences = await ask("PUT", "own/preferences", wanted);
  apply();
}
