// Names of people and folders as the page shows them.
import { say } from "../common/words.js";

/** @param {import("./state.js").Person} person */
export function named(person) {
  return person.name || person.address;
}

/** @param {import("./state.js").Person} person */
export function whole(person) {
  if (!person.name) return person.address;
  const plain = /^[\w -]+$/u.test(person.name) ? person.name : `"${person.name.replace(/["\\]/g, "\\$&")}"`;
  return `${plain} <${person.address}>`;
}

const USES = /** @type {Record<string, string>} */ ({ "\\Sent": "sent", "\\Drafts": "drafts", "\\Trash": "trash", "\\Junk": "junkFolder", "\\Archive": "archiveFolder" });

/**
 * What a folder is called in the reader's language: its last level alone.
 * @param {import("./state.js").Folder} folder
 */
export function folderName(folder) {
  if (folder.name === "INBOX") return say("inbox");
  const use = USES[folder.use];
  if (use && !folder.name.includes(".")) return say(use);
  return folder.name.slice(folder.name.lastIndexOf(".") + 1);
}

/**
 * What a folder of somebody else is called there: without what stands before it in its own list.
 * @param {import("./state.js").Folder} folder
 */
export function sharedName(folder) {
  const owner = `.${folder.owner.replaceAll(".", "^")}.`;
  const at = folder.name.indexOf(owner);
  const name = at < 0 ? folder.name : folder.name.slice(at + owner.length);
  return name === "INBOX" ? say("inbox") : name;
}
