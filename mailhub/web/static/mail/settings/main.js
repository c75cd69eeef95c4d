// The settings of an account: a dialog over the page, one section at a time, by the address #settings/SECTION.
import { root } from "../../common/api.js";
import { element } from "../../common/dom.js";
import { icon } from "../../common/icons.js";
import { more, say } from "../../common/words.js";
import * as absence from "./absence.js";
import * as general from "./general.js";
import * as identities from "./identities.js";
import { told } from "./parts.js";
import * as rules from "./rules.js";
import * as security from "./security.js";
import * as sharing from "./sharing.js";

/** @type {[string, {draw: (into: HTMLElement) => Promise<void>}][]} */
const SECTIONS = [
  ["general", general],
  ["identities", identities],
  ["rules", rules],
  ["absence", absence],
  ["sharing", sharing],
  ["security", security],
];
const HASH = "#settings";
/** @type {HTMLDialogElement | null} */
let dialog = null;

/** Whether the page's address asks for settings. */
export function wanted() {
  return location.hash === HASH || location.hash.startsWith(`${HASH}/`);
}

/** Open them, at the section that the page's address names. */
export async function openSettings() {
  if (!wanted()) history.pushState(null, "", HASH);
  await more("mail/settings");
  await styled();
  dialog ??= made();
  if (!dialog.open) dialog.showModal();
  await show();
}

function made() {
  const close = element("button", { type: "button", class: "plain", "aria-label": say("s-close"), title: say("s-close") }, icon("close"));
  const tabs = SECTIONS.map(([name]) => element("a", { href: `${HASH}/${name}`, "data-section": name }, say(`s-${name}`)));
  const found = /** @type {HTMLDialogElement} */ (
    element(
      "dialog",
      { id: "settings-dialog", "aria-labelledby": "settings-title" },
      element("header", {}, element("h2", { id: "settings-title" }, say("s-title")), close),
      element("nav", { "aria-label": say("s-title") }, ...tabs),
      element("div", { class: "section", tabindex: "-1" }),
      told,
    )
  );
  close.onclick = () => found.close();
  found.addEventListener("close", () => {
    if (wanted()) history.pushState(null, "", location.pathname + location.search);
  });
  addEventListener("popstate", () => !wanted() && found.close());
  document.body.append(found);
  return found;
}

async function show() {
  if (!dialog) return;
  if (!dialog.open) dialog.showModal();
  const asked = location.hash.slice(HASH.length + 1);
  const [name, section] = SECTIONS.find(([one]) => one === asked) ?? /** @type {(typeof SECTIONS)[0]} */ (SECTIONS[0]);
  for (const tab of dialog.querySelectorAll("nav a")) {
    if (tab.getAttribute("data-section") === name) {
      tab.setAttribute("aria-current", "page");
      tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else tab.removeAttribute("aria-current");
  }
  told.textContent = "";
  const old = /** @type {HTMLElement} */ (dialog.querySelector(".section"));
  const fresh = element("div", { class: "section", tabindex: "-1", "data-shown": name }, element("h3", {}, say(`s-${name}`)));
  old.replaceWith(fresh); // what an earlier section has still to draw goes nowhere
  try {
    await section.draw(fresh);
  } catch (error) {
    fresh.append(element("p", { class: "bad", role: "alert" }, String(error instanceof Error ? error.message : error)));
  }
}

/** @returns {Promise<void>} */
function styled() {
  if (document.getElementById("settings-style")) return Promise.resolve();
  const link = element("link", { id: "settings-style", rel: "stylesheet", href: `${root}/static/mail/settings/settings.css` });
  return new Promise((resolve) => {
    link.onload = link.onerror = () => resolve();
    document.head.append(link);
  });
}
