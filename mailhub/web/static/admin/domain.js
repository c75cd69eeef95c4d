// One domain: who may change it, its DNS records and how they stand, its DKIM keys, what its accounts may hold.
import { element } from "../common/dom.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { removeDomain } from "./domains.js";
import { act, at, badge, button, copyButton, facts, filled, heading, ifDone, link, notice, section, sure, table } from "./parts.js";
import { quotaForm, quotaText } from "./quota.js";
import { may, runsAll } from "./who.js";

/** @type {import("./main.js").Show} */
export async function show(holder, left, name) {
  const found = /** @type {any[]} */ (await act("domain.list")).find((one) => one.name === name);
  if (!found) throw new Error(say("noDomain", { name }));
  const remove = button(say("remove"), async () => {
    if (await removeDomain(name)) location.hash = "#/domains";
  }, "danger");
  const judged = new Map();
  const zone = element("div");
  const checks = element("div");
  const keys = element("div");
  const drawZone = async () => zone.replaceChildren(await records(name, judged));
  const check = () => examine(name, checks, judged).then(drawZone);
  /** @type {() => Promise<void>} */
  const drawKeys = async () => keys.replaceChildren(await dkim(name, () => Promise.all([drawKeys(), drawZone()])));
  holder.append(
    element("p", { class: "up" }, link("#/domains", say("domains"))),
    heading(name, link(`#/accounts/@${name}`, say("accounts")), link(`#/aliases/@${name}`, say("aliases")), ...(found.source === "store" && may("domain.remove") ? [remove] : [])),
    await settings(name),
    section(say("dns"), [element("p", { class: "quiet" }, say("dnsWhy")), checks, zone], ...(may("doctor.check") ? [button(say("checkNow"), check, "main")] : [])),
    section(say("dkim"), [element("p", { class: "quiet" }, say("dkimWhy")), keys]),
  );
  await Promise.all([drawZone(), drawKeys()]);
}

/** @param {string} name */
async function settings(name) {
  const body = element("div");
  const draw = async () => {
    const [quota, admins] = await Promise.all([act("quota.get", { address: `@${name}` }), act("domain.admins", { name })]);
    const people = /** @type {string[]} */ (admins).map((one) =>
      element("div", { class: "buttons" }, may("user.list") ? link(`#/accounts/${encodeURIComponent(one)}`, one) : one, ...(runsAll() ? [button(say("remove"), () => sure(say("removeAdmin"), say("removeAdminAsk", { account: one, name }), () => act("domain.admins", { name, remove: one }).then(draw), say("removed", { name: one })), "link danger")] : [])),
    );
    const addAdmin = () => filled(say("addAdmin"), [{ name: "add", label: say("account"), required: true, type: "email", hint: say("adminHint") }], ({ add }) => act("domain.admins", { name, add })).then(ifDone(draw));
    body.replaceChildren(
      facts([
        [say("quotaOfAccounts"), [element("span", {}, quotaText(quota)), " ", ...(runsAll() ? [button(say("change"), () => quotaForm(quota).then(ifDone(draw)), "link")] : [])]],
        [say("domainAdmins"), [...people, ...(runsAll() ? [button(say("addAdmin"), addAdmin, "link")] : [])]],
      ]),
    );
  };
  await draw();
  return body;
}

// --- DNS

/** @typedef {{name: string, kind: string, data: string, text: string, why: string}} DnsRecord */

/** @param {DnsRecord} record @returns {string} the check that looks at it; "" for none */
function checkOf({ name, kind, text }) {
  if (kind === "TXT") {
    const [, found = ""] = name.match(/(?:^|\.)_(domainkey|dmarc|mta-sts|tls)\./) ?? [];
    return { domainkey: "dkim", dmarc: "dmarc", "mta-sts": "mta-sts", tls: "tlsrpt" }[found] ?? (text.startsWith("v=spf1") ? "spf" : "");
  }
  if (/^(autoconfig|autodiscover|mta-sts)\./.test(name)) return name.startsWith("mta-sts") ? "mta-sts" : "autoconfig";
  return { MX: "mx", TLSA: "dane", SRV: "srv", A: "host", AAAA: "host", PTR: "ptr" }[kind] ?? "";
}

/**
 * @param {string} domain
 * @param {Map<string, any>} judged what was found by the last examination, by check
 */
async function records(domain, judged) {
  const found = await act("dns.show", { domain });
  const columns = [
    { name: say("name"), kind: "name", cell: (/** @type {DnsRecord} */ one) => element("code", {}, one.name) },
    { name: say("type"), kind: "tight", cell: (/** @type {DnsRecord} */ one) => one.kind },
    { name: say("data"), cell: (/** @type {DnsRecord} */ one) => [element("code", {}, one.text || one.data), element("div", { class: "quiet small" }, one.why)] },
    ...(judged.size ? [{ name: say("state"), kind: "tight", cell: (/** @type {DnsRecord} */ one) => stateOf(judged.get(checkOf(one))) }] : []),
    { name: say("actions"), kind: "tight acts", cell: (/** @type {DnsRecord} */ one) => copyButton(one.text || one.data) },
  ];
  const save = element("a", { href: `data:text/plain;charset=utf-8,${encodeURIComponent(found.zone)}`, download: `${domain}.zone` }, say("download"));
  const file = element("details", {}, element("summary", {}, say("zoneFile")), element("div", { class: "buttons" }, copyButton(found.zone), save), element("pre", { tabindex: "0", role: "group", "aria-label": say("zoneFile") }, found.zone));
  return element("div", {}, ...found.notes.map((/** @type {string} */ one) => notice("warn", one)), table(say("dns"), columns, found.records), file);
}

/** @param {any} one a line of an examination, or nothing */
function stateOf(one) {
  return one ? badge(one.state === "ok" ? "good" : one.state === "wrong" ? "bad" : "warn", say(`check-${one.state}`)) : null;
}

/**
 * Ask the Internet how the domain looks.
 * @param {string} domain
 * @param {HTMLElement} holder
 * @param {Map<string, any>} judged is filled
 */
async function examine(domain, holder, judged) {
  holder.replaceChildren(element("p", { role: "status" }, say("checking")));
  try {
    const found = /** @type {any[]} */ (await act("doctor.check", { domain }));
    for (const one of found) judged.set(one.check, one);
    const wrong = found.filter((one) => one.state === "wrong").length;
    const columns = [
      { name: say("state"), kind: "tight", cell: stateOf },
      { name: say("check"), kind: "tight", cell: (/** @type {any} */ one) => say(`doctor-${one.check}`) },
      { name: say("found"), cell: (/** @type {any} */ one) => [element("div", {}, one.text), ...(one.todo ? [element("div", { class: "small" }, `${say("todo")}: `, element("code", {}, one.todo))] : [])] },
    ];
    holder.replaceChildren(notice(wrong ? "bad" : "good", say(wrong ? "checkedWrong" : "checkedWell", { count: wrong })), table(say("checks"), columns, found));
  } catch (error) {
    holder.replaceChildren();
    throw error;
  }
}

// --- DKIM

/**
 * @param {string} domain
 * @param {() => unknown} changed
 */
async function dkim(domain, changed) {
  const keys = /** @type {any[]} */ (await act("dkim.list", { domain }));
  const waiting = keys.some((one) => one.state === "new");
  const make = async () => {
    await act("dkim.create", { domain, rotate: keys.length > 0 });
    tell(say("keysMade"));
    await changed();
  };
  const rotate = () => sure(say("rotate"), say("rotateAsk"), make, say("keysMade"));
  const activate = () => sure(say("activate"), say("activateAsk"), () => act("dkim.activate", { domain }), say("activated")).then(ifDone(changed));
  const remove = (/** @type {any} */ one) => sure(say("removeKey"), say("removeKeyAsk", { name: one.selector }), () => act("dkim.remove", { domain, selector: one.selector }), say("removed", { name: one.selector })).then(ifDone(changed));
  const next = !keys.length ? button(say("makeKeys"), make, "main") : waiting ? button(say("activate"), activate) : button(say("rotate"), rotate);
  const buttons = element("div", { class: "buttons" }, ...(may("dkim.create") ? [next] : []));
  if (!keys.length) return element("div", {}, notice("warn", say("noKeys")), buttons);
  const columns = [
    { name: say("selector"), cell: (/** @type {any} */ one) => element("code", {}, one.selector) },
    { name: say("type"), kind: "tight", cell: (/** @type {any} */ one) => one.kind },
    { name: say("state"), kind: "tight", cell: (/** @type {any} */ one) => badge(one.state === "active" ? "good" : one.state === "new" ? "warn" : "", say(`key-${one.state}`)) },
    { name: say("since"), cell: (/** @type {any} */ one) => at(one.since) },
    { name: say("record"), cell: (/** @type {any} */ one) => element("details", {}, element("summary", {}, one.name), element("code", {}, one.record)) },
    { name: say("actions"), kind: "tight acts", cell: (/** @type {any} */ one) => element("div", { class: "buttons" }, copyButton(one.record), ...(may("dkim.remove") ? [button(say("remove"), () => remove(one), "danger")] : [])) },
  ];
  return element("div", {}, table(say("dkim"), columns, keys), element("div", { class: "more" }, buttons));
}
