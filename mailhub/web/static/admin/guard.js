// Who is turned away, what bounds are in force, and addresses that mail is held back from.
import { element } from "../common/dom.js";
import { size } from "../common/format.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, at, badge, button, filled, heading, ifDone, list, number, section, sure, table } from "./parts.js";

const PAGE = 100;
const DAY = 86_400;
const OCTETS = /size_limit|free_space/;

/** @type {import("./main.js").Show} */
export async function show(holder) {
  const bans = element("div");
  const suppressed = element("div");
  const rest = element("div");
  const drawBans = async () => bans.replaceChildren(await banned(drawBans));
  const drawSuppressed = async () => suppressed.replaceChildren(await suppressions(drawSuppressed));
  const add = () => filled(say("newBan"), [
    { name: "network", label: say("network"), required: true, placeholder: "192.0.2.0/24" },
    { name: "days", label: say("days"), type: "number", value: "1", required: true },
    { name: "note", label: say("note") },
  ], ({ network, days, note }) => act("ban.add", { network, seconds: Number(days) * DAY, note })).then(ifDone(drawBans));
  const hold = () => filled(say("newSuppression"), [
    { name: "address", label: say("address"), required: true },
    { name: "days", label: say("days"), type: "number", hint: say("forEverHint") },
    { name: "note", label: say("note") },
  ], ({ address, days, note }) => act("suppression.add", { address, seconds: days === "" ? null : Number(days) * DAY, note })).then(ifDone(drawSuppressed));
  holder.append(heading(say("guard")), section(say("bans"), [bans], button(say("newBan"), add)), rest, section(say("suppressions"), [suppressed], button(say("newSuppression"), hold)));
  const status = await act("status", { sessions: 0 });
  rest.append(...figures(status));
  await Promise.all([drawBans(), drawSuppressed()]);
}

/** @param {() => Promise<unknown>} changed */
function banned(changed) {
  const lift = (/** @type {string} */ network) => sure(say("liftBan", { network }), say("liftBanAsk"), () => act("ban.remove", { network }).then(changed), say("lifted"));
  const columns = [
    { name: say("network"), cell: (/** @type {any} */ one) => element("code", {}, one.network) },
    { name: say("why"), cell: (/** @type {any} */ one) => [one.cause, ...(one.note ? [element("div", { class: "quiet small" }, one.note)] : [])] },
    { name: say("since"), cell: (/** @type {any} */ one) => at(one.since) },
    { name: say("until"), cell: (/** @type {any} */ one) => at(one.until) },
    { name: say("strikes"), kind: "number", cell: (/** @type {any} */ one) => number(one.strikes) },
    { name: say("actions"), kind: "tight acts", cell: (/** @type {any} */ one) => button(say("lift"), () => lift(one.network)) },
  ];
  return list(say("bans"), columns, PAGE, (after) => act("ban.list", { after: after?.network ?? "", limit: PAGE }), say("noBans"));
}

/** @param {() => Promise<unknown>} changed */
function suppressions(changed) {
  const lift = (/** @type {string} */ address) => sure(say("liftSuppression", { address }), say("liftSuppressionAsk"), () => act("suppression.remove", { address }).then(changed), say("lifted"));
  const columns = [
    { name: say("address"), cell: (/** @type {any} */ one) => one.address },
    { name: say("state"), kind: "tight", cell: (/** @type {any} */ one) => badge(one.held ? "bad" : "", say(one.held ? "heldBack" : "counted")) },
    { name: say("source"), cell: (/** @type {any} */ one) => say(`source-${one.source}`) },
    { name: say("until"), cell: (/** @type {any} */ one) => (one.until === null ? say("forEver") : at(one.until)) },
    { name: say("lastSaid"), cell: (/** @type {any} */ one) => [one.refusals.at(-1)?.reply ?? "", ...(one.note ? [element("div", { class: "quiet small" }, one.note)] : [])] },
    { name: say("actions"), kind: "tight acts", cell: (/** @type {any} */ one) => button(say("lift"), () => lift(one.address)) },
  ];
  return list(say("suppressions"), columns, PAGE, (after) => act("suppression.list", { after: after?.address ?? "", limit: PAGE }), say("noSuppressions"));
}

/** @param {any} status */
function figures(status) {
  const causes = Object.entries(status.guard.refused).sort(([, one], [, other]) => Number(other) - Number(one));
  const count = (/** @type {string} */ name) => [{ name, cell: (/** @type {any} */ row) => row[0] }, { name: say("count"), kind: "number", cell: (/** @type {any} */ row) => (OCTETS.test(row[0]) ? size(row[1]) : number(row[1])) }];
  const parts = [section(say("limits"), [table(say("limits"), count(say("option")), Object.entries(status.limits))])];
  if (causes.length) parts.unshift(section(say("turnedAway"), [table(say("turnedAway"), count(say("why")), causes)]));
  if (status.guard.shared.length) {
    const columns = [{ name: say("address"), cell: (/** @type {any} */ one) => one.address }, { name: say("why"), cell: (/** @type {any} */ one) => one.cause }];
    parts.push(section(say("sharedAddresses"), [table(say("sharedAddresses"), columns, status.guard.shared)]));
  }
  return parts;
}
