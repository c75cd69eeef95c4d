// What can be done with messages, each with its way back.
import { ask } from "../common/api.js";
import { askFor, choose } from "../common/asking.js";
import { tell, wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import * as list from "./list.js";
import * as message from "./message.js";
import { folderName } from "./names.js";
import { folderById, folderFor, place, state } from "./state.js";

/**
 * @param {string} what "archive", "junk", "not-junk", "delete", "read", "unread", "star", "move", "copy", "label"
 * @param {number[]} [uids] the ones selected, or the one that is open
 */
export async function act(what, uids = list.targets()) {
  const folder = state.folder;
  if (!folder || !uids.length) return;
  try {
    if (what === "read" || what === "unread") await flag(folder, uids, "\\Seen", what === "read");
    else if (what === "star") await flag(folder, uids, "\\Flagged", !uids.every((uid) => list.rowOf(uid)?.flags.includes("\\Flagged")));
    else if (what === "label") await label(folder, uids);
    else if (what === "move" || what === "copy") await elsewhere(folder, uids, what === "copy");
    else if (what === "archive") await move(folder, uids, "\\Archive");
    else if (what === "junk") await move(folder, uids, "\\Junk");
    else if (what === "not-junk") await move(folder, uids, "INBOX");
    else if (what === "delete") await remove(folder, uids);
  } catch (error) {
    wrong(error);
  }
}

/**
 * @param {import("./state.js").Folder} folder
 * @param {number[]} uids
 * @param {string} name
 * @param {boolean} on
 */
export async function flag(folder, uids, name, on) {
  await ask("POST", `${place(folder.id)}/messages/flags`, { uids, [on ? "add" : "remove"]: [name] });
  list.touch(uids, (row) => {
    row.flags = row.flags.filter((one) => one !== name);
    if (on) row.flags.push(name);
    if (name === "\\Seen") row.unread = !on;
  });
}

/**
 * @param {import("./state.js").Folder} folder
 * @param {number[]} uids
 * @param {string} to
 * @param {boolean} [copy]
 */
export async function move(folder, uids, to, copy = false) {
  const target = to.startsWith("\\") ? folderFor(to) : (folderById(to) ?? state.folders.find((one) => one.name === to));
  if (target?.id === folder.id) return;
  if (!copy) leave(uids);
  const went = await ask("POST", `${place(folder.id)}/messages/${copy ? "copy" : "move"}`, { uids, to });
  const undo = async () => {
    if (copy) await ask("POST", `${place(went.to)}/messages/delete`, { uids: went.now, forever: true });
    else await ask("POST", `${place(went.to)}/messages/move`, { uids: went.now, to: folder.id });
    await list.again();
  };
  const now = folderById(went.to) ?? target;
  tell(say(copy ? "copied" : "moved", { count: went.uids.length, name: now ? folderName(now) : to }), undo);
  await list.again();
}

/**
 * @param {import("./state.js").Folder} folder
 * @param {number[]} uids
 */
async function remove(folder, uids) {
  leave(uids);
  const went = await ask("POST", `${place(folder.id)}/messages/delete`, { uids });
  const undo = went.to
    ? async () => {
        await ask("POST", `${place(went.to)}/messages/move`, { uids: went.now, to: folder.id });
        await list.again();
      }
    : undefined;
  tell(say(went.to ? "deleted" : "deletedForever", { count: went.uids.length }), undo);
  await list.again();
}

/**
 * @param {import("./state.js").Folder} folder
 * @param {number[]} uids
 * @param {boolean} copy
 */
async function elsewhere(folder, uids, copy) {
  const choices = state.folders.filter((one) => one.rights.includes("i") && one.id !== folder.id);
  const chosen = await choose(say(copy ? "copyTo" : "moveTo"), choices.map((one) => [one.owner === state.account && !one.name.includes(".") ? folderName(one) : one.name, one.id]));
  if (chosen) await move(folder, uids, chosen, copy);
}

/**
 * @param {import("./state.js").Folder} folder
 * @param {number[]} uids
 */
async function label(folder, uids) {
  const known = folder.labels.filter((one) => !one.startsWith("$"));
  const fresh = `+ ${say("newLabel")}`;
  let name = await choose(say("label"), [...known.map((one) => /** @type {[string, string]} */ ([one, one])), [fresh, "+"]]);
  if (name === "+") name = (await askFor(say("newLabel"), say("label"))).replace(/\s+/g, "_");
  if (!name) return;
  const has = uids.every((uid) => list.rowOf(uid)?.flags.includes(/** @type {string} */ (name)));
  await flag(folder, uids, name, !has);
  await list.again();
}

/**
 * The messages go from the list: what is open is closed, or the next one comes.
 * @param {number[]} uids
 */
function leave(uids) {
  if (state.open && uids.includes(state.open.row.uid)) message.close();
  list.selectNone();
}
