// The aliases: addresses that stand for others.
import { element } from "../common/dom.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { lines } from "./account.js";
import { act, button, filled, filterField, heading, ifDone, list, sure } from "./parts.js";

const PAGE = 100;
const SHOWN = 5; // targets in the list

/** @type {import("./main.js").Show} `what`: what the list is filtered by at first */
export async function show(holder, left, what) {
  let containing = what;
  const body = element("div");
  const remove = (/** @type {string} */ address) => sure(say("removeAlias", { name: address }), say("removeAliasAsk"), () => act("alias.remove", { address }).then(draw), say("removed", { name: address }));
  const columns = [
    { name: say("alias"), cell: (/** @type {any} */ row) => [row.address, ...(row.address.startsWith("@") ? [element("div", { class: "quiet small" }, say("catchAll"))] : [])] },
    { name: say("targets"), cell: (/** @type {any} */ row) => row.targets.slice(0, SHOWN).join(", ") + (row.targets.length > SHOWN ? ` ${say("andMore", { count: row.targets.length - SHOWN })}` : "") },
    { name: say("actions"), kind: "tight acts", cell: (/** @type {any} */ row) => element("div", { class: "buttons" }, button(say("change"), () => aliasForm(row).then(again)), button(say("remove"), () => remove(row.address), "danger")) },
  ];
  const draw = async () => {
    const wanted = containing;
    const found = await list(say("aliases"), columns, PAGE, (after) => act("alias.list", { after: after?.address ?? "", limit: PAGE, containing: wanted }));
    if (wanted === containing) body.replaceChildren(found);
  };
  const again = ifDone(draw);
  const filter = filterField(say("filter"), containing, (typed) => {
    containing = typed;
    return draw();
  });
  holder.append(heading(say("aliases"), button(say("newAlias"), () => aliasForm(null).then(again), "main")), element("div", { class: "filter" }, filter), body);
  await draw();
}

/**
 * @param {{address: string, targets: string[]} | null} row the alias that is changed; null: a new one
 * @returns {Promise<boolean>}
 */
function aliasForm(row) {
  const targets = { name: "targets", label: say("targets"), type: "textarea", value: row?.targets.join("\n") ?? "", required: true, hint: say("targetsHint") };
  const fields = row ? [targets] : [{ name: "address", label: say("alias"), required: true, placeholder: "info@example.org", hint: say("aliasHint") }, targets];
  return filled(row ? row.address : say("newAlias"), fields, async (values) => {
    await act("alias.add", { address: row?.address ?? values.address, targets: lines(values.targets) });
    tell(say("saved"));
  });
}
