// Keys, as most mail pages have them. They rest while somebody writes.
import { confirm } from "../common/asking.js";
import { element } from "../common/dom.js";
import { say } from "../common/words.js";

const KEYS = /** @type {Record<string, [string, string]>} */ ({
  j: ["next", "keyNext"],
  k: ["previous", "keyPrevious"],
  o: ["open", "keyOpen"],
  u: ["close", "keyClose"],
  x: ["select", "keySelect"],
  e: ["archive", "archive"],
  "#": ["delete", "delete"],
  "!": ["junk", "junk"],
  s: ["star", "star"],
  l: ["label", "label"],
  v: ["move", "move"],
  y: ["copy", "copy"],
  I: ["read", "markRead"],
  U: ["unread", "markUnread"],
  c: ["compose", "compose"],
  r: ["reply", "reply"],
  a: ["reply-all", "replyAll"],
  f: ["forward", "forward"],
  z: ["undo", "undo"],
  "/": ["search", "search"],
  g: ["inbox", "keyInbox"],
  "?": ["keys", "keys"],
});
const OTHERS = /** @type {Record<string, string>} */ ({ Delete: "delete", Escape: "close" });

/** @param {(what: string) => void} act */
export function start(act) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    if (target instanceof HTMLElement && (target.closest("input, textarea, select, dialog, [contenteditable], .writer") || target.isContentEditable)) return;
    if (document.querySelector("dialog[open]")) return;
    const what = OTHERS[event.key] ?? KEYS[event.key]?.[0];
    if (!what) return;
    event.preventDefault();
    if (what === "keys") void help();
    else act(what);
  });
}

export async function help() {
  const list = element("dl");
  for (const [key, [, word]] of Object.entries(KEYS)) list.append(element("dt", {}, element("kbd", {}, key)), element("dd", {}, say(word)));
  await confirm(say("keys"), list, false);
}
