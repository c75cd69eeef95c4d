// Messages that the checks want nobody to have before somebody has looked.
import { element } from "../common/dom.js";
import { say } from "../common/words.js";
import { act, badge, button, heading, ifDone, link, list, number, place, shortly } from "./parts.js";
import { box, many, selectAll } from "./queue.js";
import { may } from "./who.js";

const PAGE = 100;

/** @type {import("./main.js").Show} */
export async function show(holder) {
  /** @type {Set<string>} */
  const chosen = new Set();
  const body = element("div");
  const columns = [
    { name: say("select"), kind: "tight acts", cell: (/** @type {any} */ one) => box(one.message.id, chosen) },
    { name: say("message"), kind: "tight", cell: (/** @type {any} */ one) => (may("queue.show") ? link(place("queue", one.message.id), one.message.id) : element("code", {}, one.message.id)) },
    { name: say("arrived"), kind: "tight", cell: (/** @type {any} */ one) => shortly(one.message.created) },
    { name: say("sender"), cell: (/** @type {any} */ one) => one.message.sender || "<>" },
    { name: say("recipients"), cell: (/** @type {any} */ one) => one.message.recipients.map((/** @type {any} */ to) => to.address).join(", ") },
    { name: say("score"), kind: "number", cell: (/** @type {any} */ one) => number(one.score, 1) },
    { name: say("why"), cell: (/** @type {any} */ one) => one.found.filter((/** @type {any} */ found) => found.score > 0 || found.reason).map((/** @type {any} */ found) => element("div", { class: "small" }, badge("", found.check), ` ${found.reason || found.result}`)) },
  ];
  const draw = async () => {
    chosen.clear();
    body.replaceChildren(await list(say("quarantine"), columns, PAGE, (after) => act("quarantine.list", { after: after?.message.id ?? "", limit: PAGE }), say("noQuarantine")));
  };
  const doing = (/** @type {string} */ what) => many(`quarantine.${what}`, what, chosen, {}).then(ifDone(draw));
  const bar = element("div", { class: "buttons", role: "toolbar", "aria-label": say("actions") }, selectAll(body), button(say("release"), () => doing("release")), button(say("delete"), () => doing("delete"), "danger"));
  holder.append(heading(say("quarantine"), button(say("refresh"), draw)), bar, body);
  await draw();
}
