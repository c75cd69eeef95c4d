// The addresses that the account writes from, with a name and a signature each.
import { ask } from "../../common/api.js";
import { element } from "../../common/dom.js";
import { say } from "../../common/words.js";
import { state } from "../state.js";
import { field, form, input, save } from "./parts.js";

/** @param {HTMLElement} into */
export async function draw(into) {
  /** @type {string[]} */
  const addresses = await ask("GET", "own/identities");
  const kept = new Map(state.preferences.identities.map((one) => [one.address, one]));
  let first = state.preferences.identities.find((one) => addresses.includes(one.address))?.address ?? addresses[0];
  const rows = addresses.map((address) => {
    const name = input({ type: "text", maxlength: "200", autocomplete: "name", value: kept.get(address)?.name ?? "" });
    const signature = /** @type {HTMLTextAreaElement} */ (element("textarea", { rows: "4", maxlength: "10000" }));
    signature.value = kept.get(address)?.signature ?? "";
    const usual = input({ type: "radio", name: "usual" });
    usual.checked = address === first;
    usual.onchange = () => (first = address);
    const choice = element("label", { class: "check" }, usual, " ", say("s-usual"));
    const box = element("fieldset", {}, element("legend", {}, address), field(say("s-name"), name), field(say("s-signature"), signature));
    if (addresses.length > 1) box.append(choice);
    return { address, name, signature, box };
  });
  const keep = async () => {
    const told = rows.map((row) => ({ address: row.address, name: row.name.value.trim(), signature: row.signature.value }));
    await save({ ...state.preferences, identities: [...told.filter((one) => one.address === first), ...told.filter((one) => one.address !== first)] });
    return say("s-saved");
  };
  into.append(element("p", { class: "hint" }, say("s-identitiesHint")), form(say("s-save"), keep, ...rows.map((row) => row.box)));
}
