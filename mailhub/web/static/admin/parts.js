// What the pages are made of: actions of the server, tables, lists in pages, forms.
import { ask } from "../common/api.js";
import { confirm } from "../common/asking.js";
import { byId, element } from "../common/dom.js";
import { when } from "../common/format.js";
import { tell, wrong } from "../common/toast.js";
import { say } from "../common/words.js";

/** @typedef {Node | string | null | (Node | string)[]} Content */
/** @typedef {{name: string, kind?: string, cell: (row: any) => Content}} Column a cell of null is empty; `kind`: "number", "tight"; "acts": buttons, which need no heading to be seen */
/** @typedef {{name: string, label: string, type?: string, value?: string | boolean, hint?: string, required?: boolean, choices?: [string, string][], placeholder?: string}} Field */

/**
 * An action of the operator's interface.
 * @param {string} action "queue.list"
 * @param {Record<string, unknown>} [fields]
 * @returns {Promise<any>}
 */
export function act(action, fields = {}) {
  return ask("POST", action, fields);
}

/**
 * The page's heading, with what can be done beside it.
 * @param {string} text
 * @param {...Node} buttons
 */
export function heading(text, ...buttons) {
  const title = element("h1", { tabindex: "-1" }, text);
  return element("div", { class: "head" }, title, element("div", { class: "buttons" }, ...buttons));
}

/**
 * A part of a page with a heading of its own.
 * @param {string} text
 * @param {(Node | string)[]} content
 * @param {...Node} buttons
 */
export function section(text, content, ...buttons) {
  const id = `part-${(parts += 1)}`;
  const head = element("div", { class: "head" }, element("h2", { id }, text), element("div", { class: "buttons" }, ...buttons));
  return element("section", { "aria-labelledby": id }, head, ...content);
}
let parts = 0;

/**
 * @param {string} text
 * @param {() => unknown} what is done; a failure is told
 * @param {string} [kind] "main", "danger", "link"
 */
export function button(text, what, kind = "") {
  const made = /** @type {HTMLButtonElement} */ (element("button", { type: "button", class: kind }, text));
  made.onclick = async () => {
    made.disabled = true;
    try {
      await what();
    } catch (error) {
      wrong(error);
    } finally {
      made.disabled = false;
    }
  };
  return made;
}

/**
 * @param {string} href
 * @param {string} text
 */
export function link(href, text) {
  return element("a", { href }, text);
}

/**
 * The address of one thing's page.
 * @param {string} page
 * @param {string} what
 */
export function place(page, what) {
  return `#/${page}/${encodeURIComponent(what)}`;
}

/**
 * @param {"good" | "warn" | "bad" | ""} kind
 * @param {string} text
 */
export function badge(kind, text) {
  return element("span", { class: `badge ${kind}` }, text);
}

/**
 * @param {"good" | "warn" | "bad"} kind
 * @param {...(Node | string)} content
 */
export function notice(kind, ...content) {
  return element("div", { class: `said ${kind}`, role: kind === "bad" ? "alert" : false }, ...content);
}

/** @param {Content} content */
function nodes(content) {
  return Array.isArray(content) ? content : content === null ? [] : [content];
}

/**
 * A table that is a list of cards where there is no room for it.
 * @param {string} label
 * @param {Column[]} columns
 * @param {any[]} rows
 */
export function table(label, columns, rows) {
  const body = element("tbody", { role: "rowgroup" });
  const head = columns.map((one) => element("th", { scope: "col", role: "columnheader", class: one.kind ?? "" }, element("span", {}, one.name)));
  const made = element("table", { class: "rows", role: "table", "aria-label": label }, element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...head)), body);
  for (const row of rows) body.append(tableRow(columns, row));
  return made;
}

/**
 * @param {Column[]} columns
 * @param {any} row
 */
export function tableRow(columns, row) {
  const cell = (/** @type {Column} */ one) => {
    const content = nodes(one.cell(row));
    return element("td", { role: "cell", class: `${one.kind ?? ""} ${content.length ? "" : "none"}`, "data-name": one.kind?.includes("acts") ? "" : one.name }, ...content);
  };
  return element("tr", { role: "row" }, ...columns.map(cell));
}

/**
 * A list that is read page by page; one more at each press of its button.
 * @param {string} label
 * @param {Column[]} columns
 * @param {number} size rows of a page
 * @param {(after: any) => Promise<any[]>} read `after`: the last row that was read, null at first
 * @param {string} [none] what stands there where nothing is found
 */
export async function list(label, columns, size, read, none = say("nothing")) {
  const holder = element("div");
  const rows = await read(null);
  if (!rows.length) {
    holder.append(element("p", { class: "empty" }, none));
    return holder;
  }
  const made = table(label, columns, rows);
  const count = element("span", { class: "quiet small", role: "status" }, say("shown", { count: rows.length }));
  const foot = element("div", { class: "more" }, count);
  let last = rows.at(-1);
  if (rows.length === size) {
    const more = button(say("more"), async () => {
      const found = await read(last);
      made.querySelector("tbody")?.append(...found.map((row) => tableRow(columns, row)));
      rows.push(...found);
      last = rows.at(-1);
      count.textContent = say("shown", { count: rows.length });
      if (found.length < size) more.remove();
    });
    foot.prepend(more);
  }
  holder.append(made, foot);
  return holder;
}

/**
 * A field that filters a list, with a moment's patience while somebody types.
 * @param {string} label
 * @param {string} value
 * @param {(text: string) => unknown} changed
 */
export function filterField(label, value, changed) {
  const field = /** @type {HTMLInputElement} */ (element("input", { type: "search", value, maxlength: "200", spellcheck: "false", autocomplete: "off" }));
  let waiting = 0;
  field.oninput = () => {
    clearTimeout(waiting);
    waiting = window.setTimeout(() => changed(field.value.trim()), 250);
  };
  return element("label", {}, label, field);
}

/**
 * @param {[string, Content][]} rows
 */
export function facts(rows) {
  const made = element("dl", { class: "facts" });
  for (const [name, content] of rows) made.append(element("dt", {}, name), element("dd", {}, ...nodes(content)));
  return made;
}

/** @param {[string, string, string?][]} rows name, figure, and what stands below it */
export function cards(rows) {
  const made = element("dl", { class: "cards" });
  for (const [name, figure, below] of rows)
    made.append(element("div", {}, element("dt", {}, name), element("dd", {}, figure, ...(below ? [element("small", {}, below)] : []))));
  return made;
}

/**
 * Ask first, then do it and say so.
 * @param {string} title
 * @param {string} text
 * @param {() => Promise<unknown>} what
 * @param {string} done
 * @returns {Promise<boolean>} whether it was done
 */
export async function sure(title, text, what, done) {
  if (!(await confirm(title, text))) return false;
  await what();
  tell(done);
  return true;
}

/**
 * What follows where something was done.
 * @param {() => unknown} what
 * @returns {(done: boolean) => Promise<void>}
 */
export function ifDone(what) {
  return async (done) => {
    if (done) await what();
  };
}

/** @param {string} text */
export function copyButton(text) {
  return button(say("copy"), async () => {
    await navigator.clipboard.writeText(text);
    tell(say("copied"));
  });
}

// --- forms

const dialog = /** @type {HTMLDialogElement} */ (byId("form-dialog"));
const form = /** @type {HTMLFormElement} */ (byId("form"));
const said = byId("form-said");

/**
 * Ask for several values; what the server has against them is told above them.
 * @param {string} title
 * @param {Field[]} fields
 * @param {(values: Record<string, any>) => Promise<unknown>} submit
 * @returns {Promise<boolean>} whether it was done
 */
export function filled(title, fields, submit) {
  byId("form-title").textContent = title;
  said.textContent = "";
  byId("form-fields").replaceChildren(...fields.map(drawn));
  let done = false;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const doing = /** @type {HTMLButtonElement} */ (byId("form-do"));
    doing.disabled = true;
    said.textContent = "";
    try {
      await submit(Object.fromEntries(fields.map((one) => [one.name, valueOf(one)])));
      done = true;
      dialog.close();
    } catch (error) {
      said.textContent = error instanceof Error ? error.message : String(error);
      control(fields[0]?.name ?? "")?.focus();
    } finally {
      doing.disabled = false;
    }
  };
  byId("form-cancel").onclick = () => dialog.close();
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      byId("form-fields").replaceChildren();
      resolve(done);
    };
  });
}

/** @param {string} name */
function control(name) {
  return /** @type {HTMLInputElement | null} */ (form.elements.namedItem(name));
}

/** @param {Field} field */
function valueOf(field) {
  const found = control(field.name);
  if (!found) return "";
  if (field.type === "checkbox") return found.checked;
  return field.type === "password" ? found.value : found.value.trim();
}

/** @param {Field} field */
function drawn(field) {
  const { name, label, type = "text", value = "", hint = "", required = false, choices, placeholder = "" } = field;
  const below = hint ? [element("span", { class: "hint" }, hint)] : [];
  if (type === "checkbox") return element("label", { class: "check" }, element("input", { type, name, checked: value === true }), label, ...below);
  if (choices) {
    const options = choices.map(([key, text]) => element("option", { value: key, selected: key === value }, text));
    return element("label", {}, element("span", {}, label), element("select", { name }, ...options), ...below);
  }
  if (type === "textarea") return element("label", {}, element("span", {}, label), element("textarea", { name, required, rows: "5", spellcheck: "false" }, String(value)), ...below);
  const shared = { name, type, value: String(value), required, placeholder, spellcheck: "false", autocapitalize: "none" };
  if (type !== "password") return element("label", {}, element("span", {}, label), element("input", { ...shared, autocomplete: "off", maxlength: "1000", ...(type === "number" ? { min: "0", step: "any" } : {}) }), ...below);
  const input = /** @type {HTMLInputElement} */ (element("input", { ...shared, autocomplete: "new-password", maxlength: "1000" }));
  const make = button(say("generate"), () => {
    input.type = "text";
    input.value = generated();
    input.select();
  });
  return element("div", {}, element("label", {}, element("span", {}, label), input), element("div", { class: "beside" }, element("span", {}, ...below), make));
}

function generated() {
  const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"; // 56: none that is taken for another
  const made = [];
  while (made.length < 20) {
    const [n = 0] = crypto.getRandomValues(new Uint8Array(1));
    if (n < 224) made.push(letters[n % 56]); // 4 * 56: each as likely as the others
  }
  return made.join("");
}

// --- figures

export const locale = () => navigator.languages.find((tag) => tag.startsWith(document.documentElement.lang)) ?? document.documentElement.lang;

/**
 * @param {number} value
 * @param {number} [digits] behind the point
 */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

/**
 * @param {number} seconds
 * @param {"short" | "narrow"} [unitDisplay]
 * @returns {string} "3 days", "4 hrs", "120 ms": one unit
 */
export function lasting(seconds, unitDisplay = "short") {
  const steps = /** @type {[number, string][]} */ ([[86_400, "day"], [3_600, "hour"], [60, "minute"], [1, "second"]]);
  const [unit, name] = steps.find(([one]) => seconds >= one) ?? [0.001, "millisecond"];
  return new Intl.NumberFormat(locale(), { style: "unit", unit: name, unitDisplay, maximumFractionDigits: seconds / unit < 10 ? 1 : 0 }).format(seconds / unit);
}

/** @param {number} seconds since 1970; in short, where there is little room */
export function shortly(seconds) {
  return element("time", { title: at(seconds), datetime: new Date(seconds * 1000).toISOString() }, when(seconds));
}

/** @param {number} seconds since 1970 */
export function at(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(seconds * 1000));
}
