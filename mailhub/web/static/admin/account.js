// One account: its password, quota, where its mail goes on to, and what opens it.
import { element } from "../common/dom.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, at, badge, button, facts, filled, heading, ifDone, link, section, sure, table } from "./parts.js";
import { quotaForm, usedText } from "./quota.js";

/** @type {import("./main.js").Show} */
export async function show(holder, left, address) {
  const body = element("div");
  const remove = button(say("remove"), async () => {
    const gone = await sure(say("removeAccount", { name: address }), say("removeAccountAsk"), () => act("user.remove", { address }), say("removed", { name: address }));
    if (gone) location.hash = "#/accounts";
  }, "danger");
  const draw = async () => body.replaceChildren(...(await drawn(address, draw)));
  holder.append(element("p", { class: "up" }, link("#/accounts", say("accounts"))), heading(address, remove), body);
  await draw();
}

/**
 * @param {string} address
 * @param {() => Promise<unknown>} changed
 */
async function drawn(address, changed) {
  const [users, quota, forward, programs] = await Promise.all([
    act("user.list", { containing: address, limit: 500 }),
    act("quota.get", { address }),
    act("forward.get", { address }),
    act("app-password.list", { address }),
  ]);
  const enabled = /** @type {any[]} */ (users).find((one) => one.address === address)?.enabled ?? false;
  const again = ifDone(changed);
  const forwards = () => filled(
    say("forward"),
    [
      { name: "targets", label: say("targets"), type: "textarea", value: forward.targets.join("\n"), hint: say("targetsHint") },
      { name: "keep", label: say("keepCopy"), type: "checkbox", value: forward.keep },
    ],
    ({ targets, keep }) => act("forward.set", { address, targets: lines(targets), keep }),
  ).then(again);
  const rows = /** @type {[string, import("./parts.js").Content][]} */ ([
    [say("mayPassIn"), [badge(enabled ? "good" : "warn", say(enabled ? "enabled" : "disabled")), " ", button(say(enabled ? "disable" : "enable"), () => act("user.enable", { address, enabled: !enabled }).then(changed), "link")]],
    [say("password"), [button(say("change"), () => passwordForm(address), "link")]],
    [say("quota"), [element("span", {}, usedText(quota)), " ", button(say("change"), () => quotaForm(quota).then(again), "link"), button(say("recount"), () => act("quota.recalculate", { address }).then(changed), "link")]],
    [say("forward"), [element("span", {}, forward.targets.length ? forward.targets.join(", ") + (forward.keep ? `; ${say("keepsCopy")}` : "") : say("staysHere")), " ", button(say("change"), forwards, "link")]],
    [say("secondFactor"), [button(say("removeFactor"), () => sure(say("removeFactor"), say("removeFactorAsk", { name: address }), () => act("second-factor.remove", { address }), say("factorRemoved")), "link danger")]],
  ]);
  return [facts(rows), section(say("appPasswords"), [await appPasswords(address, programs, changed)])];
}

/**
 * @param {string} address
 * @param {any[]} programs
 * @param {() => Promise<unknown>} changed
 */
async function appPasswords(address, programs, changed) {
  if (!programs.length) return element("p", { class: "empty" }, say("noAppPasswords"));
  const remove = (/** @type {string} */ name) => sure(say("removeAppPassword"), say("removeAppPasswordAsk", { name }), () => act("app-password.remove", { address, name }).then(changed), say("removed", { name }));
  const columns = [
    { name: say("name"), cell: (/** @type {any} */ one) => one.name },
    { name: say("services"), cell: (/** @type {any} */ one) => one.services.join(", ") || say("all") },
    { name: say("made"), cell: (/** @type {any} */ one) => at(one.created) },
    { name: say("lastUsed"), cell: (/** @type {any} */ one) => (one.used ? `${at(one.used)} (${one.client})` : say("never")) },
    { name: say("actions"), kind: "tight acts", cell: (/** @type {any} */ one) => button(say("remove"), () => remove(one.name), "danger") },
  ];
  return table(say("appPasswords"), columns, programs);
}

/** @param {string} text */
export function lines(text) {
  return text.split(/[\s,;]+/).filter(Boolean);
}

/**
 * @param {string} address
 * @returns {Promise<boolean>}
 */
export function passwordForm(address) {
  return filled(say("passwordOf", { name: address }), [{ name: "password", label: say("newPassword"), type: "password", required: true, hint: say("passwordHint") }], async ({ password }) => {
    await act("user.passwd", { address, password });
    tell(say("passwordChanged"));
  });
}
