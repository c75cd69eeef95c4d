// Signing in and out.
import { ask, Refused, show } from "./api.js";
import { byId } from "./dom.js";
import { say } from "./words.js";
import { possible, shown } from "./passkeys.js";

/** @typedef {{account: string, token: string, is_admin: boolean, domains: string[], may: string[]}} SignedIn `domains`: those it administers, and what it `may` do there */

const form = /** @type {HTMLFormElement} */ (byId("signin-form"));
const code = byId("signin-code");
const said = byId("signin-said");

/**
 * Who is signed in, if anybody is.
 * @returns {Promise<SignedIn | null>}
 */
export async function whoIsIt() {
  try {
    return kept(await ask("GET", "own/session"));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return null;
    throw error;
  }
}

/**
 * Show the form until somebody is signed in.
 * @returns {Promise<SignedIn>}
 */
export function signIn() {
  byId("signin").hidden = false;
  field("login").focus();
  const passkey = /** @type {HTMLButtonElement} */ (byId("signin-passkey"));
  passkey.hidden = !possible();
  return new Promise((resolve) => {
    /** @param {SignedIn | null} found */
    const done = (found) => {
      if (!found) return;
      form.reset();
      code.hidden = true;
      byId("signin").hidden = true;
      resolve(found);
    };
    form.onsubmit = async (event) => {
      event.preventDefault();
      done(await attempt());
    };
    passkey.onclick = async () => done(await byPasskey());
  });
}

export async function signOut() {
  await ask("DELETE", "own/session");
  show("");
}

/** @returns {Promise<SignedIn | null>} */
async function byPasskey() {
  said.textContent = "";
  try {
    return kept(await ask("POST", "own/session/passkey", await shown()));
  } catch (error) {
    said.textContent = error instanceof Refused ? say("wrongPasskey") : say("noPasskeyShown");
    return null;
  }
}

/** @returns {Promise<SignedIn | null>} */
async function attempt() {
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  button.disabled = true;
  said.textContent = "";
  try {
    return kept(await ask("POST", "own/session", { login: field("login").value, password: field("password").value, code: field("code").value }));
  } catch (error) {
    if (error instanceof Refused && error.code) {
      code.hidden = false;
      field("code").focus();
    } else {
      said.textContent = error instanceof Refused && error.status === 401 ? say("wrong") : String(/** @type {Error} */ (error).message);
      field(code.hidden ? "password" : "code").select();
    }
    return null;
  } finally {
    button.disabled = false;
  }
}

/** @param {SignedIn} found */
function kept(found) {
  show(found.token);
  return found;
}

/** @param {string} name */
function field(name) {
  return /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
}
