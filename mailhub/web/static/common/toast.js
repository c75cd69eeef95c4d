// A line at the bottom that says what was done, with a way back.
import { byId, element } from "./dom.js";
import { say } from "./words.js";

const SECONDS = 8;
const box = byId("toast");
let ends = 0;
/** @type {(() => unknown) | null} */
let back = null;

/**
 * @param {string} text
 * @param {() => unknown} [undo]
 * @param {number} [seconds]
 */
export function tell(text, undo, seconds = SECONDS) {
  clearTimeout(ends);
  const line = element("p", {}, text);
  back = undo ?? null;
  if (undo) {
    const button = element("button", { type: "button" }, say("undo"));
    button.onclick = undoLast;
    line.append(button);
  }
  box.replaceChildren(line);
  ends = window.setTimeout(() => {
    box.replaceChildren();
    back = null;
  }, seconds * 1000);
}

export function undoLast() {
  const what = back;
  back = null;
  box.replaceChildren();
  if (what) Promise.resolve(what()).catch(wrong);
}

/** @param {unknown} error */
export function wrong(error) {
  tell(String(error instanceof Error ? error.message : error));
}
