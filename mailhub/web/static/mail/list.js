// The list of messages: only the rows that are seen exist, pages of it are fetched as they come into view.
import { ask } from "../common/api.js";
import { byId, element } from "../common/dom.js";
import { when } from "../common/format.js";
import { icon } from "../common/icons.js";
import { say } from "../common/words.js";
import { named } from "./names.js";
import { place, state } from "./state.js";

const HEIGHT = 68; // of a row, as mail.css has it
const PAGE = 100;
const box = byId("list");
const room = byId("room");
/** @type {Map<number, import("./state.js").Row[]>} page number -> rows */
let pages = new Map();
/** @type {Map<number, import("./state.js").Row[]>} what was shown before something changed */
let before = new Map();
let total = 0;
let modseq = -1;
let cursor = -1;
let anchor = -1;
let generation = 0;
/** @type {Set<number>} */
let asked = new Set();
/** @type {(row: import("./state.js").Row) => void} */
let opened = () => {};
/** @type {() => void} */
let chosen = () => {};

/**
 * @param {(row: import("./state.js").Row) => void} open called with a row that is to be read
 * @param {() => void} select called when other rows are selected
 */
export function start(open, select) {
  opened = open;
  chosen = select;
  box.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(box);
  box.addEventListener("click", click);
  box.addEventListener("keydown", keys);
  box.addEventListener("dragstart", drag);
}

/** Begin anew at the top: another folder, order or search. */
export async function fresh() {
  generation += 1;
  pages = new Map();
  before = new Map();
  asked = new Set();
  state.selected.clear();
  total = 0;
  modseq = -1;
  cursor = anchor = -1;
  box.scrollTop = 0;
  room.replaceChildren();
  chosen();
  await fetchPage(0);
}

/** Something has changed: what is in view is fetched again, and stays where it is until then. */
export async function again() {
  generation += 1;
  before = new Map([...before, ...pages]);
  pages = new Map();
  asked = new Set();
  await Promise.all(inView().map(fetchPage));
}

/** @param {number} uid */
export function rowOf(uid) {
  for (const rows of [...pages.values(), ...before.values()]) {
    const found = rows.find((row) => row.uid === uid);
    if (found) return found;
  }
  return null;
}

/**
 * Show a change before the server has told of it.
 * @param {number[]} uids
 * @param {(row: import("./state.js").Row) => void} change
 */
export function touch(uids, change) {
  for (const rows of [...pages.values(), ...before.values()]) for (const row of rows) if (uids.includes(row.uid)) change(row);
  draw();
}

/** The messages that an action is for: those selected, or the one that is open. */
export function targets() {
  const marked = [...state.selected];
  const uids = marked.length ? marked : state.open ? [state.open.row.uid] : current() ? [/** @type {import("./state.js").Row} */ (current()).uid] : [];
  return [...new Set(uids.flatMap((uid) => [uid, ...(state.threads ? (rowOf(uid)?.others ?? []) : [])]))];
}

export function selectAll() {
  const rows = [...pages.values()].flat();
  const all = rows.every((row) => state.selected.has(row.uid));
  state.selected = all ? new Set() : new Set(rows.map((row) => row.uid));
  changedSelection();
}

export function selectNone() {
  state.selected.clear();
  changedSelection();
}

export function count() {
  return total;
}

export function current() {
  return at(cursor);
}

/**
 * Go so many rows down (or up) and stay in the list.
 * @param {number} step
 * @param {boolean} [read] open it
 */
export function move(step, read = false) {
  if (!total) return;
  cursor = Math.max(0, Math.min(total - 1, cursor + step));
  show(cursor);
  draw();
  const row = at(cursor);
  if (read && row) opened(row);
}

/**
 * Put the cursor on a message, if it is in view.
 * @param {number} uid
 */
export function follow(uid) {
  for (const [page, rows] of pages) {
    const found = rows.findIndex((row) => row.uid === uid);
    if (found >= 0) cursor = page * PAGE + found;
  }
  draw();
}

export function toggle() {
  const row = current();
  if (!row) return;
  if (!state.selected.delete(row.uid)) state.selected.add(row.uid);
  anchor = cursor;
  changedSelection();
}

// ---

/** @param {number} index */
function at(index) {
  const page = Math.floor(index / PAGE);
  return pages.get(page)?.[index % PAGE] ?? before.get(page)?.[index % PAGE] ?? null;
}

function inView() {
  const first = Math.floor(box.scrollTop / HEIGHT / PAGE);
  const last = Math.floor((box.scrollTop + box.clientHeight) / HEIGHT / PAGE);
  return first === last ? [first] : [first, last];
}

/** @param {number} page */
async function fetchPage(page) {
  if (!state.folder || asked.has(page)) return;
  asked.add(page);
  const mine = generation;
  const query = new URLSearchParams({ offset: String(page * PAGE), limit: String(PAGE), sort: state.sort.replace("+", "") });
  if (state.sort.endsWith("+")) query.set("ascending", "1");
  if (state.q) query.set("q", state.q);
  if (state.threads) query.set("threads", "1");
  box.setAttribute("aria-busy", "true");
  try {
    const found = await ask("GET", `${place(state.folder.id)}/messages?${query}`);
    if (mine !== generation) return;
    if (modseq !== -1 && found.modseq !== modseq && pages.size) {
      modseq = found.modseq;
      void again(); // other pages are of another moment
      return;
    }
    modseq = found.modseq;
    total = found.total;
    pages.set(page, found.messages);
    before.delete(page);
    byId("empty").hidden = total > 0;
    byId("empty").textContent = say(state.q ? "nothingFound" : "emptyFolder");
    byId("count").textContent = say("countOf", { count: total });
  } catch (error) {
    if (mine !== generation) return;
    asked.delete(page);
    byId("empty").hidden = false;
    byId("empty").textContent = String(/** @type {Error} */ (error).message);
    if (!pages.size) total = 0;
  } finally {
    box.removeAttribute("aria-busy");
    draw();
  }
}

let waiting = 0;

function draw() {
  if (waiting) return;
  waiting = requestAnimationFrame(() => {
    waiting = 0;
    paint();
  });
}

function paint() {
  room.style.height = `${total * HEIGHT}px`;
  const first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - 5);
  const last = Math.min(total, Math.ceil((box.scrollTop + box.clientHeight) / HEIGHT) + 5);
  /** @type {HTMLElement[]} */
  const rows = [];
  for (let index = first; index < last; index += 1) rows.push(drawn(index));
  room.replaceChildren(...rows);
  for (const page of inView()) if (total && page * PAGE < total) void fetchPage(page);
  box.setAttribute("aria-activedescendant", cursor >= first && cursor < last ? `row-${cursor}` : "");
}

/** @param {number} index */
function drawn(index) {
  const row = at(index);
  const made = element("div", {
    id: `row-${index}`,
    role: "option",
    "aria-posinset": `${index + 1}`,
    "aria-setsize": `${total}`,
    "aria-selected": String(row !== null && state.selected.has(row.uid)),
    draggable: "true",
    "data-index": `${index}`,
  });
  made.className = "row";
  made.style.top = `${index * HEIGHT}px`;
  if (index === cursor) made.classList.add("cursor");
  if (!row) return made;
  const sent = state.folder?.use === "\\Sent" || state.folder?.use === "\\Drafts";
  const people = (sent ? row.to : row.sender).map(named).join(", ") || say("nobody");
  if (row.unread) made.classList.add("new");
  if (state.open?.row.uid === row.uid && state.open.folder === state.folder?.id) made.classList.add("open");
  const face = element("span", { class: "face", "aria-hidden": "true" }, state.selected.has(row.uid) ? "✓" : [...people.trim()][0]?.toUpperCase() ?? "?");
  const subject = row.subject || say("noSubject");
  const about = element("span", { class: "about" }, element("b", {}, subject), row.preview ? ` — ${row.preview}` : "");
  const labels = row.flags.filter((flag) => !/^[\\$]/.test(flag)).slice(0, 3);
  const marks = element("span", { class: "marks" });
  for (const label of labels) marks.append(element("span", { class: "label mark" }, label));
  if (row.others.length) marks.append(element("span", { class: "label mark", title: say("inConversation") }, String(row.others.length + 1)));
  if (row.attachments) marks.append(marked("clip", "hasFiles"));
  if (row.flags.includes("\\Answered")) marks.append(marked("answered", "answered"));
  if (row.flags.includes("\\Flagged")) marks.append(marked("star", "starred"));
  made.setAttribute("aria-label", [row.unread ? say("unread") : "", people, subject, when(row.received)].filter(Boolean).join(", "));
  made.append(face, element("span", { class: "from" }, people), element("span", { class: "when" }, when(row.received)), about, marks);
  return made;
}

/**
 * @param {string} drawing
 * @param {string} word
 */
function marked(drawing, word) {
  const made = element("span", { class: "mark" }, icon(drawing, say(word)));
  if (drawing === "star") {
    made.classList.add("starred");
    made.firstElementChild?.classList.add("on");
  }
  return made;
}

function changedSelection() {
  chosen();
  draw();
}

/** @param {number} index */
function show(index) {
  const top = index * HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
}

/** @param {Event} event */
function indexOf(event) {
  const row = event.target instanceof Element ? event.target.closest(".row") : null;
  return row instanceof HTMLElement ? Number(row.dataset.index) : -1;
}

/** @param {MouseEvent} event */
function click(event) {
  const index = indexOf(event);
  const row = at(index);
  if (!row) return;
  const onFace = event.target instanceof Element && event.target.closest(".face");
  cursor = index;
  if (event.shiftKey && anchor >= 0) {
    for (let n = Math.min(anchor, index); n <= Math.max(anchor, index); n += 1) {
      const one = at(n);
      if (one) state.selected.add(one.uid);
    }
    changedSelection();
  } else if (event.ctrlKey || event.metaKey || onFace) {
    toggle();
  } else {
    anchor = index;
    if (state.selected.size) selectNone();
    opened(row);
    draw();
  }
}

/** @param {KeyboardEvent} event */
function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "a" && event.ctrlKey) {
      event.preventDefault();
      selectAll();
    }
    return;
  }
  const steps = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -1e9, End: 1e9 });
  if (event.key in steps) {
    event.preventDefault();
    move(steps[event.key] ?? 0);
  } else if (event.key === "Enter") {
    event.preventDefault();
    const row = current();
    if (row) opened(row);
  } else if (event.key === " ") {
    event.preventDefault();
    toggle();
  }
}

/** @param {DragEvent} event */
function drag(event) {
  const row = at(indexOf(event));
  if (!row || !event.dataTransfer) return;
  if (!state.selected.has(row.uid)) {
    state.selected = new Set([row.uid]);
    changedSelection();
  }
  event.dataTransfer.setData("application/x-mailhub", JSON.stringify(targets()));
  event.dataTransfer.effectAllowed = "copyMove";
}
