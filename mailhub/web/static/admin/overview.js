// How the server is now: what it does, its doors, certificates, helpers and alerts.
import { element } from "../common/dom.js";
import { size } from "../common/format.js";
import { say } from "../common/words.js";
import { act, at, badge, button, cards, heading, lasting, notice, number, section, sure, table } from "./parts.js";

/** @type {import("./main.js").Show} */
export async function show(holder) {
  const body = element("div");
  const draw = async () => body.replaceChildren(...drawn(await act("status", { sessions: 0 })));
  const reload = () => sure(say("reload"), say("reloadAsk"), () => act("reload").then(draw), say("reloaded"));
  holder.append(heading(say("overview"), button(say("refresh"), draw), button(say("reload"), reload)), body);
  await draw();
}

/** @param {any} status */
function drawn(status) {
  const said = [];
  if (status.trouble) said.push(notice("bad", say("noMailTaken", { why: status.trouble })));
  if (status.stressed) said.push(notice("warn", say("stressed")));
  if (status.directory?.away) said.push(notice("bad", say("directoryAway", { name: status.directory.name, since: at(status.directory.away), why: status.directory.cause })));
  for (const [name, why] of Object.entries(status.acme)) said.push(notice("bad", say("noCertificate", { name, why: String(why) })));
  const parts = [...said, figures(status), certificates(status), listeners(status)];
  if (status.guard.alerts.length) parts.push(alerts(status));
  if (status.scanners.length) parts.push(scanners(status));
  return parts;
}

/** @param {any} status */
function figures(status) {
  return cards([
    [say("takesMail"), status.trouble ? say("no") : say("yes")],
    [say("queue"), number(status.queue_messages), say("recipientsCount", { count: number(status.queue_recipients) })],
    [say("sessions"), number(status.sessions)],
    [say("accepted"), number(status.accepted), say("sinceStart")],
    [say("delivered"), number(status.outcomes.sent ?? 0), say("sinceStart")],
    [say("refused"), number(status.refused), say("sinceStart")],
    [say("memory"), size(status.memory)],
    [say("lag"), lasting(status.lag), say("worst", { time: lasting(status.worst_stall) })],
    [say("disk"), size(status.disk.free), say("free")],
    [say("version"), status.version, say("runsSince", { when: at(status.since) })],
  ]);
}

/** @param {any} status */
function certificates(status) {
  const rows = status.certificates;
  const columns = [
    { name: say("names"), cell: (/** @type {any} */ one) => one.names.join(", ") || one.file },
    { name: say("daysLeft"), kind: "number", cell: (/** @type {any} */ one) => badge(one.days < 3 ? "bad" : one.days < 21 ? "warn" : "good", number(Math.floor(one.days))) },
    { name: say("until"), cell: (/** @type {any} */ one) => at(one.until) },
    { name: say("file"), cell: (/** @type {any} */ one) => [element("code", {}, one.file), ...(one.trouble ? [element("div", { class: "danger small" }, one.trouble)] : [])] },
  ];
  return section(say("certificates"), [rows.length ? table(say("certificates"), columns, rows) : element("p", { class: "empty" }, say("noCertificates"))]);
}

/** @param {any} status */
function listeners(status) {
  const columns = [
    { name: say("name"), cell: (/** @type {any} */ one) => one.name },
    { name: say("protocol"), cell: (/** @type {any} */ one) => one.protocol },
    { name: say("address"), cell: (/** @type {any} */ one) => (one.port ? `${one.address}:${one.port}` : one.address) },
    { name: "TLS", cell: (/** @type {any} */ one) => one.tls },
    { name: say("sessions"), kind: "number", cell: (/** @type {any} */ one) => number(one.sessions) },
  ];
  return section(say("listeners"), [table(say("listeners"), columns, status.listeners)]);
}

/** @param {any} status */
function alerts(status) {
  const columns = [
    { name: say("when"), cell: (/** @type {any} */ one) => at(one.time) },
    { name: say("event"), cell: (/** @type {any} */ one) => one.event },
    { name: say("about"), cell: (/** @type {any} */ one) => one.subject },
    { name: say("why"), cell: (/** @type {any} */ one) => one.cause },
  ];
  return section(say("alerts"), [table(say("alerts"), columns, status.guard.alerts)]);
}

/** @param {any} status */
function scanners(status) {
  const columns = [
    { name: say("name"), cell: (/** @type {any} */ one) => one.name },
    { name: say("address"), cell: (/** @type {any} */ one) => one.address },
    { name: say("state"), cell: (/** @type {any} */ one) => badge(one.state === "open" ? "bad" : one.state === "closed" ? "good" : "warn", say(`breaker-${one.state}`)) },
    { name: say("asked"), kind: "number", cell: (/** @type {any} */ one) => number(one.asked) },
    { name: say("why"), cell: (/** @type {any} */ one) => one.cause },
  ];
  return section(say("scanners"), [table(say("scanners"), columns, status.scanners)]);
}
