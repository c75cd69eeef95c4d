// Signing in by a passkey.
import { ask } from "./api.js";

/** @type {any} not every browser has all of it */
export const browser = "PublicKeyCredential" in window ? PublicKeyCredential : null;

export function possible() {
  return Boolean(browser?.parseRequestOptionsFromJSON);
}

/** What the server is shown; an error where the reader does not want to. */
export async function shown() {
  const publicKey = browser.parseRequestOptionsFromJSON(await ask("POST", "own/session/passkey/question"));
  const made = /** @type {any} */ (await navigator.credentials.get({ publicKey }));
  return { answer: made.toJSON() };
}
