// Filters: rules in their order, made of conditions and of what is done then.
import { element } from "../../common/dom.js";
import { icon } from "../../common/icons.js";
import { say } from "../../common/words.js";
import { state } from "../state.js";
import { byHand, load, save, sieve } from "./filters.js";
import { button, check, field, input, select, tell } from "./parts.js";

/** @typedef {import("./filters.js").Rule} Rule */
const WHAT = ["from", "to", "subject", "list", "header", "body", "size"];
const HOW = ["contains", "is", "matches"];
const DO = ["move", "copy", "label", "read", "star", "forward", "redirect", "reject", "discard", "stop"];
const PLAIN = new Set(["read", "star", "discard", "stop"]); // need nothing said

/** @type {{rules: Rule[], before: string} | null} what was typed, kept until it is saved or thrown away */
let typed = null;

/** Whether rules were changed and not saved. */
export function unsaved() {
  return typed !== null && JSON.stringify(typed.rules) !== typed.before;
}

/** @param {HTMLElement} into */
export async function draw(into) {
  const found = await load();
  const kept = typed && unsaved() ? typed : null;
  typed = kept ?? { rules: found.form.rules, before: JSON.stringify(found.form.rules) };
  const rules = (found.form.rules = typed.rules);
  const note = element("p", { class: "hand unsaved" }, say("s-unsavedRules"), " ", button(say("s-dropRules"), async () => {
    typed = null;
    into.replaceChildren(...[...into.children].slice(0, 1)); // the heading stays
    await draw(into);
  }));
  if (kept) into.append(note);
  const list = element("ol", { class: "rules" });
  const redraw = (/** @type {Rule} */ opened) => {
    list.replaceChildren(...rules.map((one) => card(one, rules, redraw, one === opened)));
    if (!rules.length) list.append(element("li", { class: "hint" }, say("s-noRules")));
  };
  redraw(/** @type {Rule} */ ({}));
  const folders = element("datalist", { id: "settings-folders" }, ...state.folders.map((one) => element("option", { value: one.name })));
  const add = button(say("s-addRule"), async () => {
    const fresh = { name: "", enabled: true, all: true, conditions: [condition()], actions: [{ what: "move", value: "" }] };
    rules.push(fresh);
    redraw(fresh);
    /** @type {HTMLElement | null} */ (list.lastElementChild?.querySelector("input[type=text]"))?.focus();
  });
  const keep = button(
    say("s-save"),
    async () => {
      for (const one of rules) one.name ||= say("s-ruleUnnamed");
      if (!(await save(found.form, found))) return;
      redraw(/** @type {Rule} */ ({}));
      typed = { rules, before: JSON.stringify(rules) };
      for (const one of into.querySelectorAll(".hand")) one.remove();
      return say("s-saved");
    },
    { class: "main" },
  );
  into.append(byHand(found), element("p", { class: "hint" }, say("s-rulesHint")), list, folders, element("p", { class: "tools" }, add, keep), sieve(() => found.form));
}

function condition() {
  return { what: "from", how: "contains", value: "", header: "", negated: false };
}

/**
 * @param {Rule} rule
 * @param {Rule[]} rules
 * @param {(opened: Rule) => void} redraw
 * @param {boolean} opened
 */
function card(rule, rules, redraw, opened) {
  const at = rules.indexOf(rule);
  const named = () => rule.name || say("s-ruleUnnamed");
  const go = (/** @type {number} */ to) => {
    if (to < 0 || to >= rules.length) return;
    rules.splice(to, 0, ...rules.splice(rules.indexOf(rule), 1));
    redraw(rule);
    tell(say("s-movedTo", { name: named(), place: to + 1 }));
  };
  const title = element("b", {}, named());
  const on = check(say("s-on"), rule.enabled);
  on.box.onchange = () => (rule.enabled = on.box.checked);
  const name = input({ type: "text", maxlength: "100", value: rule.name });
  name.oninput = () => {
    rule.name = name.value.trim();
    title.textContent = named();
  };
  const several = select(rule.all ? "all" : "any", [["all", say("s-all")], ["any", say("s-any")]], { "aria-label": say("s-when") });
  several.onchange = () => (rule.all = several.value === "all");
  const conditions = element("div", { class: "lines" });
  const actions = element("div", { class: "lines" });
  const inside = () => {
    conditions.replaceChildren(...rule.conditions.map((one) => conditionLine(one, () => (rule.conditions = rule.conditions.filter((other) => other !== one)), inside)));
    actions.replaceChildren(...rule.actions.map((one) => actionLine(one, rule.actions.length > 1 ? () => (rule.actions = rule.actions.filter((other) => other !== one)) : null, inside)));
  };
  inside();
  const more = button(say("s-addCondition"), async () => {
    rule.conditions.push(condition());
    inside();
  });
  const then = button(say("s-addAction"), async () => {
    rule.actions.push({ what: "stop", value: "" });
    inside();
  });
  const summary = element("summary", {}, title, element("small", {}, rule.enabled ? "" : say("s-off")));
  const body = element("details", { open: opened }, summary, element("div", { class: "rule" }, field(say("s-ruleName"), name), on.label, element("p", {}, say("s-when"), " ", several), conditions, more, element("p", {}, say("s-then")), actions, then));
  const up = small("s-up", "↑", () => go(rules.indexOf(rule) - 1));
  const down = small("s-down", "↓", () => go(rules.indexOf(rule) + 1));
  up.disabled = at === 0;
  down.disabled = at === rules.length - 1;
  const remove = small("s-removeRule", icon("delete"), () => {
    rules.splice(rules.indexOf(rule), 1);
    redraw(rule);
  });
  for (const one of [up, down, remove]) one.setAttribute("aria-label", `${one.title}: ${named()}`);
  const grip = element("span", { class: "grip", draggable: "true", title: say("s-drag"), "aria-hidden": "true" }, "⠿");
  const item = element("li", {}, element("div", { class: "head" }, grip, body, element("span", { class: "order" }, up, down, remove)));
  grip.ondragstart = (event) => event.dataTransfer?.setData("text/x-mailhub-rule", String(rules.indexOf(rule)));
  item.ondragover = (event) => {
    if (!event.dataTransfer?.types.includes("text/x-mailhub-rule")) return;
    event.preventDefault();
    item.classList.add("over");
  };
  item.ondragleave = () => item.classList.remove("over");
  item.ondrop = (event) => {
    const from = rules[Number(event.dataTransfer?.getData("text/x-mailhub-rule"))];
    if (!from) return;
    event.preventDefault();
    const to = rules.indexOf(rule);
    rules.splice(to, 0, ...rules.splice(rules.indexOf(from), 1));
    redraw(/** @type {Rule} */ ({}));
  };
  return item;
}

/**
 * @param {import("./filters.js").Condition} one
 * @param {() => void} drop
 * @param {() => void} redraw
 */
function conditionLine(one, drop, redraw) {
  const what = select(one.what, WHAT.map((name) => [name, say(`s-what-${name}`)]), { "aria-label": say("s-what") });
  what.onchange = () => {
    one.what = what.value;
    one.how = one.what === "size" ? "over" : one.how === "over" || one.how === "under" ? "contains" : one.how;
    redraw();
  };
  const ways = one.what === "size" ? ["over", "under"] : HOW.flatMap((name) => [name, `not-${name}`]);
  const how = select(one.negated && one.what !== "size" ? `not-${one.how}` : one.how, ways.map((name) => [name, say(`s-how-${name}`)]), { "aria-label": say("s-how") });
  how.onchange = () => {
    one.negated = how.value.startsWith("not-");
    one.how = how.value.replace("not-", "");
  };
  const value = input({ type: "text", maxlength: "500", value: one.value, "aria-label": say("s-value"), placeholder: one.what === "size" ? "10M" : "" });
  value.oninput = () => (one.value = value.value);
  const header = input({ type: "text", maxlength: "76", value: one.header, "aria-label": say("s-header"), placeholder: "X-Spam-Flag" });
  header.oninput = () => (one.header = header.value.trim());
  const remove = small("s-removeCondition", icon("close"), () => {
    drop();
    redraw();
  });
  return element("div", { class: "line" }, what, ...(one.what === "header" ? [header] : []), how, value, remove);
}

/**
 * @param {import("./filters.js").Action} one
 * @param {(() => void) | null} drop
 * @param {() => void} redraw
 */
function actionLine(one, drop, redraw) {
  const what = select(one.what, DO.map((name) => [name, say(`s-do-${name}`)]), { "aria-label": say("s-action") });
  what.onchange = () => {
    one.what = what.value;
    one.value = "";
    redraw();
  };
  const parts = [what];
  if (!PLAIN.has(one.what)) {
    const mail = one.what === "forward" || one.what === "redirect";
    const value = input({ type: mail ? "email" : "text", maxlength: mail ? "320" : "500", value: one.value, "aria-label": say(`s-value-${one.what === "copy" ? "move" : mail ? "forward" : one.what}`) });
    value.placeholder = value.getAttribute("aria-label") ?? "";
    if (one.what === "move" || one.what === "copy") value.setAttribute("list", "settings-folders");
    value.oninput = () => (one.value = value.value);
    parts.push(/** @type {any} */ (value));
  }
  if (drop)
    parts.push(
      /** @type {any} */ (
        small("s-removeAction", icon("close"), () => {
          drop();
          redraw();
        })
      ),
    );
  return element("div", { class: "line" }, ...parts);
}

/**
 * @param {string} word
 * @param {string | Node} drawing
 * @param {() => void} work
 */
function small(word, drawing, work) {
  const made = /** @type {HTMLButtonElement} */ (element("button", { type: "button", class: "plain", "aria-label": say(word), title: say(word) }, drawing));
  made.onclick = work;
  return made;
}
