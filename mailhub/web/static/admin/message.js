// One message of the queue: where it stands, its whole trace as it grows, and what can be done to it.
import { API } from "../common/api.js";
import { element } from "../common/dom.js";
import { size } from "../common/format.js";
import { tell, wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, at, badge, button, facts, heading, ifDone, link, notice, section, sure, table } from "./parts.js";
import { steps } from "./trace.js";

const SETTLED = 1_000; // milliseconds

/** @type {import("./main.js").Show} */
export async function show(holder, left, id) {
  const body = element("div");
  let before = "";
  const draw = async () => {
    const found = await act("queue.show", { id }).catch((error) => (error.status === 404 ? null : Promise.reject(error)));
    const now = JSON.stringify(found);
    if (now === before && found) return;
    before = now;
    body.replaceChildren(...(found ? drawn(found) : await gone(id)));
    for (const one of buttons) one.hidden = !found;
  };
  const doing = (/** @type {string} */ what) => async () => {
    await act(`queue.${what}`, { which: { ids: [id] } });
    tell(say("done"));
    await draw();
  };
  const buttons = [
    ...["retry", "hold", "release", "requeue"].map((what) => button(say(what), doing(what), what === "retry" ? "main" : "")),
    button(say("remove"), () => sure(`${say("remove")}: ${id}`, say("remove-ask"), () => act("queue.remove", { which: { ids: [id] } }), say("removed", { name: id })).then(ifDone(draw)), "danger"),
  ];
  holder.append(element("p", { class: "up" }, link("#/queue", say("queue"))), heading(id, ...buttons), body);
  await draw();
  if (left.aborted) return;
  const events = new EventSource(`${API}trace.follow?id=${encodeURIComponent(id)}`);
  let later = 0;
  left.addEventListener("abort", () => {
    events.close();
    clearTimeout(later);
  });
  events.addEventListener("step", () => {
    void draw().catch(wrong);
    clearTimeout(later);
    later = window.setTimeout(() => void draw().catch(wrong), SETTLED); // a step is told before what it came to is stored
  });
}

/** @param {any} found */
function drawn(found) {
  const { message } = found;
  const columns = [
    { name: say("recipient"), cell: (/** @type {any} */ one) => one.address },
    { name: say("state"), kind: "tight", cell: (/** @type {any} */ one) => badge(one.state === "deferred" ? "warn" : one.state === "active" ? "good" : one.state === "incoming" ? "" : "bad", say(`state-${one.state}`)) },
    { name: say("attempts"), kind: "number", cell: (/** @type {any} */ one) => String(one.attempts) },
    { name: say("lastSaid"), cell: (/** @type {any} */ one) => [one.last || "–", ...(one.remote ? [element("div", { class: "quiet small" }, one.remote)] : [])] },
    { name: say("nextTry"), cell: (/** @type {any} */ one) => (one.state === "hold" ? "–" : at(one.due)) },
    { name: say("givenUp"), cell: (/** @type {any} */ one) => at(one.deadline) },
  ];
  const from = /** @type {[string, string][]} */ ([
    [say("sender"), message.sender || "<>"],
    [say("arrived"), at(message.created)],
    [say("size"), size(message.size)],
    [say("cameFrom"), [found.client, found.helo, found.login, found.protocol, found.tls].filter(Boolean).join(" · ") || "–"],
  ]);
  return [
    facts(from),
    section(say("recipients"), [table(say("recipients"), columns, message.recipients)]),
    section(say("trace"), [steps(found.history)]),
    section(say("header"), [element("pre", { tabindex: "0", role: "group", "aria-label": say("header") }, found.header)]),
  ];
}

/**
 * What is known of a message that is in the queue no more.
 * @param {string} what
 */
async function gone(what) {
  const found = (await act("trace.find", { what })).messages[0];
  return [notice("good", say("notInQueue")), ...(found ? [section(say("trace"), [steps(found.steps)])] : [])];
}
