// Lines over time, drawn as SVG: a plot, what the pointer is at, and the same as a table.
import { element } from "../common/dom.js";
import { say } from "../common/words.js";
import { at, locale, table } from "./parts.js";

const HEIGHT = 190;
const LEFT = 62;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 24;
const TICKS = [1, 2, 2.5, 5, 10];
const TIMES = [60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 432_000];

/** @typedef {{name: string, of: (row: any) => number}} Series `of`: NaN where there is none */
/** @typedef {{since: number, until: number, width: number, rows: any[]}} Rows `width`: seconds of a row; times when the server did not run have none */

/**
 * @param {string} title
 * @param {Rows} found
 * @param {Series[]} series
 * @param {(value: number) => string} format
 * @param {number} width pixels that there are
 * @param {boolean} time whether the values are seconds
 */
export function chart(title, found, series, format, width, time = false) {
  const WIDTH = Math.max(300, width);
  const most = Math.max(0, ...series.map((one) => mostOf(found, one)));
  const step = (time ? TIMES.find((one) => most > 120 && one >= most / 4) : 0) || nice(most / 4);
  const top = Math.max(step, Math.ceil(most / step) * step);
  const x = (/** @type {number} */ time) => LEFT + ((time - found.since) / (found.until - found.since)) * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary(title, found, series, format) });
  for (let value = 0; value <= top * 1.001; value += step) {
    plot.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }), text(LEFT - 6, y(value) + 4, format(value), "end"));
  }
  for (const one of times(found)) plot.append(text(x(one), HEIGHT - 6, clock(one, found.until - found.since), "middle"));
  series.forEach((one, n) => plot.append(svg("path", { class: `line s${n}`, d: path(found, one, x, y) })));
  const mark = svg("line", { class: "mark", x1: 0, x2: 0, y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  plot.append(mark);
  const read = element("p", { class: "read quiet small" });
  follow(plot, mark, read, found, series, format, x, WIDTH);
  const legend = element("ul", { class: "legend" }, ...series.map((one, n) => element("li", {}, key(n), one.name)));
  return element("figure", { class: "chart" }, element("figcaption", {}, title), ...(series.length > 1 ? [legend] : []), plot, read, asTable(title, found, series, format));
}

/**
 * @param {Rows} found
 * @param {Series} one
 */
function mostOf(found, one) {
  return Math.max(0, ...found.rows.map(one.of).filter((value) => !Number.isNaN(value)));
}

/** @param {number} least a step of the scale is no smaller */
function nice(least) {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * (TICKS.find((one) => one * power >= least * 0.999) ?? 10);
}

/**
 * Times below the plot: at most six, at even distances.
 * @param {Rows} found
 */
function times({ since, until }) {
  const span = until - since;
  const step = [600, 1_800, 3_600, 10_800, 21_600, 86_400, 259_200, 604_800, 2_592_000, 7_776_000].find((one) => span / one <= 6) ?? span / 6;
  const away = new Date(since * 1000).getTimezoneOffset() * 60;
  const made = [];
  for (let time = Math.ceil((since - away) / step) * step + away; time < until; time += step) made.push(time);
  return made;
}

/**
 * @param {number} time
 * @param {number} span seconds of the whole plot
 */
function clock(time, span) {
  const form = span <= 2 * 86_400 ? /** @type {Intl.DateTimeFormatOptions} */ ({ hour: "2-digit", minute: "2-digit" }) : /** @type {Intl.DateTimeFormatOptions} */ ({ month: "short", day: "numeric" });
  return new Intl.DateTimeFormat(locale(), form).format(new Date(time * 1000));
}

/**
 * @param {Rows} found
 * @param {Series} one
 * @param {(time: number) => number} x
 * @param {(value: number) => number} y
 */
function path(found, one, x, y) {
  let drawn = "";
  let last = -Infinity;
  for (const row of found.rows) {
    if (Number.isNaN(one.of(row))) continue;
    const middle = Math.min(row.at + found.width / 2, found.until);
    drawn += `${row.at - last > found.width * 1.5 ? "M" : "L"}${x(middle).toFixed(1)} ${y(one.of(row)).toFixed(1)}`;
    if (row.at - last > found.width * 1.5) drawn += "h.1"; // one alone is a dot
    last = row.at;
  }
  return drawn;
}

/**
 * @param {Element} plot
 * @param {Element} mark
 * @param {HTMLElement} read
 * @param {Rows} found
 * @param {Series[]} series
 * @param {(value: number) => string} format
 * @param {(time: number) => number} x
 * @param {number} width of the plot in its own units
 */
function follow(plot, mark, read, found, series, format, x, width) {
  read.textContent = "\u00a0";
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const here = ((/** @type {PointerEvent} */ (event).clientX - box.left) / box.width) * width;
    const near = found.rows.reduce((best, row) => (Math.abs(x(row.at + found.width / 2) - here) < Math.abs(x(best.at + found.width / 2) - here) ? row : best), found.rows[0]);
    if (!near) return;
    const place = String(x(Math.min(near.at + found.width / 2, found.until)));
    for (const name of ["x1", "x2"]) mark.setAttribute(name, place);
    mark.setAttribute("visibility", "visible");
    read.textContent = `${at(near.at)}: ${series.map((one) => `${series.length > 1 ? `${one.name} ` : ""}${format(one.of(near))}`).join(", ")}`;
  });
  plot.addEventListener("pointerleave", () => {
    mark.setAttribute("visibility", "hidden");
    read.textContent = "\u00a0";
  });
}

/**
 * @param {string} title
 * @param {Rows} found
 * @param {Series[]} series
 * @param {(value: number) => string} format
 */
function summary(title, found, series, format) {
  const last = found.rows.at(-1);
  return `${title}: ${last ? series.map((one) => say("chartSaid", { name: one.name, last: format(one.of(last)), most: format(mostOf(found, one)) })).join("; ") : say("noFigures")}`;
}

/**
 * @param {string} title
 * @param {Rows} found
 * @param {Series[]} series
 * @param {(value: number) => string} format
 */
function asTable(title, found, series, format) {
  const details = /** @type {HTMLDetailsElement} */ (element("details", {}, element("summary", { class: "small" }, say("asTable"))));
  details.ontoggle = () => {
    if (!details.open || details.querySelector("table")) return;
    const columns = [{ name: say("from"), cell: (/** @type {any} */ row) => at(row.at) }, ...series.map((one) => ({ name: one.name, kind: "number", cell: (/** @type {any} */ row) => format(one.of(row)) }))];
    details.append(element("div", { class: "scroll" }, table(title, columns, [...found.rows].reverse())));
  };
  return details;
}

/** @param {number} n */
function key(n) {
  const made = svg("svg", { viewBox: "0 0 24 8", class: "key", "aria-hidden": "true" });
  made.append(svg("path", { class: `line s${n}`, d: "M0 4H24" }));
  return made;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} anchor
 */
function text(x, y, content, anchor) {
  const made = svg("text", { x, y, "text-anchor": anchor });
  made.textContent = content;
  return made;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
