// The place where a text with form is written: a frame of its own, without scripts, so that what is quoted can do nothing here.
import { root } from "../common/api.js";
import { element } from "../common/dom.js";
import { say } from "../common/words.js";

const TOOLS = /** @type {[string, string, string][]} */ ([
  ["bold", "B", "bold"],
  ["italic", "I", "italic"],
  ["underline", "U", "underline"],
  ["insertUnorderedList", "•", "list"],
  ["insertOrderedList", "1.", "numbers"],
  ["formatBlock", "❝", "quote"],
  ["createLink", "⌁", "link"],
  ["removeFormat", "×", "noForm"],
]);
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const PICTURE_LIMIT = 5_000_000; // octets of one

export class Editor {
  /** @param {() => void} changed called after each change */
  constructor(changed) {
    this.changed = changed;
    this.frame = /** @type {HTMLIFrameElement} */ (element("iframe", { class: "editor", title: say("text"), sandbox: "allow-same-origin" }));
    this.plain = /** @type {HTMLTextAreaElement} */ (element("textarea", { class: "editor", "aria-label": say("text"), hidden: true }));
    this.plain.oninput = changed;
    this.tools = element("div", { class: "tools", role: "toolbar", "aria-label": say("form") });
    for (const [command, sign, word] of TOOLS) {
      const button = element("button", { type: "button", "aria-label": say(word), title: say(word) }, sign);
      button.onmousedown = (event) => event.preventDefault(); // the selection stays
      button.onclick = () => this.run(command);
      this.tools.append(button);
    }
    const form = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
    form.onchange = () => this.usePlain(form.checked);
    this.tools.append(element("label", { class: "plain-text" }, form, " ", say("plainText")));
    this.ready = new Promise((resolve) => {
      this.frame.onload = () => {
        const inside = /** @type {Document} */ (this.frame.contentDocument);
        inside.body.contentEditable = "true";
        inside.body.setAttribute("aria-label", say("text"));
        inside.body.setAttribute("role", "textbox");
        inside.body.setAttribute("aria-multiline", "true");
        inside.body.addEventListener("input", changed);
        inside.addEventListener("paste", (event) => this.pasted(event));
        inside.addEventListener("keydown", (event) => {
          if (event.key === "Escape" || ((event.ctrlKey || event.metaKey) && event.key === "Enter")) {
            event.preventDefault();
            this.frame.dispatchEvent(new KeyboardEvent("keydown", { key: event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey, bubbles: true }));
          }
        });
        resolve(inside);
      };
    });
    this.frame.src = `${root}/static/mail/editor.html`;
  }

  get body() {
    return /** @type {Document} */ (this.frame.contentDocument).body;
  }

  /** @param {string} command */
  run(command) {
    const inside = /** @type {Document} */ (this.frame.contentDocument);
    let value = "";
    if (command === "createLink") {
      value = prompt(say("linkTo"), "https://") ?? "";
      if (!/^(https?:\/\/|mailto:)/i.test(value)) return;
    }
    if (command === "formatBlock") value = "blockquote";
    inside.execCommand(command, false, value);
    inside.body.focus();
    this.changed();
  }

  /** @param {ClipboardEvent} event */
  pasted(event) {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => PICTURES.includes(file.type) && file.size < PICTURE_LIMIT);
    if (!files.length) return;
    event.preventDefault();
    for (const file of files) void this.insertPicture(file);
  }

  /** @param {File} file */
  async insertPicture(file) {
    const reader = new FileReader();
    const read = new Promise((resolve) => (reader.onload = resolve));
    reader.readAsDataURL(file);
    await read;
    const picture = this.body.ownerDocument.createElement("img");
    picture.src = String(reader.result);
    picture.alt = file.name;
    const selection = this.frame.contentDocument?.getSelection();
    if (selection?.rangeCount && this.body.contains(selection.anchorNode)) selection.getRangeAt(0).insertNode(picture);
    else this.body.append(picture);
    this.changed();
  }

  /** @param {boolean} plain */
  usePlain(plain) {
    if (plain) this.plain.value = this.body.innerText;
    else this.body.innerText = this.plain.value;
    this.plain.hidden = !plain;
    this.frame.hidden = plain;
    for (const button of this.tools.querySelectorAll("button")) button.disabled = plain;
    this.changed();
  }

  /** @returns {{text: string, html: string}} */
  get content() {
    if (!this.plain.hidden) return { text: this.plain.value, html: "" };
    return { text: "", html: `<html><body>${this.body.innerHTML}</body></html>` };
  }

  /**
   * Begin with this. The HTML is clean: the server has seen to it.
   * @param {string} html
   */
  async begin(html) {
    await this.ready;
    this.body.innerHTML = html;
  }

  async focus() {
    await this.ready;
    this.body.focus();
    this.frame.contentDocument?.getSelection()?.collapse(this.body, 0);
  }
}

/** @param {string} type */
export function isPicture(type) {
  return PICTURES.includes(type);
}
