// A message that is being written: its window, its draft, its files, sending it and taking that back.
import { ask, API, Refused, token } from "../common/api.js";
import { confirm } from "../common/asking.js";
import { byId, element } from "../common/dom.js";
import { exactly, size } from "../common/format.js";
import { icon } from "../common/icons.js";
import { tell, wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import { Editor, isPicture } from "./editor.js";
import { whole } from "./names.js";
import * as outgoing from "./outgoing.js";
import { state } from "./state.js";

/** @typedef {{folder: string, uid: number, section: string}} Carried */
/** @typedef {{name: string, size: number, inline?: boolean, carried: Carried}} Attached */
/** @typedef {{from?: string, to?: string, cc?: string, bcc?: string, subject?: string, html?: string, in_reply_to?: string, references?: string[], files?: Attached[], answers?: {folder: string, uid: number, forwarded: boolean} | null, draft?: number}} Beginning */

const SAVE_AFTER = 3000; // milliseconds without a change
const LIMIT = 35_000_000; // octets of all files, before they are encoded
/** @type {Set<Writer>} */
const open = new Set();

export class Writer {
  /** @param {Beginning} beginning */
  constructor(beginning) {
    this.draft = beginning.draft ?? 0;
    /** @type {Attached[]} */
    this.files = beginning.files ?? [];
    this.answers = beginning.answers ?? null;
    this.inReplyTo = beginning.in_reply_to ?? "";
    this.references = beginning.references ?? [];
    this.dirty = false;
    /** @type {Promise<unknown>} */
    this.saving = Promise.resolve();
    this.timer = 0;
    this.editor = new Editor(() => this.touched());
    this.said = element("span", { class: "said", role: "status" });
    this.list = element("ul", { class: "files", "aria-label": say("files") });
    this.to = field("to", beginning.to);
    this.cc = field("cc", beginning.cc);
    this.bcc = field("bcc", beginning.bcc);
    this.subject = field("subject", beginning.subject);
    this.from = this.senders(beginning.from ?? "");
    this.report = check("reportWanted");
    this.later = /** @type {HTMLInputElement} */ (element("input", { type: "datetime-local", "aria-label": say("sendLater"), hidden: true }));
    this.box = this.drawn();
    for (const one of [this.to, this.cc, this.bcc, this.subject]) one.addEventListener("input", () => this.touched());
    for (const one of [this.to, this.cc, this.bcc]) completing(one);
    void this.editor.begin(beginning.html ?? `<p><br></p>${this.signature()}`).then(() => (beginning.to ? this.editor.focus() : this.to.focus()));
    this.drawFiles();
    open.add(this);
    byId("writing").append(this.box);
  }

  drawn() {
    const close = button("close", "closeDraft", () => void this.close());
    const smaller = button("smaller", "smaller", () => this.box.classList.toggle("small"));
    const title = element("h2", {}, this.subject.value || say("newMessage"));
    this.subject.addEventListener("input", () => (title.textContent = this.subject.value || say("newMessage")));
    const pick = /** @type {HTMLInputElement} */ (element("input", { type: "file", multiple: true, hidden: true, tabindex: "-1" }));
    pick.onchange = () => {
      void this.attach([...(pick.files ?? [])]);
      pick.value = "";
    };
    const send = element("button", { type: "button", class: "main" }, say("send"));
    send.onclick = () => void this.send();
    const later = element("button", { type: "button", "aria-expanded": "false" }, say("sendLater"));
    later.onclick = () => {
      this.later.hidden = !this.later.hidden;
      later.setAttribute("aria-expanded", String(!this.later.hidden));
      if (this.later.hidden) this.later.value = "";
    };
    const attach = element("button", { type: "button" }, icon("clip"), say("attach"));
    attach.onclick = () => pick.click();
    const discard = button("delete", "discard", () => void this.discard());
    const box = element(
      "section",
      { class: "writer", role: "dialog", "aria-label": say("newMessage") },
      element("header", {}, title, smaller, close),
      element("div", { class: "fields" }, ...(this.from.options.length > 1 ? [row("from", this.from)] : []), row("to", this.to), row("cc", this.cc), row("bcc", this.bcc), row("subject", this.subject)),
      this.editor.tools,
      this.editor.frame,
      this.editor.plain,
      this.list,
      element("footer", {}, send, later, this.later, attach, pick, this.report.label, this.said, discard),
    );
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void this.send();
      else if (event.key === "Escape") void this.close();
    });
    this.drops(box);
    return box;
  }

  /** @param {HTMLElement} box */
  drops(box) {
    const over = (/** @type {DragEvent} */ event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      box.classList.add("over");
    };
    const drop = (/** @type {DragEvent} */ event) => {
      box.classList.remove("over");
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      void this.attach([...event.dataTransfer.files]);
    };
    box.addEventListener("dragover", over);
    box.addEventListener("dragleave", () => box.classList.remove("over"));
    box.addEventListener("drop", drop);
    void this.editor.ready.then((inside) => {
      inside.addEventListener("dragover", over);
      inside.addEventListener("drop", drop);
    });
  }

  // --- who writes

  /** @param {string} wanted an address */
  senders(wanted) {
    const choice = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": say("from") }));
    for (const one of state.preferences.identities) choice.append(element("option", { value: one.address }, whole(one)));
    if (wanted && state.preferences.identities.some((one) => one.address === wanted)) choice.value = wanted;
    choice.onchange = () => this.touched();
    return choice;
  }

  get identity() {
    return state.preferences.identities.find((one) => one.address === this.from.value);
  }

  signature() {
    const text = this.identity?.signature ?? "";
    return text ? `<p>-- <br>${asHtml(text)}</p>` : "";
  }

  // --- the draft

  touched() {
    this.dirty = true;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.save().catch(() => undefined), SAVE_AFTER);
  }

  /** @param {unknown[]} [fresh] files that come with it */
  writing(fresh = []) {
    return {
      sender: this.identity ? whole(this.identity) : "",
      to: addresses(this.to.value),
      cc: addresses(this.cc.value),
      bcc: addresses(this.bcc.value),
      subject: this.subject.value,
      ...this.editor.content,
      in_reply_to: this.inReplyTo,
      references: this.references,
      attachments: fresh,
      carried: this.files.map((file) => file.carried),
      draft: this.draft,
    };
  }

  /**
   * Keep what there is; the files that come with it are then kept too.
   * @param {unknown[]} [fresh]
   * @param {(done: number) => void} [progress] from 0 to 1
   */
  save(fresh = [], progress = () => {}) {
    clearTimeout(this.timer);
    const work = this.saving.catch(() => undefined).then(async () => {
      if (!this.dirty && !fresh.length) return;
      this.dirty = false;
      try {
        const kept = await post("own/drafts", this.writing(fresh), progress);
        this.draft = kept.uid;
        this.files = kept.files
          .filter((/** @type {{inline: boolean}} */ file) => !file.inline)
          .map((/** @type {{name: string, size: number, section: string}} */ file) => ({ name: file.name, size: (file.size * 3) / 4, carried: { folder: kept.folder, uid: kept.uid, section: file.section } }));
        this.said.textContent = say("kept");
      } catch (error) {
        this.dirty = true;
        this.said.textContent = say("notKept", { why: String(/** @type {Error} */ (error).message) });
        throw error;
      }
    });
    this.saving = work;
    return work;
  }

  // --- files

  /** @param {File[]} chosen */
  async attach(chosen) {
    const pictures = chosen.filter((file) => isPicture(file.type) && file.size < 1_000_000 && this.editor.plain.hidden && this.editor.frame.matches(":focus"));
    for (const file of pictures) await this.editor.insertPicture(file);
    const files = chosen.filter((file) => !pictures.includes(file));
    if (!files.length) return;
    const held = this.files.reduce((sum, file) => sum + file.size, 0) + files.reduce((sum, file) => sum + file.size, 0);
    if (held > LIMIT) return wrong(new Error(say("tooLarge", { size: size(LIMIT) })));
    const bar = /** @type {HTMLProgressElement} */ (element("progress", { max: "1", value: "0", "aria-label": say("uploading") }));
    const line = element("li", { class: "coming" }, files.map((file) => file.name).join(", "), bar);
    this.list.append(line);
    try {
      const fresh = [];
      for (const file of files) fresh.push({ name: file.name, type: file.type || "application/octet-stream", content: await base64(file) });
      await this.save(fresh, (done) => (bar.value = done));
    } catch (error) {
      wrong(error);
    } finally {
      line.remove();
      this.drawFiles();
    }
  }

  drawFiles() {
    const items = this.files.map((file) => {
      const off = element("button", { type: "button", "aria-label": say("takeOff", { name: file.name }) }, icon("close"));
      off.onclick = () => {
        this.files = this.files.filter((one) => one !== file);
        this.touched();
        this.drawFiles();
      };
      return element("li", {}, element("span", { class: "name" }, file.name), element("small", {}, size(file.size)), off);
    });
    this.list.replaceChildren(...items, ...this.list.querySelectorAll(".coming"));
  }

  // --- the end

  async send() {
    if (!addresses(this.to.value).length && !addresses(this.cc.value).length && !addresses(this.bcc.value).length) {
      this.to.focus();
      return wrong(new Error(say("noRecipients")));
    }
    if (!this.subject.value && !(await confirm(say("send"), say("noSubjectSure")))) return;
    clearTimeout(this.timer);
    await this.saving.catch(() => undefined);
    const at = this.later.value ? new Date(this.later.value).getTime() / 1000 : 0;
    this.box.inert = true;
    try {
      const told = { ...this.writing(), draft: 0, answers: this.answers, report: this.report.box.checked, ...(at ? { at } : { wait: undo() }) };
      const sent = await post("own/sent", told, () => {});
      this.remove();
      this.sent(sent.id, at);
    } catch (error) {
      this.box.inert = false;
      wrong(error);
    }
  }

  /**
   * @param {string} id
   * @param {number} at
   */
  sent(id, at) {
    const gone = window.setTimeout(() => void this.forget(), (undo() + 2) * 1000);
    outgoing.follow(id, this.subject.value || say("noSubject"), this.report.box.checked || at > 0);
    tell(
      at ? say("waitsUntil", { when: exactly(at) }) : say("sentNow"),
      async () => {
        clearTimeout(gone);
        await ask("DELETE", `own/sent/${id}`);
        outgoing.drop(id);
        const { html, text } = this.kept;
        write({
          from: this.from.value,
          to: this.to.value,
          cc: this.cc.value,
          bcc: this.bcc.value,
          subject: this.subject.value,
          html: html || asHtml(text),
          in_reply_to: this.inReplyTo,
          references: this.references,
          files: this.files,
          answers: this.answers,
          draft: this.draft,
        }).touched();
      },
      undo() || undefined,
    );
  }

  /** The draft of what was sent, or thrown away. */
  async forget() {
    const draft = this.draft;
    this.draft = 0;
    if (draft) await ask("DELETE", `own/drafts/${draft}`).catch(() => undefined);
  }

  async discard() {
    if (!(await confirm(say("discard"), say("discardSure")))) return;
    await this.saving.catch(() => undefined);
    this.remove();
    await this.forget();
  }

  async close() {
    try {
      await this.save();
      this.remove();
      if (this.draft) tell(say("keptAsDraft"));
    } catch (error) {
      wrong(error);
    }
  }

  remove() {
    clearTimeout(this.timer);
    this.kept = this.editor.content;
    this.dirty = false;
    open.delete(this);
    this.box.remove();
  }

  kept = { text: "", html: "" };
}

/**
 * Plain text as lines of HTML.
 * @param {string} plain
 */
export function asHtml(plain) {
  return plain.split("\n").map(escaped).join("<br>");
}

/** @param {string} plain */
export function escaped(plain) {
  return plain.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Seconds in which sending is taken back. */
function undo() {
  return state.preferences.undo_seconds;
}

/** Whether something is written that is not kept yet. */
export function unsaved() {
  return [...open].some((one) => one.dirty);
}

/** @param {Beginning} [beginning] */
export function write(beginning = {}) {
  return new Writer(beginning);
}

// ---

/**
 * @param {string} path
 * @param {unknown} body
 * @param {(done: number) => void} progress
 * @returns {Promise<any>}
 */
function post(path, body, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch() tells no progress of what is sent
    request.open("POST", API + path);
    request.setRequestHeader("Content-Type", "application/json");
    request.setRequestHeader("X-CSRF-Token", token());
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onerror = () => reject(new Error(say("noConnection")));
    request.onload = () => {
      const said = JSON.parse(request.responseText || "{}");
      if (request.status < 300) resolve(said);
      else reject(new Refused(request.status, said.error ?? request.statusText));
    };
    request.send(JSON.stringify(body));
  });
}

/** @param {File} file */
function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/**
 * The addresses of a field: commas and semicolons divide them, but not between quotes.
 * @param {string} text
 */
export function addresses(text) {
  return (text.match(/(?:"(?:[^"\\]|\\.)*"|[^,;"])+/g) ?? []).map((one) => one.trim()).filter(Boolean);
}

/**
 * @param {string} name
 * @param {string} [value]
 */
function field(name, value = "") {
  return /** @type {HTMLInputElement} */ (element("input", { type: "text", name, value, maxlength: "20000", autocomplete: "off", "aria-label": say(name), spellcheck: name === "subject" ? "true" : "false" }));
}

/**
 * @param {string} word
 * @param {HTMLElement} control
 */
function row(word, control) {
  return element("label", {}, element("span", {}, say(word)), control);
}

/** @param {string} word */
function check(word) {
  const box = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
  return { box, label: element("label", { class: "check" }, box, " ", say(word)) };
}

/**
 * @param {string} drawing
 * @param {string} word
 * @param {() => void} what
 */
function button(drawing, word, what) {
  const made = element("button", { type: "button", class: "plain", "aria-label": say(word), title: say(word) }, icon(drawing));
  made.onclick = what;
  return made;
}

let lists = 0;

/**
 * Offer addresses for the one that is being typed.
 * @param {HTMLInputElement} input
 */
function completing(input) {
  lists += 1;
  const offers = element("datalist", { id: `offers-${lists}` });
  input.setAttribute("list", offers.id);
  input.after(offers);
  input.parentElement?.append(offers);
  document.body.append(offers);
  let asked = "";
  input.addEventListener("input", async () => {
    const before = input.value.slice(0, Math.max(input.value.lastIndexOf(","), input.value.lastIndexOf(";")) + 1);
    const typed = input.value.slice(before.length).trim();
    if (typed.length < 2 || typed === asked) return;
    asked = typed;
    const found = await ask("GET", `own/contacts?q=${encodeURIComponent(typed)}`).catch(() => []);
    if (asked === typed) offers.replaceChildren(...found.map((/** @type {import("./state.js").Person} */ one) => element("option", { value: `${before}${before ? " " : ""}${whole(one)}, ` })));
  });
}
