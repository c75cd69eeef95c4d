// The queue: how much waits for whom and since when, and what is done to one message or many.
import { confirm } from "../common/asking.js";
import { element } from "../common/dom.js";
import { size } from "../common/format.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, badge, button, cards, heading, ifDone, lasting, link, list, number, place, section, shortly, table } from "./parts.js";
import { may } from "./who.js";

const PAGE = 100;
const STATES = ["incoming", "active", "deferred", "hold", "corrupt"];
const ACTS = ["retry", "hold", "release", "requeue", "remove"];
/** @type {Record<string, "good" | "warn" | "bad" | "">} */
const KINDS = { incoming: "", active: "good", deferred: "warn", hold: "bad", corrupt: "bad" };

/** @typedef {{address: string, state: string, due: number, attempts: number, last: string, remote: string, deadline: number, tls: string, tried: number}} QueuedTo */
/** @typedef {{id: string, sender: string, created: number, size: number, recipients: QueuedTo[]}} Queued */

/** @type {import("./main.js").Show} */
export async function show(holder) {
  /** @type {Set<string>} */
  const chosen = new Set();
  const totals = element("div");
  const messages = element("div");
  const filter = /** @type {HTMLFormElement} */ (filterForm());
  const drawTotals = async () => totals.replaceChildren(...(await summed((domain) => {
    /** @type {HTMLInputElement} */ (filter.elements.namedItem("recipient")).value = `@${domain}`;
    return drawMessages();
  })));
  const drawMessages = async () => {
    chosen.clear();
    messages.replaceChildren(await listed(which(filter), chosen));
  };
  const draw = async () => void (await Promise.all([...(may("queue.summary") ? [drawTotals()] : []), drawMessages()]));
  const doing = (/** @type {string} */ what) => many(`queue.${what}`, what, chosen, which(filter)).then(ifDone(draw));
  filter.onsubmit = (event) => {
    event.preventDefault();
    void drawMessages();
  };
  const bar = element("div", { class: "buttons", role: "toolbar", "aria-label": say("actions") }, selectAll(messages), ...ACTS.map((what) => button(say(what), () => doing(what), what === "remove" ? "danger" : "")));
  holder.append(heading(say("queue"), button(say("refresh"), draw)), totals, section(say("messages"), [filter, ...(may("queue.hold") ? [bar] : []), messages]));
  await draw();
}

function filterForm() {
  const hint = element("p", { class: "quiet small", id: "which-hint" }, say("whichHint"));
  const ages = [["", say("any")], ["300", lasting(300)], ["3600", lasting(3_600)], ["21600", lasting(21_600)], ["86400", lasting(86_400)], ["259200", lasting(259_200)]];
  const field = (/** @type {string} */ name) => element("label", {}, say(name), element("input", { name, maxlength: "320", spellcheck: "false", autocapitalize: "none", "aria-describedby": "which-hint" }));
  const pick = (/** @type {string} */ name, /** @type {string[][]} */ choices) => element("label", {}, say(name), element("select", { name }, ...choices.map(([value = "", text = ""]) => element("option", { value }, text))));
  return element("form", { class: "filter", role: "search" }, field("sender"), field("recipient"), pick("state", [["", say("any")], ...STATES.map((one) => [one, say(`state-${one}`)])]), pick("olderThan", ages), element("button", { class: "main" }, say("show")), hint);
}

/** @param {HTMLFormElement} form */
function which(form) {
  const { sender, recipient, state, olderThan } = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
  return { sender: sender || null, recipient: recipient || null, states: state ? [state] : [], older_than: olderThan ? Number(olderThan) : null };
}

/** @param {(domain: string) => unknown} pick */
async function summed(pick) {
  const [all, ages] = await Promise.all([act("queue.summary"), act("queue.ages", { domains: 20 })]);
  const states = /** @type {Record<string, number>} */ ({});
  for (const row of all.rows) states[row.state] = (states[row.state] ?? 0) + row.recipients;
  const found = [cards([[say("messages"), number(all.messages)], ...STATES.filter((one) => states[one]).map((one) => /** @type {[string, string]} */ ([say(`state-${one}`), number(states[one] ?? 0)]))])];
  if (!ages.rows.length) return found;
  const edges = /** @type {number[]} */ (ages.edges);
  const columns = [
    { name: say("destination"), kind: "name", cell: (/** @type {any} */ row) => button(row.domain, () => pick(row.domain), "link") },
    { name: say("together"), kind: "number", cell: (/** @type {any} */ row) => number(row.counts.reduce((/** @type {number} */ sum, /** @type {number} */ one) => sum + one, 0)) },
    ...[...edges, Infinity].map((edge, n) => ({
      name: edge === Infinity ? say("older", { time: lasting(edges.at(-1) ?? 0, "narrow") }) : say("upTo", { time: lasting(edge, "narrow") }), kind: "number",
      cell: (/** @type {any} */ row) => (row.counts[n] ? number(row.counts[n]) : null),
    })),
  ];
  return [...found, section(say("byDestination"), [element("div", { class: "scroll" }, table(say("byDestination"), columns, ages.rows))])];
}

/**
 * @param {ReturnType<typeof which>} wanted
 * @param {Set<string>} chosen ids whose boxes are checked
 */
function listed(wanted, chosen) {
  const columns = [
    ...(may("queue.hold") ? [{ name: say("select"), kind: "tight acts", cell: (/** @type {Queued} */ one) => box(one.id, chosen) }] : []),
    { name: say("message"), kind: "tight", cell: (/** @type {Queued} */ one) => (may("queue.show") ? link(place("queue", one.id), one.id) : one.id) },
    { name: say("arrived"), kind: "tight", cell: (/** @type {Queued} */ one) => shortly(one.created) },
    { name: say("sender"), cell: (/** @type {Queued} */ one) => one.sender || "<>" },
    { name: say("recipients"), cell: (/** @type {Queued} */ one) => recipients(one) },
    { name: say("size"), kind: "number", cell: (/** @type {Queued} */ one) => size(one.size) },
  ];
  return list(say("messages"), columns, PAGE, (after) => act("queue.list", { which: wanted, after: after?.id ?? "", limit: PAGE }), say("noneWaits"));
}

/** @param {Queued} message */
function recipients(message) {
  const some = message.recipients.slice(0, 3).map((one) => element("div", {}, badge(KINDS[one.state] ?? "", say(`state-${one.state}`)), ` ${one.address}`, ...(one.last ? [element("div", { class: "quiet small" }, one.last)] : [])));
  if (message.recipients.length > 3) some.push(element("div", { class: "quiet small" }, say("andMore", { count: message.recipients.length - 3 })));
  return some;
}

/**
 * @param {string} id
 * @param {Set<string>} chosen
 */
export function box(id, chosen) {
  const made = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", class: "choose", "aria-label": say("selectOne", { id }) }));
  made.onchange = () => (made.checked ? chosen.add(id) : chosen.delete(id));
  return made;
}

/** @param {HTMLElement} within all boxes in there */
export function selectAll(within) {
  const all = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
  all.onchange = () => {
    for (const one of within.querySelectorAll(".choose")) if (/** @type {HTMLInputElement} */ (one).checked !== all.checked) /** @type {HTMLInputElement} */ (one).click();
  };
  new MutationObserver(() => (all.checked = false)).observe(within, { childList: true });
  return element("label", {}, all, say("selectAll"));
}

/**
 * Act on those that are chosen; on all that fit, where none is.
 * @param {string} action
 * @param {string} word what it is called
 * @param {Set<string>} chosen
 * @param {Record<string, unknown>} wanted
 * @returns {Promise<boolean>} whether it was done
 */
export async function many(action, word, chosen, wanted) {
  const several = chosen.size ? say("chosenCount", { count: chosen.size }) : say("allThatFit");
  const asked = !chosen.size || word === "remove" || word === "delete";
  if (asked && !(await confirm(`${say(word)}: ${several}`, say(`${word}-ask`)))) return false;
  const which = chosen.size ? { ids: [...chosen] } : wanted;
  let after = "";
  let touched = 0;
  do {
    const step = await act(action, { which, after });
    touched += step.messages;
    after = step.after;
  } while (after);
  tell(say("touched", { count: number(touched) }));
  return true;
}
