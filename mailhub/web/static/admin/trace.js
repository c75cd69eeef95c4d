// What became of a message: looked for by its id, its Message-ID or an address.
import { element } from "../common/dom.js";
import { say } from "../common/words.js";
import { act, at, badge, heading, link, place, section } from "./parts.js";

/** @type {Record<string, "good" | "warn" | "bad" | "">} */
const KINDS = { refused: "bad", operator: "warn" };

/** @type {import("./main.js").Show} `what`: what is looked for */
export async function show(holder, left, what) {
  const field = /** @type {HTMLInputElement} */ (element("input", { type: "search", value: what, required: true, maxlength: "1000", spellcheck: "false" }));
  const form = /** @type {HTMLFormElement} */ (element("form", { class: "filter", role: "search" }, element("label", {}, say("traceWhat"), field), element("button", { class: "main" }, say("show"))));
  form.onsubmit = (event) => {
    event.preventDefault();
    location.hash = place("trace", field.value.trim());
  };
  const found = element("div");
  holder.append(heading(say("trace")), form, found);
  if (!what) return field.focus();
  const messages = /** @type {any[]} */ ((await act("trace.find", { what })).messages);
  if (!messages.length) found.append(element("p", { class: "empty" }, say("noTrace")));
  for (const one of messages) found.append(section(one.id || say("refusedOne"), [steps(one.steps)], ...(one.id ? [link(place("queue", one.id), say("open"))] : [])));
}

/** @param {{at: number, stage: string, text: string}[]} found */
export function steps(found) {
  const list = element("ol", { class: "steps", "aria-live": "polite" });
  for (const one of found) {
    const kind = one.stage === "attempted" ? (/status=sent\b/.test(one.text) ? "good" : "warn") : KINDS[one.stage] ?? "";
    list.append(element("li", {}, element("span", { class: "quiet small time" }, at(one.at)), badge(kind, say(`stage-${one.stage}`)), element("span", { class: "text" }, one.text)));
  }
  return list;
}
