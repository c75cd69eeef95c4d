// Who looks at the pages, and what he may do: all of it, or some of it in the domains that he administers. The server judges each request by itself.

/** @typedef {import("../common/signin.js").SignedIn} SignedIn */

/** @type {SignedIn} */
let who = { account: "", token: "", is_admin: false, domains: [], may: [] };

/** @param {SignedIn} found */
export function is(found) {
  who = found;
}

/** Whether he runs the whole server. */
export function runsAll() {
  return who.is_admin;
}

/** @param {string} action such as "queue.list" */
export function may(action) {
  return who.is_admin || who.may.includes(action);
}
