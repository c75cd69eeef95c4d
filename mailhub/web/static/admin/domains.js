// The domains whose mail is ours.
import { element } from "../common/dom.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, badge, button, filled, filterField, heading, ifDone, link, list, place, sure } from "./parts.js";
import { may, runsAll } from "./who.js";

const PAGE = 100;

/** @type {import("./main.js").Show} */
export async function show(holder) {
  let text = "";
  const body = element("div");
  const columns = [
    { name: say("domain"), cell: (/** @type {any} */ one) => link(place("domains", one.name), one.name) },
    ...(runsAll() ? [{ name: say("source"), cell: (/** @type {any} */ one) => badge("", say(`source-${one.source}`)) }] : []),
    ...(may("domain.remove") ? [{ name: say("actions"), kind: "tight acts", cell: (/** @type {any} */ one) => element("div", { class: "buttons" }, ...(one.source === "store" ? [button(say("remove"), () => removeDomain(one.name).then(ifDone(draw)), "danger")] : [])) }] : []),
  ];
  const draw = async () => {
    const all = /** @type {any[]} */ (await act("domain.list")).filter((one) => one.name.includes(text));
    const read = async (/** @type {any} */ after) => {
      const from = after ? all.indexOf(after) + 1 : 0;
      return all.slice(from, from + PAGE);
    };
    body.replaceChildren(await list(say("domains"), columns, PAGE, read));
  };
  const add = async () => {
    const made = await filled(say("newDomain"), [{ name: "name", label: say("domain"), required: true, placeholder: "example.org" }], async ({ name }) => {
      await act("domain.add", { name });
      tell(say("domainMade", { name }));
    });
    if (made) await draw();
  };
  const filter = filterField(say("filter"), "", (typed) => {
    text = typed.toLowerCase();
    return draw();
  });
  holder.append(heading(say("domains"), ...(may("domain.add") ? [button(say("newDomain"), add, "main")] : [])), element("div", { class: "filter" }, filter), body);
  await draw();
}

/**
 * @param {string} name
 * @returns {Promise<boolean>}
 */
export function removeDomain(name) {
  return sure(say("removeDomain", { name }), say("removeDomainAsk"), () => act("domain.remove", { name }), say("removed", { name }));
}
