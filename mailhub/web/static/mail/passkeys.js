// The list of passkeys.
import { ask } from "../common/api.js";
import { element } from "../common/dom.js";
import { say } from "../common/words.js";
import { askFor, confirm } from "../common/asking.js";
import { exactly } from "../common/format.js";
import { browser, possible } from "../common/passkeys.js";
import { tell, wrong } from "../common/toast.js";

/** @typedef {{id: string, name: string, created: number, used: number}} Passkey */

/** The list, with what can be done. */
export async function manage() {
  const list = element("ul", { class: "passkeys" });
  /** @param {Passkey[]} known */
  const draw = (known) => {
    const items = known.map((one) => {
      const off = element("button", { type: "button", "aria-label": say("removePasskey", { name: one.name }) }, say("remove"));
      off.onclick = () => void confirmed(async () => draw(await ask("DELETE", `own/passkeys/${one.id}`)));
      const used = one.used ? say("lastUsed", { when: exactly(one.used) }) : say("neverUsed");
      return element("li", {}, element("b", {}, one.name), element("small", {}, used), off);
    });
    list.replaceChildren(...items);
    if (!known.length) list.append(element("li", {}, say("noPasskeys")));
  };
  draw(await ask("GET", "own/passkeys"));
  const add = /** @type {HTMLButtonElement} */ (element("button", { type: "button", class: "main" }, say("addPasskey")));
  add.disabled = !possible();
  add.onclick = () => void confirmed(make);
  await confirm(say("passkeys"), element("div", {}, element("p", {}, say("passkeysAre")), list, add), false);
}

async function make() {
  const publicKey = browser.parseCreationOptionsFromJSON(await ask("POST", "own/passkeys/question"));
  const made = /** @type {any} */ (await navigator.credentials.create({ publicKey }));
  const name = (await askFor(say("addPasskey"), say("passkeyName"), navigator.platform || "passkey")) || "passkey";
  await ask("POST", "own/passkeys", { name, answer: made.toJSON() });
  tell(say("passkeyAdded"));
}

/**
 * Do it once the password was typed again.
 * @param {() => Promise<unknown>} what
 */
async function confirmed(what) {
  const field = /** @type {HTMLInputElement} */ (element("input", { type: "password", "aria-label": say("password"), autocomplete: "current-password", maxlength: "1024" }));
  if (!(await confirm(say("passwordAgain"), element("div", {}, field)))) return;
  await ask("POST", "own/session/confirm", { password: field.value }).then(what).catch(wrong);
}
