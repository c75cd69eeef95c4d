// What came, went and waited over time.
import { element } from "../common/dom.js";
import { size } from "../common/format.js";
import { wrong } from "../common/toast.js";
import { say } from "../common/words.js";
import { chart } from "./chart.js";
import { act, button, heading, lasting, number } from "./parts.js";

const ROWS = 240;
const SPANS = [3_600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000];
const ROOM = 32; // pixels beside a plot
const TWO = 860; // from so many pixels on two stand side by side
const AGAIN = 60; // seconds; a minute is told by then

/** @type {import("./main.js").Show} */
export async function show(holder, left) {
  const plots = element("div", { class: "charts" });
  const width = () => /** @type {[number, number]} */ ([plots.clientWidth - ROOM, plots.clientWidth < TWO ? plots.clientWidth - ROOM : plots.clientWidth / 2 - ROOM]);
  const pick = /** @type {HTMLSelectElement} */ (element("select", {}, ...SPANS.map((one) => element("option", { value: String(one), selected: one === 86_400 }, lasting(one)))));
  const draw = async () => plots.replaceChildren(...drawn(await act("history.show", { seconds: Number(pick.value), rows: ROWS }), Number(pick.value), width()));
  pick.onchange = () => void draw().catch(wrong);
  holder.append(heading(say("figures"), element("label", {}, say("span"), pick), button(say("refresh"), draw)), plots);
  await draw();
  const timer = setInterval(() => plots.querySelector("details[open]") ?? void draw().catch(wrong), AGAIN * 1000);
  left.addEventListener("abort", () => clearInterval(timer));
}

/**
 * @param {{width: number, since: number, rows: any[]}} told
 * @param {number} seconds
 * @param {[number, number]} width pixels of the first plot, and of each of the others
 */
function drawn(told, seconds, [wide, half]) {
  const found = { ...told, until: told.since + Math.ceil(seconds / told.width) * told.width };
  if (!found.rows.length) return [element("p", { class: "empty" }, say("noFigures"))];
  const one = (/** @type {string} */ name) => [{ name: say(name), of: (/** @type {any} */ row) => row[name] }];
  const count = (/** @type {number} */ value) => number(value, 1);
  const time = (/** @type {number} */ value) => (Number.isNaN(value) ? "–" : value ? lasting(value) : "0");
  return [
    chart(say("mailPer", { time: lasting(told.width) }), found, ["accepted", "sent", "deferred", "refused", "bounced"].flatMap(one), count, wide),
    chart(say("queued"), found, one("queued"), count, half),
    chart(say("oldest"), found, one("oldest"), time, half, true),
    chart(say("delay"), found, [{ name: say("half"), of: (row) => row.delay_p50 ?? NaN }, { name: say("most99"), of: (row) => row.delay_p99 ?? NaN }], time, half, true),
    chart(say("sessions"), found, one("sessions"), count, half),
    chart(say("memory"), found, one("memory"), size, half),
    chart(say("lag"), found, one("lag"), time, half, true),
  ];
}
