// Times, sizes and names for people.
import { language, say } from "../common/words.js";

const locale = () => navigator.languages.find((tag) => tag.startsWith(language)) ?? language;

/** @param {number} seconds since 1970 */
export function when(seconds) {
  const date = new Date(seconds * 1000);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(date);
  if (date.getFullYear() === now.getFullYear()) return new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric" }).format(date);
  return new Intl.DateTimeFormat(locale(), { year: "numeric", month: "2-digit", day: "2-digit" }).format(date);
}

/** @param {number} seconds since 1970 */
export function exactly(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "full", timeStyle: "short" }).format(new Date(seconds * 1000));
}

/** @param {number} octets */
export function size(octets) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = octets;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: value < 10 && at ? 1 : 0 }).format(value)} ${units[at]}`;
}

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
