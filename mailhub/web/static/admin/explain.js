// What would become of a message: the real checks, asked about one that is not taken.
import { element } from "../common/dom.js";
import { wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import { lines } from "./account.js";
import { act, badge, heading, notice, number, section, table } from "./parts.js";

/** @type {import("./main.js").Show} */
export async function show(holder) {
  const field = (/** @type {string} */ name, /** @type {Record<string, string | boolean>} */ more = {}) => element("label", {}, say(name), element("input", { name, maxlength: "1000", spellcheck: "false", autocapitalize: "none", ...more }));
  const form = /** @type {HTMLFormElement} */ (element("form", { class: "explain" },
    field("client", { required: true, placeholder: "192.0.2.7" }), field("helo"), field("login"), field("sender"), field("recipients", { required: true }),
    element("label", { class: "wide" }, say("messageText"), element("textarea", { name: "message", rows: "6", spellcheck: "false", placeholder: "Subject: ..." })),
    element("button", { class: "main" }, say("explainDo"))));
  const found = element("div", { "aria-live": "polite" });
  form.onsubmit = async (event) => {
    event.preventDefault();
    const asked = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
    const message = asked.message ? base64(asked.message.replace(/\r?\n/g, "\r\n")) : null;
    try {
      found.replaceChildren(...drawn(await act("explain", { ...asked, recipients: lines(asked.recipients ?? ""), message })));
    } catch (error) {
      found.replaceChildren();
      wrong(error);
    }
  };
  holder.append(heading(say("explain")), element("p", { class: "quiet" }, say("explainWhy")), form, found);
}

/** @param {string} text */
function base64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (one) => String.fromCharCode(one)).join(""));
}

/** @param {any} told */
function drawn(told) {
  const replies = [
    { name: say("command"), cell: (/** @type {any} */ one) => element("code", {}, one.command) },
    { name: say("reply"), cell: (/** @type {any} */ one) => [badge(one.reply.startsWith("2") || one.reply.startsWith("3") ? "good" : one.reply.startsWith("4") ? "warn" : "bad", one.reply.slice(0, 3)), ` ${one.reply.slice(3)}`] },
  ];
  const rules = [
    { name: say("stage"), cell: (/** @type {any} */ one) => one.stage },
    { name: say("rule"), cell: (/** @type {any} */ one) => element("code", {}, one.rule) },
    { name: say("answer"), cell: (/** @type {any} */ one) => one.answer },
    { name: say("score"), kind: "number", cell: (/** @type {any} */ one) => (one.score ? number(one.score, 1) : "") },
    { name: say("why"), cell: (/** @type {any} */ one) => one.reason },
  ];
  const way = [
    { name: say("address"), cell: (/** @type {any} */ one) => one.address },
    { name: say("way"), cell: (/** @type {any} */ one) => [one.way, ...(one.by ? [element("div", { class: "quiet small" }, one.by)] : [])] },
    { name: say("to"), cell: (/** @type {any} */ one) => one.to },
  ];
  const parts = [notice(/^refused/.test(told.fate) ? "bad" : /^put off|held|thrown/.test(told.fate) ? "warn" : "good", told.fate), section(say("replies"), [table(say("replies"), replies, told.replies)])];
  if (told.way.length) parts.push(section(say("way"), [table(say("way"), way, told.way)]));
  if (told.rules.length) parts.push(section(say("rules"), [table(say("rules"), rules, told.rules)]));
  return parts;
}
