// Tokens that programs show to the HTTP interface.
import { confirmed } from "../common/confirming.js";
import { element } from "../common/dom.js";
import { say } from "../common/words.js";
import { lines } from "./account.js";
import { act, at, badge, button, copyButton, filled, heading, ifDone, list, notice, sure } from "./parts.js";

const PAGE = 1000; // all that there may be
const DAY = 86_400;

/** @typedef {{name: string, scopes: string[], created: number, expires: number, used: number, client: string, maker: string}} Token */

/** @type {import("./main.js").Show} */
export async function show(holder) {
  const once = element("div", { role: "status" });
  const body = element("div");
  const remove = (/** @type {string} */ name) => sure(say("removeToken", { name }), say("removeTokenAsk"), () => act("token.remove", { name }), say("removed", { name })).then(ifDone(draw));
  const columns = [
    { name: say("name"), cell: (/** @type {Token} */ one) => one.name },
    { name: say("scopes"), cell: (/** @type {Token} */ one) => one.scopes.map((scope) => element("div", {}, element("code", {}, scope))) },
    { name: say("made"), cell: (/** @type {Token} */ one) => (one.maker ? `${at(one.created)} (${one.maker})` : at(one.created)) },
    { name: say("until"), cell: (/** @type {Token} */ one) => (one.expires ? (one.expires * 1000 < Date.now() ? badge("bad", say("ended")) : at(one.expires)) : say("forEver")) },
    { name: say("lastUsed"), cell: (/** @type {Token} */ one) => (one.used ? `${at(one.used)} (${one.client})` : say("never")) },
    { name: say("actions"), kind: "tight acts", cell: (/** @type {Token} */ one) => button(say("remove"), () => remove(one.name), "danger") },
  ];
  const draw = async () => body.replaceChildren(await list(say("tokens"), columns, PAGE, () => act("token.list"), say("noTokens")));
  const add = () => filled(
    say("newToken"),
    [
      { name: "name", label: say("name"), required: true, hint: say("tokenNameHint") },
      { name: "scopes", label: say("mayDo"), type: "textarea", required: true, placeholder: "queue:read", hint: say("scopesHint") },
      { name: "days", label: say("days"), type: "number", hint: say("forEverHint") },
    ],
    async ({ name, scopes, days }) => {
      const { token } = await confirmed(() => act("token.add", { name, scopes: lines(scopes), lifetime: Number(days || 0) * DAY }));
      once.replaceChildren(notice("good", element("p", {}, say("tokenOnce", { name })), element("p", {}, element("code", { class: "secret" }, token)), copyButton(token)));
    },
  ).then(ifDone(draw));
  holder.append(heading(say("tokens"), button(say("newToken"), add, "main")), element("p", { class: "quiet" }, say("tokensAre")), once, body);
  await draw();
}
