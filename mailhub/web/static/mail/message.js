// One message: who, what, why it is here, its files. What it says stands in a frame without scripts.
import { ask, root } from "../common/api.js";
import { confirm } from "../common/asking.js";
import { byId, element } from "../common/dom.js";
import { exactly, size } from "../common/format.js";
import { tell, wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import { whole } from "./names.js";
import { isDark } from "./preferences.js";
import { place, state } from "./state.js";

const pane = byId("message");
/** @type {(what: string) => void} */
let doing = () => {};
let opening = 0;

/** @param {(what: string) => void} act called with what a button is for */
export function start(act) {
  doing = act;
  pane.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-do]") : null;
    if (!button) return;
    button.closest("details")?.removeAttribute("open");
    doing(button.getAttribute("data-do") ?? "");
  });
}

/**
 * @param {string} folder its id
 * @param {number} uid
 * @returns {Promise<import("./state.js").Opened | null>} null where another was opened meanwhile
 */
export async function open(folder, uid) {
  opening += 1;
  const mine = opening;
  const told = await ask("GET", `${place(folder)}/messages/${uid}`);
  if (mine !== opening) return null;
  state.open = told;
  draw(told);
  document.body.dataset.pane = "message";
  return told;
}

export function close() {
  opening += 1;
  state.open = null;
  document.body.dataset.pane = "list";
  pane.replaceChildren(element("p", { id: "nothing" }, say("nothingOpen")));
}

/** @param {import("./state.js").Opened} told */
export function path(told) {
  return `${root}/api/mailhub/v1/${place(told.folder)}/messages/${told.row.uid}`;
}

/** @param {import("./state.js").Opened} told */
function draw(told) {
  const { row } = told;
  const title = element("h2", { tabindex: "-1" }, row.subject || say("noSubject"));
  const text = frame(told, false);
  const parts = [tools(told), title, people(told), ...notes(told, text), ...attached(told), text, why(told)];
  pane.replaceChildren(...parts);
  pane.scrollTop = 0;
}

/** @param {import("./state.js").Opened} told */
function tools(told) {
  const junk = state.folder?.use === "\\Junk";
  /** @param {string} what @param {string} word @param {string} [kind] */
  const button = (what, word, kind = "") => element("button", { type: "button", "data-do": what, class: kind }, say(word));
  const back = element("button", { type: "button", id: "back", "data-do": "close", "aria-label": say("back") }, "←");
  const file = path(told);
  const more = element(
    "details",
    { class: "menu" },
    element("summary", {}, say("more")),
    element(
      "div",
      {},
      button("unread", "markUnread"),
      button("star", "star"),
      button("label", "label"),
      button("move", "move"),
      button("copy", "copy"),
      button("forward-attached", "forwardAttached"),
      button("print", "print"),
      element("a", { href: `${file}/raw?inline=1`, target: "_blank", rel: "noopener" }, say("source")),
      element("a", { href: `${file}/raw`, download: "message.eml" }, say("downloadMessage")),
    ),
  );
  const draft = isDraft(told);
  const first = draft ? [button("edit-draft", "continueDraft", "main")] : [button("reply", "reply", "main"), button("reply-all", "replyAll"), button("forward", "forward")];
  return element("div", { class: "tools" }, back, ...first, button("archive", "archive"), button(junk ? "not-junk" : "junk", junk ? "notJunk" : "junk"), button("delete", "delete"), more);
}

/** @param {import("./state.js").Opened} told */
function isDraft(told) {
  return told.row.flags.includes("\\Draft") || state.folder?.use === "\\Drafts";
}

/** @param {import("./state.js").Opened} told */
function people(told) {
  const list = element("dl", { class: "people" });
  /** @param {string} word @param {string} value */
  const line = (word, value) => value && list.append(element("dt", {}, say(word)), element("dd", {}, value));
  line("from", told.row.sender.map(whole).join(", "));
  line("to", told.row.to.map(whole).join(", "));
  line("cc", told.cc.join(", "));
  line("replyTo", told.reply_to.join(", "));
  line("date", exactly(told.row.sent));
  const labels = told.row.flags.filter((flag) => !/^[\\$]/.test(flag));
  line("labels", labels.join(", "));
  return list;
}

/**
 * @param {import("./state.js").Opened} told
 * @param {HTMLIFrameElement} text
 */
function notes(told, text) {
  const found = [];
  if (told.remote) {
    const button = element("button", { type: "button", id: "show-pictures" }, say("showPictures"));
    const note = element("p", { class: "note" }, say("pictures", { count: told.remote }), button);
    button.onclick = () => {
      text.src = frameSource(told, true);
      note.remove();
    };
    found.push(note);
  }
  if (told.cut) found.push(element("p", { class: "note" }, say("cut")));
  const leave = told.unsubscribe;
  if (leave) {
    const button = element("button", { type: "button" }, say("unsubscribe"));
    button.onclick = () => void unsubscribe(told);
    found.push(element("p", { class: "note" }, say("fromList"), button));
  }
  return found;
}

/** @param {import("./state.js").Opened} told */
async function unsubscribe(told) {
  const leave = told.unsubscribe;
  if (!leave) return;
  if (!leave.one_click) {
    if (leave.url.toLowerCase().startsWith("mailto:")) doing(`write:${leave.url}`);
    else if (await confirm(say("unsubscribe"), say("unsubscribeAt", { url: leave.url }))) window.open(leave.url, "_blank", "noopener,noreferrer");
    return;
  }
  if (!(await confirm(say("unsubscribe"), say("unsubscribeSure", { host: new URL(leave.url).host })))) return;
  await ask("POST", `${place(told.folder)}/messages/${told.row.uid}/unsubscribe`).then(() => tell(say("unsubscribed")), wrong);
}

/** @param {import("./state.js").Opened} told */
function attached(told) {
  const files = told.files.filter((file) => !file.inline);
  if (!files.length) return [];
  const list = element("ul", { class: "files", "aria-label": say("files") });
  for (const file of files) {
    const source = `${path(told)}/parts/${file.section}`;
    const name = file.name || say("part", { section: file.section });
    const item = element("li", {}, element("span", { class: "name", title: name }, name), element("small", {}, `${file.type}, ${size((file.size * 3) / 4)}`));
    if (file.type.startsWith("image/") && file.preview) item.prepend(element("img", { src: `${source}?inline=1`, alt: name, loading: "lazy" }));
    const ways = element("span", {});
    if (file.preview) ways.append(element("a", { href: `${source}?inline=1`, target: "_blank", rel: "noopener" }, say("look")), " ");
    ways.append(element("a", { href: source, download: name }, say("download")));
    item.append(ways);
    list.append(item);
  }
  const all = files.length > 1 ? [element("p", {}, element("a", { class: "button", href: `${path(told)}/files.zip`, download: "files.zip" }, say("downloadAll", { count: files.length })))] : [];
  return [list, ...all];
}

/**
 * @param {import("./state.js").Opened} told
 * @param {boolean} pictures
 */
function frameSource(told, pictures) {
  const query = new URLSearchParams();
  if (pictures) query.set("pictures", "1");
  if (!told.html && isDark()) query.set("dark", "1");
  return `${path(told)}/html?${query}`;
}

/**
 * @param {import("./state.js").Opened} told
 * @param {boolean} pictures
 */
function frame(told, pictures) {
  const made = /** @type {HTMLIFrameElement} */ (element("iframe", { class: "text", title: say("text"), sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer" }));
  made.onload = () => {
    const inside = made.contentDocument;
    if (!inside) return;
    const fit = () => (made.style.height = `${Math.min(50_000, inside.documentElement.scrollHeight + 2)}px`);
    fit();
    new ResizeObserver(fit).observe(inside.body);
    inside.addEventListener("keydown", (event) => document.dispatchEvent(new KeyboardEvent("keydown", event)));
    inside.addEventListener("click", (event) => {
      const link = event.target instanceof elementIn(made) ? /** @type {Element} */ (event.target).closest("a[href^='mailto:']") : null;
      if (!link) return;
      event.preventDefault();
      doing(`write:${link.getAttribute("href")}`);
    });
  };
  made.src = frameSource(told, pictures);
  return made;
}

/**
 * Element as the frame knows it.
 * @param {HTMLIFrameElement} within
 */
function elementIn(within) {
  return /** @type {typeof Element} */ (/** @type {any} */ (within.contentWindow).Element);
}

/** @param {import("./state.js").Opened} told */
function why(told) {
  const list = element("dl", {});
  for (const [method, result, about] of told.results) {
    const kind = result === "pass" ? "good" : ["fail", "permerror"].includes(result) ? "wrong" : "";
    list.append(element("dt", {}, method.toUpperCase()), element("dd", { class: kind }, `${say(`result-${result}`)}${about ? ` (${about})` : ""}`));
  }
  const words = told.verdict ? say("verdict", { words: told.verdict }) : say(state.folder?.use === "\\Junk" ? "junkByHand" : "nothingAgainst");
  const fields = element("details", {}, element("summary", {}, say("allFields")), element("div", { class: "fields" }, told.fields.map(([name, value]) => `${name}: ${value}`).join("\n")));
  const checks = told.results.length ? [element("p", {}, say("checked")), list] : [element("p", {}, say("notChecked"))];
  return element("details", { class: "why" }, element("summary", {}, say("why")), element("p", {}, words), ...checks, fields);
}
