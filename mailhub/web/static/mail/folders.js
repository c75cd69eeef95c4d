// The folders at the side: counts, making, renaming, deleting, sharing; messages are dropped on them.
import { ask } from "../common/api.js";
import { askFor, choose, confirm } from "../common/asking.js";
import { byId, element } from "../common/dom.js";
import { size } from "../common/format.js";
import { tell, wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import { folderName, sharedName } from "./names.js";
import { place, state } from "./state.js";

const list = byId("folder-list");
const ORDER = ["", "\\Drafts", "\\Sent", "\\Archive", "\\Junk", "\\Trash"];

/**
 * @param {(folder: import("./state.js").Folder) => void} open
 * @param {(uids: number[], folder: import("./state.js").Folder, copy: boolean) => void} drop
 */
export function start(open, drop) {
  list.addEventListener("click", (event) => {
    const item = event.target instanceof Element ? event.target.closest("li") : null;
    const folder = state.folders.find((one) => one.id === item?.dataset.id);
    if (!folder) return;
    event.preventDefault();
    if (event.target instanceof Element && event.target.closest(".more")) void menu(folder);
    else open(folder);
  });
  list.addEventListener("dragover", (event) => {
    const item = event.target instanceof Element ? event.target.closest("li") : null;
    if (!item || !event.dataTransfer?.types.includes("application/x-mailhub")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = event.ctrlKey ? "copy" : "move";
    for (const other of list.querySelectorAll(".over")) if (other !== item) other.classList.remove("over");
    item.classList.add("over");
  });
  list.addEventListener("dragleave", (event) => {
    if (event.target instanceof Element) event.target.closest("li")?.classList.remove("over");
  });
  list.addEventListener("drop", (event) => {
    const item = event.target instanceof Element ? event.target.closest("li") : null;
    item?.classList.remove("over");
    const folder = state.folders.find((one) => one.id === item?.dataset.id);
    const told = event.dataTransfer?.getData("application/x-mailhub");
    if (!folder || !told) return;
    event.preventDefault();
    drop(JSON.parse(told), folder, event.ctrlKey);
  });
  byId("new-folder").onclick = () => void create();
}

export async function load() {
  state.folders = await ask("GET", "own/folders");
  draw();
}

/**
 * Take in what has happened; where the folder that is shown is gone, none is shown.
 * @param {{changed: import("./state.js").Folder[], gone: string[], whole: boolean}} told
 */
export function happened(told) {
  const changed = new Map(told.changed.map((one) => [one.id, one]));
  const known = told.whole ? [] : state.folders.filter((one) => !told.gone.includes(one.id) && !changed.has(one.id));
  state.folders = [...known, ...told.changed];
  if (state.folder) state.folder = state.folders.find((one) => one.id === state.folder?.id) ?? null;
  draw();
}

export function draw() {
  const own = state.folders.filter((one) => one.owner === state.account);
  const others = state.folders.filter((one) => one.owner !== state.account);
  list.replaceChildren(...[...own].sort(byUse).map(drawn), ...others.map(drawn));
  document.title = state.folder ? `${state.folder.unread ? `(${state.folder.unread}) ` : ""}${folderName(state.folder)} – mailhub` : "mailhub";
  byId("storage").textContent = say("holds", { size: size(own.reduce((sum, one) => sum + one.size, 0)) });
}

/**
 * @param {import("./state.js").Folder} a
 * @param {import("./state.js").Folder} b
 */
function byUse(a, b) {
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}

/** @param {import("./state.js").Folder} folder */
function rank(folder) {
  if (folder.name === "INBOX") return -1;
  return folder.use ? ORDER.indexOf(folder.use) : ORDER.length;
}

/** @param {import("./state.js").Folder} folder */
function drawn(folder) {
  const here = folder.id === state.folder?.id;
  const own = folder.owner === state.account;
  const count = folder.use === "\\Drafts" ? folder.messages : folder.unread;
  const link = element("a", { href: `#${folder.id}`, title: folder.name, ...(here ? { "aria-current": "page" } : {}) }, element("span", { class: "name" }, own ? folderName(folder) : sharedName(folder), ...(own ? [] : [element("small", {}, ` ${folder.owner}`)])));
  if (count) link.append(element("span", { class: "unread", "aria-label": say("unreadCount", { count }) }, String(count)));
  const more = element("button", { type: "button", class: "more", "aria-label": say("folderMenu", { name: folder.name }) }, "⋯");
  const depth = own ? Math.min(4, folder.name.split(".").length - 1) : 0;
  return element("li", { "data-id": folder.id, class: `${here ? "here " : ""}deep-${depth}` }, link, more);
}

async function create() {
  const name = await askFor(say("newFolder"), say("folderName"), "", say("levels"));
  if (!name) return;
  await ask("POST", "own/folders", { name }).then(load).catch(wrong);
}

/** @param {import("./state.js").Folder} folder */
async function menu(folder) {
  /** @type {[string, () => Promise<unknown>][]} */
  const choices = [];
  /** @param {string} word @param {() => Promise<unknown>} what */
  const entry = (word, what) => choices.push([say(word), what]);
  const own = folder.owner === state.account;
  if (folder.name !== "INBOX" && folder.rights.includes("x")) {
    entry("rename", async () => {
      const name = await askFor(say("rename"), say("folderName"), folder.name);
      if (name && name !== folder.name) await ask("PATCH", place(folder.id), { name });
    });
    if (!folder.use)
      entry("deleteFolder", async () => {
        if (await confirm(say("deleteFolder"), say("deleteFolderSure", { name: folder.name, count: folder.messages }))) await ask("DELETE", place(folder.id));
      });
  }
  entry(folder.subscribed ? "unsubscribeFolder" : "subscribeFolder", () => ask("PATCH", place(folder.id), { subscribed: !folder.subscribed }));
  if (own && folder.rights.includes("a")) entry("share", () => share(folder));
  if (own && ["\\Trash", "\\Junk"].includes(folder.use)) entry("emptyOut", () => emptyOut(folder));
  const chosen = await choose(folder.name, choices);
  if (chosen) await chosen().then(load).catch(wrong);
}

/** @param {import("./state.js").Folder} folder */
async function share(folder) {
  const known = await ask("GET", `${place(folder.id)}/sharing`);
  const body = element("dl");
  for (const one of known) body.append(element("dt", {}, one.who), element("dd", {}, one.rights));
  const who = element("input", { type: "email", "aria-label": say("shareWith"), placeholder: say("shareWith") });
  const how = element("select", { "aria-label": say("rights") });
  for (const [rights, word] of [["lrs", "mayRead"], ["lrswite", "mayChange"], ["lrswipkxtea", "mayAll"], ["", "mayNothing"]]) how.append(element("option", { value: rights ?? "" }, say(word ?? "")));
  if (!(await confirm(say("share"), element("div", {}, body, who, how)))) return;
  const told = { who: /** @type {HTMLInputElement} */ (who).value, rights: /** @type {HTMLSelectElement} */ (how).value };
  await ask("PUT", `${place(folder.id)}/sharing`, told);
  tell(say("shared", { name: folder.name, who: told.who }));
}

/** @param {import("./state.js").Folder} folder */
async function emptyOut(folder) {
  if (!(await confirm(say("emptyOut"), say("emptyOutSure", { count: folder.messages })))) return;
  for (;;) {
    const page = await ask("GET", `${place(folder.id)}/messages?limit=200`);
    if (!page.messages.length) return;
    await ask("POST", `${place(folder.id)}/messages/delete`, { uids: page.messages.map((/** @type {{uid: number}} */ row) => row.uid), forever: true });
  }
}
