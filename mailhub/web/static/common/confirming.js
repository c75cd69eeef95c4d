// What wants the password again where it was typed long ago.
import { ask, Refused } from "./api.js";
import { confirm } from "./asking.js";
import { element } from "./dom.js";
import { say } from "./words.js";

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function confirmed(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused && error.confirm)) throw error;
  }
  const password = /** @type {HTMLInputElement} */ (element("input", { type: "password", autocomplete: "current-password", maxlength: "1024", "aria-label": say("password"), required: true }));
  const answer = confirm(say("confirmPassword"), element("div", {}, element("p", {}, say("confirmWhy")), password));
  password.focus();
  if (!(await answer)) throw new Error(say("notDone"));
  await ask("POST", "own/session/confirm", { password: password.value });
  return await work();
}
