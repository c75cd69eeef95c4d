// What opens the account: password, second factor, app passwords; and the browsers that are signed in.
import { ask, show } from "../../common/api.js";
import { confirm } from "../../common/asking.js";
import { confirmed } from "../../common/confirming.js";
import { element } from "../../common/dom.js";
import { exactly } from "../../common/format.js";
import { say } from "../../common/words.js";
import { manage } from "../passkeys.js";
import { state } from "../state.js";
import { button, check, field, form, input, tell } from "./parts.js";

const SERVICES = ["imap", "smtp", "pop3", "managesieve", "api"];

/** @param {HTMLElement} into */
export async function draw(into) {
  const parts = [password, factor, passkeys, apps, browsers].map((make) => {
    const place = element("section");
    into.append(place);
    return make(place);
  });
  await Promise.all(parts);
}

/** @param {HTMLElement} place */
async function password(place) {
  const old = input({ type: "password", autocomplete: "current-password", maxlength: "1024", required: true });
  const fresh = input({ type: "password", autocomplete: "new-password", minlength: "8", maxlength: "1024", required: true });
  const again = input({ type: "password", autocomplete: "new-password", maxlength: "1024", required: true });
  const who = input({ type: "text", autocomplete: "username", value: state.account, hidden: true, tabindex: "-1" }); // for the browser's own list of passwords
  const change = async () => {
    if (fresh.value !== again.value) throw new Error(say("s-notSame"));
    const changed = await ask("PUT", "own/password", { password: old.value, new: fresh.value });
    show(changed.token);
    for (const one of [old, fresh, again]) one.value = "";
    const list = place.parentElement?.querySelector(".browsers")?.parentElement;
    if (list) await browsers(list);
    return say("s-passwordChanged", { count: changed.ended });
  };
  place.append(
    element("h4", {}, say("s-changePassword")),
    form(say("s-change"), change, who, field(say("s-old"), old), field(say("s-new"), fresh, say("s-newHint")), field(say("s-again"), again)),
  );
}

/** @param {HTMLElement} place */
async function factor(place) {
  const now = await ask("GET", "own/second-factor");
  const title = element("h4", {}, say("s-factor"));
  if (now.active) {
    const off = button(say("s-factorOff"), async () => {
      if (!(await confirm(say("s-factorOff"), say("s-factorOffSure")))) return;
      await confirmed(() => ask("DELETE", "own/second-factor"));
      await factor(place);
      return say("s-factorIsOff");
    });
    return place.replaceChildren(title, element("p", {}, say("s-factorOn", { count: now.recovery })), off);
  }
  const begin = button(say("s-factorBegin"), async () => {
    const made = await confirmed(() => ask("POST", "own/second-factor"));
    place.replaceChildren(title, ...enrolling(place, made));
  });
  place.replaceChildren(title, element("p", {}, say("s-factorWhy")), begin);
}

/**
 * @param {HTMLElement} place
 * @param {{secret: string, picture: string, recovery: string[]}} made
 */
function enrolling(place, made) {
  const code = input({ type: "text", autocomplete: "one-time-code", inputmode: "numeric", maxlength: "64", required: true });
  const send = async () => {
    await confirmed(() => ask("POST", "own/second-factor/confirm", { code: code.value }));
    await factor(place);
    return say("s-factorIsOn");
  };
  return [
    element("p", {}, say("s-factorScan")),
    element("img", { class: "code", src: made.picture, alt: say("s-factorPicture") }),
    element("p", {}, say("s-factorSecret"), " ", element("code", { class: "secret" }, made.secret)),
    element("p", {}, say("s-recovery")),
    element("ul", { class: "recovery", "aria-label": say("s-recoveryCodes") }, ...made.recovery.map((one) => element("li", {}, element("code", {}, one)))),
    form(say("s-factorConfirm"), send, field(say("s-factorCode"), code)),
  ];
}

/** @param {HTMLElement} place */
async function passkeys(place) {
  place.append(element("h4", {}, say("passkeys")), element("p", {}, say("passkeysAre")), button(say("s-passkeys"), manage));
}

/** @param {HTMLElement} place */
async function apps(place) {
  /** @type {{name: string, services: string[], created: number, used: number, client: string}[]} */
  const found = await ask("GET", "own/app-passwords");
  const rows = found.map((one) => {
    const used = one.used ? say("s-appUsed", { when: exactly(one.used), client: one.client }) : say("s-appNever");
    const remove = button(say("s-appRemove"), async () => {
      if (!(await confirm(say("s-appRemove"), say("s-appRemoveSure", { name: one.name })))) return;
      await confirmed(() => ask("DELETE", `own/app-passwords/${encodeURIComponent(one.name)}`));
      await apps(place);
      return say("s-appRemoved", { name: one.name });
    }, { "aria-label": `${say("s-appRemove")}: ${one.name}` });
    return element("li", {}, element("span", {}, element("b", {}, one.name), element("small", {}, `${one.services.join(", ").toUpperCase() || say("s-appAll")} · ${used}`)), remove);
  });
  const name = input({ type: "text", maxlength: "100", required: true });
  const boxes = SERVICES.map((one) => ({ one, ...check(one.toUpperCase(), false) }));
  const add = async () => {
    const services = boxes.filter(({ box }) => box.checked).map(({ one }) => one);
    const made = await confirmed(() => ask("POST", "own/app-passwords", { name: name.value.trim(), services }));
    await apps(place);
    place.append(element("p", { class: "once", role: "status" }, say("s-appOnce", { name: name.value.trim() }), " ", element("code", { class: "secret" }, made.password)));
  };
  place.replaceChildren(
    element("h4", {}, say("s-apps")),
    element("p", {}, say("s-appsWhy")),
    element("ul", { class: "rows" }, ...rows),
    form(say("s-appAdd"), add, field(say("s-appName"), name, say("s-appNameHint")), element("fieldset", { class: "inline" }, element("legend", {}, say("s-appServices")), ...boxes.map(({ label }) => label))),
  );
}

/** @param {HTMLElement} place */
async function browsers(place) {
  /** @type {{id: string, here: boolean, used: number, client: string, agent: string}[]} */
  const found = await ask("GET", "own/sessions");
  const rows = found.map((one) => {
    const name = agent(one.agent);
    const text = element("span", {}, element("b", {}, one.here ? say("s-thisBrowser", { name }) : name), element("small", {}, `${one.client} · ${exactly(one.used)}`));
    if (one.here) return element("li", {}, text);
    const end = button(say("s-signOutOne"), async () => {
      await ask("DELETE", `own/sessions/${one.id}`);
      await browsers(place);
      return say("s-signedOut", { count: 1 });
    }, { "aria-label": `${say("s-signOutOne")}: ${name}` });
    return element("li", {}, text, end);
  });
  place.replaceChildren(element("h4", {}, say("s-browsers")), element("ul", { class: "rows browsers" }, ...rows));
  if (found.length > 1)
    place.append(
      button(say("s-signOutOthers"), async () => {
        const told = await ask("DELETE", "own/sessions");
        await browsers(place);
        tell("");
        return say("s-signedOut", { count: told.count });
      }),
    );
}

/**
 * A browser's name out of what it calls itself.
 * @param {string} told
 */
function agent(told) {
  const name = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(told)?.[1] ?? "";
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|Linux)/.exec(told)?.[1] ?? "";
  const known = { Edg: "Edge", OPR: "Opera" }[name] ?? name;
  return [known, system].filter(Boolean).join(", ") || told.slice(0, 60) || say("s-unknownBrowser");
}
