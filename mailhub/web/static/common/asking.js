// One dialog for all questions.
import { byId, element } from "./dom.js";
import { say } from "./words.js";

const dialog = /** @type {HTMLDialogElement} */ (byId("asking"));
document.getElementById("asking-no")?.addEventListener("click", () => dialog.close("")); // no submit button: Enter means yes

/**
 * @param {string} title
 * @param {string | Node} body
 * @param {boolean} [question] false: nothing to say yes to
 * @returns {Promise<boolean>}
 */
export function confirm(title, body, question = true) {
  byId("asking-title").textContent = title;
  byId("asking-body").replaceChildren(typeof body === "string" ? element("p", {}, body) : body);
  byId("asking-yes").hidden = !question;
  dialog.setAttribute("aria-labelledby", "asking-title");
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
  });
}

/**
 * A line of text; "" where there is none.
 * @param {string} title
 * @param {string} label
 * @param {string} [value]
 * @param {string} [hint]
 * @returns {Promise<string>}
 */
export async function askFor(title, label, value = "", hint = "") {
  const field = /** @type {HTMLInputElement} */ (element("input", { type: "text", value, maxlength: "500", "aria-label": label }));
  const body = element("div", {}, field, element("p", {}, hint));
  const answer = confirm(title, body);
  field.select();
  return (await answer) ? field.value.trim() : "";
}

/**
 * One of several; null where none is chosen.
 * @template T
 * @param {string} title
 * @param {[string, T][]} choices
 * @returns {Promise<T | null>}
 */
export async function choose(title, choices) {
  /** @type {T | null} */
  let chosen = null;
  const filter = /** @type {HTMLInputElement} */ (element("input", { type: "search", "aria-label": say("filter"), placeholder: say("filter") }));
  const list = element("ul");
  for (const [name, value] of choices) {
    const button = element("button", { type: "button" }, name);
    button.onclick = () => {
      chosen = value;
      dialog.close("yes");
    };
    list.append(element("li", {}, button));
  }
  filter.oninput = () => {
    for (const item of list.children) /** @type {HTMLElement} */ (item).hidden = !item.textContent?.toLowerCase().includes(filter.value.toLowerCase());
  };
  filter.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = /** @type {HTMLElement | undefined} */ ([...list.children].find((item) => !(/** @type {HTMLElement} */ (item).hidden)));
    first?.querySelector("button")?.click();
  };
  const answer = confirm(title, element("div", {}, filter, list), false);
  filter.focus();
  await answer;
  return chosen;
}
