// Where the page begins, and where its parts meet.
import { root, whenEnded } from "../common/api.js";
import { confirm } from "../common/asking.js";
import { byId, element } from "../common/dom.js";
import { drawIcons } from "../common/icons.js";
import { signIn, signOut, whoIsIt } from "../common/signin.js";
import { undoLast, wrong } from "../common/toast.js";
import { load, say } from "../common/words.js";
import { act, flag, move } from "./actions.js";
import * as answering from "./answering.js";
import * as folders from "./folders.js";
import * as keys from "./keys.js";
import * as list from "./list.js";
import * as message from "./message.js";
import { manage as managePasskeys } from "./passkeys.js";
import * as preferences from "./preferences.js";
import { openSettings, wanted as settingsWanted } from "./settings/main.js";
import { unsaved as rulesUnsaved } from "./settings/rules.js";
import { state } from "./state.js";
import { unsaved, write } from "./writing.js";

const SEEN_AFTER = 600; // milliseconds a message is open before it counts as read

await load("mail");
drawIcons(document);
whenEnded(() => location.reload());
const who = (await whoIsIt()) ?? (await signIn());
state.account = who.account;
byId("who").textContent = who.account;
byId("account").title = who.account;
byId("administration").hidden = !who.is_admin && !who.domains.length;
await preferences.load();
byId("mail").hidden = false;

const sort = /** @type {HTMLSelectElement} */ (byId("sort"));
const threads = /** @type {HTMLInputElement} */ (byId("threads"));
const search = /** @type {HTMLFormElement} */ (byId("search"));
const query = /** @type {HTMLInputElement} */ (search.elements.namedItem("q"));
state.sort = sort.value = localStorage.getItem("sort") ?? "arrival";
state.threads = threads.checked = (localStorage.getItem("threads") ?? (state.preferences.conversations ? "1" : "0")) === "1";

list.start((row) => void read(row.uid), selection);
message.start((what) => void doing(what));
folders.start((folder) => void enter(folder), (uids, folder, copy) => state.folder && void move(state.folder, uids, folder.id, copy).catch(wrong));
keys.start((what) => void doing(what));

byId("bar").addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-do]") : null;
  if (button) void doing(button.getAttribute("data-do") ?? "");
});
byId("compose").onclick = () => void doing("compose");
byId("show-folders").onclick = () => byId("show-folders").setAttribute("aria-expanded", String(document.body.classList.toggle("folders-open")));
byId("search-help").onclick = () => void searchHelp();
byId("account").addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest("button, a")) byId("account").removeAttribute("open");
});
byId("show-passkeys").onclick = () => void managePasskeys().catch(wrong);
byId("settings").onclick = () => void openSettings();
addEventListener("hashchange", () => settingsWanted() && void openSettings());
byId("show-keys").onclick = () => void keys.help();
byId("sign-out").onclick = async () => {
  await signOut();
  location.reload();
};
sort.onchange = () => {
  state.sort = sort.value;
  localStorage.setItem("sort", sort.value);
  void list.fresh();
};
threads.onchange = () => {
  state.threads = threads.checked;
  localStorage.setItem("threads", threads.checked ? "1" : "0");
  void list.fresh();
};
search.onsubmit = (/** @type {Event} */ event) => {
  event.preventDefault();
  find();
};
query.addEventListener("search", find);

addEventListener("beforeunload", (event) => {
  if (unsaved() || rulesUnsaved()) event.preventDefault();
});

await folders.load();
await enter(/** @type {import("./state.js").Folder} */ (inbox() ?? state.folders[0]));
listen();
if (settingsWanted()) await openSettings();

// ---

/** @param {import("./state.js").Folder} folder */
async function enter(folder) {
  state.folder = folder;
  state.q = query.value = "";
  document.body.classList.remove("folders-open");
  message.close();
  folders.draw();
  await list.fresh();
}

function inbox() {
  return state.folders.find((one) => one.name === "INBOX");
}

function find() {
  if (state.q === query.value.trim()) return;
  state.q = query.value.trim();
  void list.fresh();
}

/** @param {number} uid */
async function read(uid) {
  const folder = state.folder;
  if (!folder) return;
  try {
    const told = await message.open(folder.id, uid);
    if (told && folder.use === "\\Drafts" && told.row.flags.includes("\\Draft")) return await answering.continueDraft(told).then(message.close);
    list.follow(uid);
    if (told?.row.unread && folder.rights.includes("s"))
      setTimeout(() => {
        if (state.open?.row.uid === uid) void flag(folder, [uid], "\\Seen", true).catch(wrong);
      }, SEEN_AFTER);
  } catch (error) {
    wrong(error);
  }
}

function selection() {
  const none = !state.selected.size && !state.open;
  for (const button of document.querySelectorAll("#bar .several")) /** @type {HTMLButtonElement} */ (button).disabled = none;
  byId("count").textContent = state.selected.size ? say("selected", { count: state.selected.size }) : say("countOf", { count: list.count() });
}

/** @param {string} what */
async function doing(what) {
  if (what === "next") list.move(1, state.open !== null);
  else if (what === "previous") list.move(-1, state.open !== null);
  else if (what === "open") {
    const row = list.current();
    if (row) await read(row.uid);
  } else if (what === "close") {
    message.close();
    list.selectNone();
    byId("list").focus();
  } else if (what === "select") list.toggle();
  else if (what === "select-all") list.selectAll();
  else if (what === "undo") undoLast();
  else if (what === "search") query.focus();
  else if (what === "inbox") await enter(/** @type {import("./state.js").Folder} */ (inbox() ?? state.folders[0]));
  else if (what === "print") print();
  else if (what === "compose") write();
  else if (what.startsWith("write:")) answering.fromLink(what.slice(6));
  else if (["reply", "reply-all", "forward", "edit-draft", "forward-attached"].includes(what)) await answer(what).catch(wrong);
  else await act(what);
  selection();
}

/** @param {string} what */
async function answer(what) {
  const told = state.open;
  if (what === "forward-attached" && state.folder) return answering.forwardAttached(state.folder.id, list.targets().flatMap((uid) => list.rowOf(uid) ?? []));
  if (!told) return;
  if (what === "forward") await answering.forward(told);
  else if (what === "edit-draft") await answering.continueDraft(told);
  else await answering.reply(told, what === "reply-all");
}

function listen() {
  const events = new EventSource(`${root}/api/mailhub/v1/own/events`);
  events.addEventListener("folders", (event) => {
    const before = state.folder;
    const unread = inbox()?.unread ?? 0;
    folders.happened(JSON.parse(event.data));
    if (!state.folder) void doing("inbox"); // it was deleted elsewhere
    else if (before?.modseq !== state.folder.modseq) void list.again();
    const now = inbox();
    if (now && now.unread > unread) preferences.notify(say("newMail"), say("unreadCount", { count: now.unread }));
  });
}

async function searchHelp() {
  const help = element("dl");
  for (const one of ["from:ann", "to:bob", 'subject:"two words"', "has:attachment", "is:unread", "is:starred", "before:2026-01-31", "newer_than:7d", "larger:5M", "label:work", "-word", "a OR b"]) help.append(element("dt", {}, one), element("dd", {}, say(`search-${one.split(/[:\s"]/)[0]}`)));
  await confirm(say("searchHelp"), help, false);
}
