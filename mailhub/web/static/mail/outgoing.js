// What becomes of mail that was sent from this page: delivered, late, refused, in the words of who took it.
import { ask } from "../common/api.js";
import { byId, element } from "../common/dom.js";
import { icon } from "../common/icons.js";
import { say } from "../common/words.js";

const LOOK = 3000; // milliseconds between two looks at first; later ten times that
const MOST = 5;
/** @typedef {{id: string, subject: string, stays: boolean, looks: number, line: HTMLElement, timer: number}} Sent */
/** @type {Map<string, Sent>} */
const known = new Map();
const list = byId("outgoing");

/**
 * @param {string} id of the queue
 * @param {string} subject
 * @param {boolean} stays it stays in the list when it has arrived
 */
export function follow(id, subject, stays) {
  const off = element("button", { type: "button", class: "plain", "aria-label": say("hide") }, icon("close"));
  off.onclick = () => drop(id);
  const line = element("li", { "data-id": id }, element("b", {}, subject), element("span", { class: "state", role: "status" }, say("state-waiting")), off);
  known.set(id, { id, subject, stays, looks: 0, line, timer: 0 });
  list.prepend(line);
  for (const old of [...known.keys()].slice(0, -MOST)) drop(old);
  byId("outgoing-title").hidden = false;
  void look(id);
}

/** @param {string} id */
export function drop(id) {
  const one = known.get(id);
  if (!one) return;
  clearTimeout(one.timer);
  one.line.remove();
  known.delete(id);
  byId("outgoing-title").hidden = known.size === 0;
}

/** @param {string} id */
async function look(id) {
  const one = known.get(id);
  if (!one) return;
  one.looks += 1;
  try {
    const told = await ask("GET", `own/sent/${id}`);
    const states = summary(told);
    const box = one.line.querySelector(".state");
    if (box) box.textContent = states.words;
    one.line.classList.toggle("bad", states.bad);
    if (states.over) {
      if (!one.stays && !states.bad) one.timer = window.setTimeout(() => drop(id), 15_000);
      return;
    }
  } catch {
    // asked again below
  }
  one.timer = window.setTimeout(() => void look(id), one.looks < 40 ? LOOK : LOOK * 10);
}

const ATTEMPT = /^to=<([^>]*)>, status=(\w+), ?(.*)$/s;

/** @param {{waiting: {address: string, last: string}[], steps: {stage: string, text: string}[], until: number}} told */
function summary(told) {
  /** @type {Map<string, {word: string, why: string}>} the last that was said of each recipient */
  const last = new Map();
  for (const step of told.steps) {
    const [, who, word, why] = (step.stage === "attempted" && ATTEMPT.exec(step.text)) || [];
    if (who && word && !who.startsWith(":copy:")) last.set(who, { word, why: why ?? "" });
  }
  const words = [];
  let bad = false;
  for (const [who, { word, why }] of last) {
    if (word === "sent") words.push(say("state-delivered", { who }));
    else if (word === "bounced" || word === "expired") {
      bad = true;
      words.push(say("state-bounced", { who, why }));
    } else words.push(say("state-delayed", { who, why }));
  }
  return { words: words.slice(0, 5).join(" · ") || say("state-waiting"), bad, over: told.waiting.length === 0 && last.size > 0 };
}
