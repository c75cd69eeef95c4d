// What others reported: on mail with our domains in From (DMARC), and on TLS with our hosts.
import { element } from "../common/dom.js";
import { wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, badge, heading, number, section, table } from "./parts.js";

/** @type {import("./main.js").Show} */
export async function show(holder) {
  const field = (/** @type {string} */ name, /** @type {Record<string, string | boolean>} */ more) => element("label", {}, say(name), element("input", { name, spellcheck: "false", autocapitalize: "none", maxlength: "320", ...more }));
  const form = /** @type {HTMLFormElement} */ (element("form", { class: "filter", role: "search" },
    field("account", { required: true, type: "email", value: localStorage.getItem("reports") ?? "" }),
    field("days", { type: "number", min: "1", max: "400", value: "7", required: true }), field("domain", {}), element("button", { class: "main" }, say("show"))));
  const found = element("div", { "aria-live": "polite" });
  form.onsubmit = async (event) => {
    event.preventDefault();
    const { account = "", days = "7", domain = "" } = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
    localStorage.setItem("reports", account);
    found.replaceChildren(element("p", { role: "status" }, say("reading")));
    const asked = { account, days: Number(days), domain };
    try {
      found.replaceChildren(dmarc(await act("reports.dmarc", asked)), tls(await act("reports.tls", asked)));
    } catch (error) {
      found.replaceChildren();
      wrong(error);
    }
  };
  holder.append(heading(say("reports")), element("p", { class: "quiet" }, say("reportsWhy")), form, found);
}

/** @param {any} told @returns {HTMLElement} */
function whose(told) {
  const from = told.organizations.slice(0, 10).join(", ") + (told.organizations.length > 10 ? ` ${say("andMore", { count: told.organizations.length - 10 })}` : "");
  const unread = told.unread ? ` ${say("unreadReports", { count: number(told.unread) })}` : "";
  return element("p", { class: "quiet" }, (told.reports ? say("reportsOf", { count: number(told.reports), from }) : say("noReports")) + unread);
}

/** @param {any} told */
function dmarc(told) {
  const columns = [
    { name: say("domain"), cell: (/** @type {any} */ one) => one.domain || "–" },
    { name: say("from"), cell: (/** @type {any} */ one) => element("code", {}, one.source) },
    { name: say("messages"), kind: "number", cell: (/** @type {any} */ one) => number(one.messages) },
    { name: say("aligned"), kind: "number", cell: (/** @type {any} */ one) => badge(one.aligned === one.messages ? "good" : one.aligned ? "warn" : "bad", `${number((100 * one.aligned) / Math.max(1, one.messages))}%`) },
    { name: "DKIM", kind: "number", cell: (/** @type {any} */ one) => number(one.dkim) },
    { name: "SPF", kind: "number", cell: (/** @type {any} */ one) => number(one.spf) },
    { name: say("refused"), kind: "number", cell: (/** @type {any} */ one) => number(one.refused) },
    { name: say("quarantined"), kind: "number", cell: (/** @type {any} */ one) => number(one.quarantined) },
  ];
  return section(say("dmarcReports"), [whose(told), ...(told.sources.length ? [table(say("dmarcReports"), columns, told.sources)] : [])]);
}

/** @param {any} told */
function tls(told) {
  const columns = [
    { name: say("domain"), cell: (/** @type {any} */ one) => one.domain || "–" },
    { name: say("policy"), cell: (/** @type {any} */ one) => one.policy },
    { name: say("successes"), kind: "number", cell: (/** @type {any} */ one) => number(one.successes) },
    { name: say("failed"), kind: "number", cell: (/** @type {any} */ one) => badge(one.failed ? "bad" : "good", number(one.failed)) },
    { name: say("why"), cell: (/** @type {any} */ one) => one.failures.map((/** @type {[string, number]} */ [kind, times]) => element("div", { class: "small" }, `${kind}: ${number(times)}`)) },
  ];
  return section(say("tlsReports"), [whose(told), ...(told.destinations.length ? [table(say("tlsReports"), columns, told.destinations)] : [])]);
}
