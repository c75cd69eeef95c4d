// Webhooks: programs of others that are told what happened, and what waits for them.
import { element } from "../common/dom.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, at, badge, button, heading, list, number } from "./parts.js";

const PAGE = 1000;

/** @typedef {{name: string, url: string, waiting: number, oldest: number, said: string}} Webhook */

/** @type {import("./main.js").Show} */
export async function show(holder) {
  const body = element("div");
  const test = async (/** @type {string} */ name) => {
    await act("webhook.test", { name });
    tell(say("testSent", { name }));
    await draw();
  };
  const columns = [
    { name: say("name"), cell: (/** @type {Webhook} */ one) => one.name },
    { name: "URL", cell: (/** @type {Webhook} */ one) => element("code", {}, one.url) },
    { name: say("state"), kind: "tight", cell: (/** @type {Webhook} */ one) => badge(one.said ? "bad" : one.waiting ? "warn" : "good", say(one.said ? "hookRests" : one.waiting ? "hookWaits" : "hookWell")) },
    { name: say("waiting"), kind: "number", cell: (/** @type {Webhook} */ one) => number(one.waiting) },
    { name: say("oldestSince"), cell: (/** @type {Webhook} */ one) => (one.oldest ? at(one.oldest) : null) },
    { name: say("lastSaid"), cell: (/** @type {Webhook} */ one) => one.said || null },
    { name: say("actions"), kind: "tight acts", cell: (/** @type {Webhook} */ one) => button(say("sendTest"), () => test(one.name)) },
  ];
  const draw = async () => body.replaceChildren(await list(say("webhooks"), columns, PAGE, () => act("webhook.list"), say("noWebhooks")));
  holder.append(heading(say("webhooks"), button(say("refresh"), draw)), element("p", { class: "quiet" }, say("webhooksAre")), body);
  await draw();
}
