// What the page knows: one object that all its parts share.

/** @typedef {{id: string, name: string, use: string, messages: number, unread: number, size: number, modseq: number, subscribed: boolean, owner: string, rights: string, labels: string[]}} Folder */
/** @typedef {{name: string, address: string}} Person */
/** @typedef {{uid: number, flags: string[], received: number, sent: number, size: number, subject: string, sender: Person[], to: Person[], preview: string, attachments: boolean, unread: boolean, others: number[]}} Row */
/** @typedef {{address: string, name: string, signature: string}} Identity */
/** @typedef {{language: string, theme: string, undo_seconds: number, conversations: boolean, notifications: boolean, identities: Identity[]}} Preferences */
/** @typedef {{section: string, name: string, type: string, size: number, preview: boolean, inline: boolean}} File */
/** @typedef {{row: Row, folder: string, message_id: string, in_reply_to: string, references: string, cc: string[], reply_to: string[], fields: [string, string][], text: string, html: boolean, remote: number, cut: boolean, files: File[], results: [string, string, string][], verdict: string, unsubscribe: {url: string, one_click: boolean} | null}} Opened */

export const state = {
  account: "",
  /** @type {Preferences} */
  preferences: { language: "", theme: "", undo_seconds: 10, conversations: false, notifications: false, identities: [] },
  /** @type {Folder[]} */
  folders: [],
  /** @type {Folder | null} */
  folder: null,
  q: "",
  sort: "arrival",
  threads: false,
  /** @type {Set<number>} UIDs in the list */
  selected: new Set(),
  /** @type {Opened | null} */
  open: null,
};

/** @param {string} use "\\Sent", ... */
export function folderFor(use) {
  return state.folders.find((one) => one.use === use && one.owner === state.account);
}

/** @param {string} id */
export function folderById(id) {
  return state.folders.find((one) => one.id === id);
}

/**
 * The path of a folder below the account's own.
 * @param {string} id
 */
export function place(id) {
  return `own/folders/${encodeURIComponent(id)}`;
}
