// What the page asks the server. Every change shows the session's token.

export const root = document.documentElement.dataset.prefix ?? "";
export const API = `${root}/api/mailhub/v1/`;
let shown = "";
let ended = () => {};

/** An answer that is no success: `message` is what the server says. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} why
   * @param {boolean} code whether the code of the second factor is wanted
   * @param {boolean} confirm whether the password is wanted once more
   */
  constructor(status, why, code = false, confirm = false) {
    super(why);
    this.status = status;
    this.code = code;
    this.confirm = confirm;
  }
}

/** @param {string} token of the session */
export function show(token) {
  shown = token;
}

/** For requests that are not made here. */
export function token() {
  return shown;
}

/** @param {() => void} what is called when the session is over */
export function whenEnded(what) {
  ended = what;
}

/**
 * @param {string} method
 * @param {string} path below the interface's root
 * @param {unknown} [body] sent as JSON
 * @returns {Promise<any>} the answer; Refused
 */
export async function ask(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (shown) headers["X-CSRF-Token"] = shown;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(API + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  if (answer.status === 401 && shown) {
    shown = "";
    ended();
  }
  throw new Refused(answer.status, said.error ?? answer.statusText, said.code ?? false, said.confirm ?? false);
}
