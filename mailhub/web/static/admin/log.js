// The log as it is written, and the steps of messages as they happen.
import { API } from "../common/api.js";
import { element } from "../common/dom.js";
import { say } from "../common/words.js";
import { badge, button, heading, link, place } from "./parts.js";

const KEPT = 1_000; // lines
const STAGES = ["refused", "accepted", "judged", "attempted", "expanded", "reported", "operator", "fetched"];
/** @type {Record<string, "good" | "warn" | "bad" | "">} */
const KINDS = { warning: "warn", error: "bad", critical: "bad", refused: "bad" };

/** @type {import("./main.js").Show} */
export async function show(holder, left) {
  const lines = element("div", { class: "log", role: "log", tabindex: "0", "aria-label": say("log"), "aria-live": "off" });
  const state = element("span", { role: "status" });
  /** @type {EventSource | null} */
  let events = null;
  const pick = (/** @type {string} */ name, /** @type {[string, string][]} */ choices, /** @type {string} */ chosen) => element("label", {}, say(name), element("select", { name }, ...choices.map(([value, text]) => element("option", { value, selected: value === chosen }, text))));
  const field = (/** @type {string} */ name, word = name) => element("label", {}, say(word), element("input", { name, maxlength: "200", spellcheck: "false", autocapitalize: "none" }));
  const form = /** @type {HTMLFormElement} */ (element("form", { class: "filter", role: "search" },
    pick("follow", [["log", say("logLines")], ["trace", say("messageSteps")]], "log"),
    pick("level", ["debug", "info", "warning", "error"].map((one) => [one, say(`level-${one}`)]), "info"),
    pick("stage", [["", say("any")], .../** @type {[string, string][]} */ (STAGES.map((one) => [one, say(`stage-${one}`)]))], ""),
    field("recipient"), field("messageId"), field("text", "contains"), element("button", { class: "main" }, say("show"))));
  const value = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value.trim();
  const label = (/** @type {string} */ name) => /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (form.elements.namedItem(name)).closest("label"));
  const stop = () => {
    events?.close();
    events = null;
    follow.textContent = say("goOn");
    state.replaceChildren(badge("warn", say("paused")));
  };
  const start = () => {
    events?.close();
    const steps = value("follow") === "trace";
    label("level").hidden = steps;
    label("stage").hidden = label("recipient").hidden = !steps;
    const asked = new URLSearchParams(steps ? { stage: value("stage"), address: value("recipient") } : { level: value("level") });
    asked.set("id", value("messageId"));
    asked.set("text", value("text"));
    events = new EventSource(`${API}${steps ? "trace" : "log"}.follow?${asked}`);
    follow.textContent = say("pause");
    state.replaceChildren(badge("", say("connecting")));
    events.onopen = () => state.replaceChildren(badge("good", say("following")));
    events.onerror = () => state.replaceChildren(badge("bad", say("broken")));
    events.addEventListener(steps ? "step" : "line", (event) => add(lines, drawn(JSON.parse(event.data))));
    events.addEventListener("missed", (event) => add(lines, element("div", { class: "quiet" }, say("missed", { count: event.data }))));
  };
  const follow = button(say("pause"), () => (events ? stop() : start()));
  form.onsubmit = (event) => {
    event.preventDefault();
    start();
  };
  for (const one of form.querySelectorAll("select")) one.onchange = start;
  left.addEventListener("abort", () => events?.close());
  holder.append(heading(say("log"), state, follow, button(say("clear"), () => lines.replaceChildren())), form, lines);
  start();
}

/**
 * The newest is below; who reads further up is left there.
 * @param {HTMLElement} lines
 * @param {HTMLElement} line
 */
function add(lines, line) {
  const below = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  lines.append(line);
  while (lines.childElementCount > KEPT) lines.firstElementChild?.remove();
  if (below) lines.scrollTop = lines.scrollHeight;
}

/** @param {any} one a line of the log, or a step */
function drawn(one) {
  const word = one.level ?? one.stage;
  const time = new Date(one.at * 1000).toISOString().slice(11, 23);
  const about = one.id ? [link(place("queue", one.id), one.id), " "] : [];
  const who = one.logger ?? one.address;
  return element("div", {}, element("span", { class: "time", title: new Date(one.at * 1000).toISOString() }, time), badge(KINDS[word] ?? "", say(`${one.level ? "level" : "stage"}-${word}`)), element("span", { class: "text" }, ...about, ...(who ? [element("span", { class: "quiet" }, `${who} `)] : []), one.text));
}
