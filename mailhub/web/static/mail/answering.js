// Answers, forwards, drafts that are continued: how a message begins that has to do with another.
import { ask } from "../common/api.js";
import { exactly } from "../common/format.js";
import { say } from "../common/words.js";
import { whole } from "./names.js";
import { place, state } from "./state.js";
import { addresses, asHtml, escaped as text, write } from "./writing.js";

/**
 * @param {import("./state.js").Opened} told
 * @param {boolean} all
 */
export async function reply(told, all) {
  const quoted = await ask("GET", `${place(told.folder)}/messages/${told.row.uid}/quoted`);
  const back = told.reply_to.length ? told.reply_to : told.row.sender.map(whole);
  const mine = told.row.sender.some((one) => one.address === state.account);
  const to = mine ? told.row.to.map(whole) : back;
  const others = all ? [...(mine ? [] : told.row.to.map(whole)), ...told.cc.flatMap(addresses)] : [];
  const cc = others.filter((one) => !one.toLowerCase().includes(state.account) && !to.some((other) => bare(other) === bare(one)));
  write({
    from: addressed(told),
    to: to.join(", "),
    cc: cc.join(", "),
    subject: prefixed("Re: ", /^(re|aw|sv|回复|答复)\s*[::]/i, told.row.subject),
    html: `<p><br></p>${signature(told)}<p>${text(say("wrote", { who: told.row.sender.map(whole).join(", "), when: exactly(told.row.sent) }))}</p><blockquote>${body(quoted)}</blockquote>`,
    ...thread(told),
    answers: { folder: told.folder, uid: told.row.uid, forwarded: false },
  });
}

/** @param {import("./state.js").Opened} told */
export async function forward(told) {
  const quoted = await ask("GET", `${place(told.folder)}/messages/${told.row.uid}/quoted`);
  const lines = [
    [say("from"), told.row.sender.map(whole).join(", ")],
    [say("to"), told.row.to.map(whole).join(", ")],
    [say("date"), exactly(told.row.sent)],
    [say("subject"), told.row.subject],
  ];
  write({
    from: addressed(told),
    subject: prefixed("Fwd: ", /^(fwd?|wg|转发)\s*[::]/i, told.row.subject),
    html: `<p><br></p>${signature(told)}<p>${text(say("forwarded"))}<br>${lines.map(([name, value]) => `<b>${text(name ?? "")}:</b> ${text(value ?? "")}`).join("<br>")}</p>${body(quoted)}`,
    files: carried(told),
    answers: { folder: told.folder, uid: told.row.uid, forwarded: true },
  });
}

/**
 * Messages as they are, as files.
 * @param {string} folder
 * @param {import("./state.js").Row[]} rows
 */
export function forwardAttached(folder, rows) {
  write({
    subject: rows.length === 1 ? prefixed("Fwd: ", /^(fwd?|wg|转发)\s*[::]/i, rows[0]?.subject ?? "") : "",
    files: rows.map((row) => ({ name: `${row.subject || "message"}.eml`, size: row.size, carried: { folder, uid: row.uid, section: "" } })),
  });
}

/** @param {import("./state.js").Opened} told */
export async function continueDraft(told) {
  const quoted = await ask("GET", `${place(told.folder)}/messages/${told.row.uid}/quoted`);
  const named = (/** @type {string} */ name) => told.fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value).join(", ");
  write({ to: named("to"), cc: named("cc"), bcc: named("bcc"), subject: told.row.subject, html: body(quoted), in_reply_to: told.in_reply_to, references: told.references.split(/\s+/).filter(Boolean), files: carried(told), draft: told.row.uid });
}

/**
 * What a mailto: link asks for (RFC 6068).
 * @param {string} link
 */
export function fromLink(link) {
  const url = new URL(link);
  const named = (/** @type {string} */ name) => url.searchParams.get(name) ?? "";
  const lines = named("body").split(/\r?\n/).map(text).join("<br>");
  write({ to: [decodeURIComponent(url.pathname), named("to")].filter(Boolean).join(", "), cc: named("cc"), subject: named("subject"), html: `<p>${lines || "<br>"}</p>` });
}

/**
 * The own address that the message came to; "" where none of them is named.
 * @param {import("./state.js").Opened} told
 */
function addressed(told) {
  const named = [...told.row.to.map((one) => one.address), ...told.cc.flatMap(addresses).map(bare), ...told.row.sender.map((one) => one.address)].map((one) => one.toLowerCase());
  return state.preferences.identities.find((one) => named.includes(one.address))?.address ?? "";
}

/** @param {import("./state.js").Opened} told */
function signature(told) {
  const wanted = addressed(told);
  const written = (state.preferences.identities.find((one) => one.address === wanted) ?? state.preferences.identities[0])?.signature;
  return written ? `<p>-- <br>${asHtml(written)}</p>` : "";
}

/** @param {import("./state.js").Opened} told */
function thread(told) {
  const known = told.references.split(/\s+/).filter((one) => /^<[^<>\s]+>$/.test(one));
  const own = /<[^<>\s]+>/.exec(told.message_id)?.[0] ?? "";
  return { in_reply_to: own, references: [...known, ...(own ? [own] : [])].slice(-50) };
}

/** @param {import("./state.js").Opened} told */
function carried(told) {
  return told.files.filter((file) => !file.inline).map((file) => ({ name: file.name || `part-${file.section}`, size: (file.size * 3) / 4, carried: { folder: told.folder, uid: told.row.uid, section: file.section } }));
}

/** @param {{html: string, text: string}} quoted */
function body(quoted) {
  return quoted.html || asHtml(quoted.text);
}

/** @param {string} address */
function bare(address) {
  return (/<([^<>]*)>\s*$/.exec(address)?.[1] ?? address).toLowerCase();
}

/**
 * @param {string} prefix
 * @param {RegExp} there
 * @param {string} subject
 */
function prefixed(prefix, there, subject) {
  return there.test(subject) ? subject : prefix + subject;
}
