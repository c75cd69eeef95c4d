// The HTTP interface, as openapi.json describes it: choose an operation, fill in, send, see the answer and the command that does the same.
import { root } from "../common/api.js";
import { byId, element } from "../common/dom.js";
import { fill, load, say } from "../common/words.js";
import { example } from "./example.js";

const SHOWN = 200_000; // characters of an answer
const METHODS = ["get", "post", "put", "patch", "delete"];

/** @typedef {{name: string, in: string, description?: string, required?: boolean}} Parameter */
/** @typedef {{method: string, path: string, summary: string, parameters: Parameter[], body: any, answer: any, kind: string, security: string[]}} Operation */

await load("api");
fill(document);
const described = await (await fetch(`${root}/api/openapi.json`)).json();
const operations = read();
const who = /** @type {HTMLFormElement} */ (byId("who"));
const session = await signedIn();
/** @type {AbortController | null} */
let asking = null;

const kind = /** @type {HTMLSelectElement} */ (who.elements.namedItem("kind"));
kind.value = session ? "browser" : "token";
kind.onchange = credentials;
who.onsubmit = (/** @type {Event} */ event) => event.preventDefault();
credentials();
const filter = /** @type {HTMLInputElement} */ (byId("filter"));
filter.oninput = listed;
listed();
addEventListener("hashchange", () => show(true));
show(false);

/** @returns {Operation[]} */
function read() {
  const found = [];
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const method of METHODS) {
      const told = /** @type {any} */ (methods)[method];
      if (!told) continue;
      const [[type = "", content = {}] = []] = Object.entries(told.responses["200"].content ?? {});
      const security = (told.security ?? []).flatMap((/** @type {object} */ one) => Object.keys(one));
      const body = told.requestBody?.content?.["application/json"]?.schema;
      found.push({ method: method.toUpperCase(), path, summary: told.summary ?? "", parameters: told.parameters ?? [], body, answer: /** @type {any} */ (content).schema, kind: type, security });
    }
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : one.path > other.path ? 1 : 0));
}

/** @returns {Promise<{account: string, token: string} | null>} who is signed in with this browser */
async function signedIn() {
  const answer = await fetch(`${root}/api/mailhub/v1/own/session`).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

function credentials() {
  const shown = { login: kind.value === "account", secret: ["token", "account"].includes(kind.value) };
  for (const [name, there] of Object.entries(shown)) /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (who.elements.namedItem(name)).closest("label")).hidden = !there;
  byId("secret-name").textContent = say(kind.value === "token" ? "token" : "password");
  byId("signed").textContent = kind.value === "browser" ? (session?.account ?? say("notSignedIn")) : "";
}

/** @param {Operation} one */
function place(one) {
  return `#${one.method} ${one.path}`;
}

function chosen() {
  try {
    return decodeURIComponent(location.hash);
  } catch {
    return "";
  }
}

function listed() {
  const wanted = filter.value.toLowerCase().split(/\s+/);
  const found = operations.filter((one) => wanted.every((word) => `${one.method} ${one.path} ${one.summary}`.toLowerCase().includes(word)));
  const here = chosen();
  byId("operations").replaceChildren(...found.map((one) => {
    const link = element("a", { href: encodeURI(place(one)), title: one.summary, ...(place(one) === here ? { "aria-current": "true" } : {}) }, element("span", { class: "method" }, one.method), " ", one.path.replace(/^\/api\/mailhub\/v1\//, ""));
    return element("li", {}, link);
  }));
}

/** @param {boolean} moved the reader chose it just now */
function show(moved) {
  const one = operations.find((each) => place(each) === chosen());
  listed();
  if (!one) return;
  asking?.abort();
  byId("view").replaceChildren(...drawn(one));
  if (moved) /** @type {HTMLElement} */ (byId("view").querySelector("h2")).focus();
}

/** @param {Operation} one */
function drawn(one) {
  const form = /** @type {HTMLFormElement} */ (element("form", {}));
  if (one.parameters.length) form.append(element("h3", {}, say("parameters")), element("div", { class: "fields" }, ...one.parameters.map(field)));
  if (one.body) {
    const text = element("textarea", { name: " body", rows: "10", spellcheck: "false", "aria-label": say("body") });
    /** @type {HTMLTextAreaElement} */ (text).value = JSON.stringify(example(one.body, described), null, 2);
    form.append(element("h3", {}, say("body")), text);
  }
  const stop = element("button", { type: "button", hidden: true }, say("stop"));
  stop.onclick = () => asking?.abort();
  form.append(element("div", { class: "buttons" }, element("button", { class: "main" }, say("send")), stop));
  const answer = element("div", { "aria-live": "polite" });
  form.onsubmit = (event) => {
    event.preventDefault();
    void send(one, form, answer, stop);
  };
  const may = one.security.length ? say("needs", { who: one.security.map((name) => say(name)).join(", ") }) : say("open");
  const parts = [element("h2", { tabindex: "-1" }, `${one.method} ${one.path}`), element("p", {}, one.summary), element("p", { class: "quiet" }, may), form, answer];
  if (one.answer) parts.push(element("details", {}, element("summary", {}, say("looksLike")), element("pre", { tabindex: "0" }, JSON.stringify(example(one.answer, described), null, 2))));
  return parts;
}

/** @param {Parameter} one */
function field(one) {
  return element("label", {}, element("span", {}, one.name), element("input", { name: `${one.in} ${one.name}`, required: one.required ?? false, spellcheck: "false", autocapitalize: "none", autocomplete: "off" }), ...(one.description ? [element("small", {}, one.description)] : []));
}

/**
 * @param {Operation} one
 * @param {HTMLFormElement} form
 * @param {HTMLElement} holder of the answer
 * @param {HTMLElement} stop
 */
async function send(one, form, holder, stop) {
  const values = new FormData(form);
  let path = one.path;
  const query = new URLSearchParams();
  for (const parameter of one.parameters) {
    const value = String(values.get(`${parameter.in} ${parameter.name}`) ?? "");
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value) query.set(parameter.name, value);
  }
  const url = root + path + (`${query}` ? `?${query}` : "");
  const body = one.body ? String(values.get(" body") ?? "") : undefined;
  const headers = shown(one.method);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  asking?.abort();
  const here = (asking = new AbortController());
  const text = element("pre", { tabindex: "0", "aria-label": say("answer") });
  const status = element("h3", {}, say("waiting"));
  holder.replaceChildren(status, text, element("h3", {}, say("command")), element("pre", { tabindex: "0" }, command(one.method, url, body)));
  stop.hidden = false;
  try {
    const answer = await fetch(url, { method: one.method, headers, body, signal: here.signal, credentials: kind.value === "browser" ? "same-origin" : "omit" });
    status.textContent = `${answer.status} ${answer.statusText}`;
    status.className = answer.ok ? "good" : "bad";
    await told(answer, text);
  } catch (error) {
    if (!here.signal.aborted) status.replaceChildren(String(error instanceof Error ? error.message : error));
  } finally {
    stop.hidden = true;
  }
}

/**
 * The answer as it comes, for some of them never end.
 * @param {Response} answer
 * @param {HTMLElement} text
 */
async function told(answer, text) {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let all = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    all = (all + part.value).slice(-SHOWN);
    text.textContent = all;
  }
  if (answer.headers.get("Content-Type")?.startsWith("application/json") && all) text.textContent = JSON.stringify(JSON.parse(all), null, 2);
}

/**
 * @param {string} method
 * @returns {Record<string, string>} headers that say who asks
 */
function shown(method) {
  const value = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (who.elements.namedItem(name)).value;
  if (kind.value === "token") return { Authorization: `Bearer ${value("secret")}` };
  if (kind.value === "account") return { Authorization: `Basic ${btoa(Array.from(new TextEncoder().encode(`${value("login")}:${value("secret")}`), (one) => String.fromCharCode(one)).join(""))}` };
  return kind.value === "browser" && session && method !== "GET" ? { "X-CSRF-Token": session.token } : {};
}

/**
 * The same for a shell; secrets are not in it.
 * @param {string} method
 * @param {string} url
 * @param {string | undefined} body
 */
function command(method, url, body) {
  const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = ["curl", ...(method === "GET" || (method === "POST" && body !== undefined) ? [] : ["-X", method])];
  if (kind.value === "account") parts.push("-u", quoted(/** @type {HTMLInputElement} */ (who.elements.namedItem("login")).value));
  else if (kind.value !== "nobody") parts.push("-H", '"Authorization: Bearer $TOKEN"');
  if (body !== undefined) parts.push("-H", quoted("Content-Type: application/json"), "-d", quoted(body.replace(/\s*\n\s*/g, " ")));
  return [...parts, quoted(location.origin + url)].join(" ");
}
