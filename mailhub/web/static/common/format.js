// Times and sizes for people.
import { language } from "./words.js";

const locale = () => navigator.languages.find((tag) => tag.startsWith(language)) ?? language;

/** @param {number} seconds since 1970 */
export function when(seconds) {
  const date = new Date(seconds * 1000);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(date);
  if (date.getFullYear() === now.getFullYear()) return new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric" }).format(date);
  return new Intl.DateTimeFormat(locale(), { year: "numeric", month: "2-digit", day: "2-digit" }).format(date);
}

/** @param {number} seconds since 1970 */
export function exactly(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "full", timeStyle: "short" }).format(new Date(seconds * 1000));
}

/** @param {number} octets */
export function size(octets) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = octets;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: value < 10 && at ? 1 : 0 }).format(value)} ${units[at]}`;
}
