// @ts-check
// The page of captured mail. Everything that comes from a message is put in as text, or stands in a sandboxed frame.
"use strict";

const TEXTS = {
  en: {
    search: "Search: from:ann subject:code has:attachment", deleteAll: "Delete all", empty: "No mail yet. Send some, and it appears here.",
    release: "Release", releaseTo: "Send it on to…", delete: "Delete", from: "From", to: "To", mailbox: "Mailbox", codes: "Codes", verdict: "Verdict",
    html: "HTML", text: "Text", headers: "Headers", source: "Source", files: "Attachments", links: "Links", support: "Support",
    message: "message", messages: "messages", released: "Sent on as", none: "None", full: "full width", sure: "Delete all messages?", fine: "fine", ask: "Ask their hosts",
    shown: "Nothing in it is known to be left out by the usual programs.",
  },
  zh: {
    search: "搜索：from:ann subject:验证码 has:attachment", deleteAll: "全部删除", empty: "还没有邮件。发一封，就会出现在这里。",
    release: "放行", releaseTo: "转发给…", delete: "删除", from: "发件人", to: "收件人", mailbox: "邮箱", codes: "验证码", verdict: "判定",
    html: "HTML", text: "文本", headers: "邮件头", source: "源码", files: "附件", links: "链接", support: "兼容性",
    message: "封邮件", messages: "封邮件", released: "已发送，队列编号", none: "无", full: "全宽", sure: "删除全部邮件？", fine: "正常", ask: "检查链接",
    shown: "其中没有常见邮件程序不支持的内容。",
  },
};
const language = navigator.language.startsWith("zh") ? "zh" : "en";
const say = (/** @type {string} */ key) => TEXTS[language][key] ?? key;
const script = /** @type {HTMLScriptElement} */ (document.currentScript);
const ROOT = `${script.dataset.prefix}/api/mailhub/v1/capture`;
const SEARCH = `${script.dataset.prefix}/api/v1/search`;
const WIDTHS = [320, 480, 640, 0];

/** @template {HTMLElement} T @param {string} id @returns {T} */
const at = (id) => /** @type {T} */ (document.getElementById(id));
/** @param {string} name @param {string} [text] */
const make = (name, text) => Object.assign(document.createElement(name), text === undefined ? {} : { textContent: text });

let current = "", tab = "", width = 0, query = "";
/** @type {any} */
let shown = null;

async function ask(/** @type {string} */ path, /** @type {RequestInit} */ options = {}) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.status === 204 ? null : answer.json();
}

async function list() {
  let messages, total;
  if (query) {
    const found = await ask(`${SEARCH}?limit=200&query=${encodeURIComponent(query)}`);
    messages = found.messages.map((m) => ({ id: m.ID, subject: m.Subject, sender: m.From.Address, mailbox: (m.To[0] ?? m.Bcc[0])?.Address ?? "", received: Date.parse(m.Created) / 1000 }));
    total = found.messages_count;
  } else {
    ({ messages, total } = await ask(`${ROOT}/messages?limit=200`));
  }
  at("count").textContent = `${total} ${say(total === 1 ? "message" : "messages")}`;
  at("empty").hidden = total > 0;
  at("list").replaceChildren(...messages.map(line));
}

function line(/** @type {any} */ message) {
  const item = make("li"), button = make("button"), small = make("small");
  small.append(make("span", `${message.sender || "<>"} → ${message.mailbox}`), make("time", new Date(message.received * 1000).toLocaleTimeString(language)));
  button.append(make("b", message.subject || "—"), small);
  button.setAttribute("aria-current", String(message.id === current));
  button.addEventListener("click", () => open(message.id));
  item.append(button);
  return item;
}

async function open(/** @type {string} */ id) {
  shown = await ask(`${ROOT}/messages/${id}`);
  current = id;
  tab = shown.html ? "html" : "text";
  at("message").hidden = false;
  at("said").textContent = "";
  at("subject").textContent = shown.letter.subject || "—";
  const rows = [["from", shown.letter.sender], ["to", shown.letter.to.join(", ")], ["mailbox", shown.letter.mailbox], ["codes", shown.codes.join(", ")], ["verdict", shown.verdict]];
  at("head").replaceChildren(...rows.filter(([, text]) => text).flatMap(([key, text]) => [make("dt", say(key)), make("dd", text)]));
  tabs();
  await list();
}

function tabs() {
  const names = ["html", "text", "headers", "source", "files", "links", "support"];
  at("tabs").replaceChildren(...names.map((name) => {
    const button = make("button", say(name));
    button.setAttribute("role", "tab");
    button.setAttribute("aria-selected", String(name === tab));
    button.addEventListener("click", () => { tab = name; tabs(); });
    return button;
  }));
  at("widths").hidden = tab !== "html";
  at("widths").replaceChildren(...WIDTHS.map((wide) => {
    const button = make("button", wide ? `${wide} px` : say("full"));
    button.setAttribute("aria-pressed", String(wide === width));
    button.addEventListener("click", () => { width = wide; tabs(); });
    return button;
  }));
  show();
}

const table = (/** @type {(string | Node)[][]} */ rows, /** @type {string} */ nothing) => {
  if (!rows.length) return make("pre", nothing);
  const found = make("table");
  for (const row of rows) {
    const line = make("tr");
    for (const cell of row) { const td = make("td"); td.append(cell); line.append(td); }
    found.append(line);
  }
  return found;
};

async function show() {
  const body = at("body"), id = current;
  if (tab === "html") {
    const frame = /** @type {HTMLIFrameElement} */ (make("iframe"));
    frame.setAttribute("sandbox", "allow-popups");
    frame.title = say("html");
    frame.src = `${ROOT}/messages/${id}/html`;
    if (width) frame.style.width = `${width}px`;
    body.replaceChildren(frame);
  } else if (tab === "text") body.replaceChildren(make("pre", shown.text));
  else if (tab === "headers") body.replaceChildren(table(shown.headers, say("none")));
  else if (tab === "source") {
    const raw = await (await fetch(`${ROOT}/messages/${id}/raw`)).text();
    if (id === current && tab === "source") body.replaceChildren(make("pre", raw));
  } else if (tab === "files") {
    body.replaceChildren(table(shown.attachments.map((file, n) => {
      const link = /** @type {HTMLAnchorElement} */ (make("a", file.name || file.type));
      link.href = `${ROOT}/messages/${id}/attachments/${n}`;
      return [link, file.type, `${file.size}`];
    }), say("none")));
  } else if (tab === "links") links(body, id);
  else body.replaceChildren(table(shown.unsupported.map((one) => [one.what, one.who, `${one.times}×`]), say("shown")));
}

function links(/** @type {HTMLElement} */ body, /** @type {string} */ id) {
  const rows = shown.links.map((link) => [link.url, link.trouble || say("fine"), make("output")]);
  const button = /** @type {HTMLButtonElement} */ (make("button", say("ask")));
  button.addEventListener("click", async () => {
    button.disabled = true;
    const { links } = await ask(`${ROOT}/messages/${id}/links`, { method: "POST" });
    for (const [url, , output] of rows) {
      const answer = links.find((one) => one.url === url);
      if (answer) output.textContent = [answer.status || "", answer.trouble].join(" ").trim();
    }
    button.disabled = false;
  });
  body.replaceChildren(table(rows, say("none")), ...(rows.length ? [button] : []));
}

function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = say(/** @type {HTMLElement} */ (element).dataset.i18n ?? "");
  for (const element of document.querySelectorAll("[data-i18n-placeholder]")) {
    const text = say(/** @type {HTMLElement} */ (element).dataset.i18nPlaceholder ?? "");
    element.setAttribute("placeholder", text);
    element.setAttribute("aria-label", text);
  }
}

translate();
at("search").addEventListener("submit", (event) => event.preventDefault());
at("search").addEventListener("input", () => { query = at("search").querySelector("input").value; list(); });
at("clear").addEventListener("click", async () => {
  if (!confirm(say("sure"))) return;
  await ask(`${ROOT}/messages`, { method: "DELETE" });
  at("message").hidden = true;
  await list();
});
at("delete").addEventListener("click", async () => {
  await ask(`${ROOT}/messages/${current}`, { method: "DELETE" });
  at("message").hidden = true;
  await list();
});
at("release").addEventListener("submit", async (event) => {
  event.preventDefault();
  const to = at("release").querySelector("input").value.split(",").map((address) => address.trim());
  try {
    const { queue_id } = await ask(`${ROOT}/messages/${current}/release`, { method: "POST", body: JSON.stringify({ to }) });
    at("said").textContent = `${say("released")} ${queue_id}`;
  } catch (error) {
    at("said").textContent = String(error);
  }
});
new EventSource(`${ROOT}/events`).addEventListener("message", () => list());
list();
