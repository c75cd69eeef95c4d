// What the reader has chosen, and what follows from it.
import { ask } from "../common/api.js";
import { byId } from "../common/dom.js";
import { language } from "../common/words.js";
import { state } from "./state.js";

/** Fetch them, and put them into force. */
export async function load() {
  state.preferences = await ask("GET", "own/preferences");
  apply();
}

/** Called again by the settings when they have changed. A language comes into force with the next look at the page. */
export function apply() {
  const { theme, language: wanted } = state.preferences;
  document.documentElement.style.colorScheme = theme || "light dark";
  if (wanted && wanted !== localStorage.getItem("language")) localStorage.setItem("language", wanted);
  if (!wanted) localStorage.removeItem("language");
  if (wanted && wanted !== language) location.reload();
}

export function isDark() {
  return getComputedStyle(byId("mail")).colorScheme === "dark" || (state.preferences.theme === "" && matchMedia("(prefers-color-scheme: dark)").matches);
}

/**
 * Tell of new mail where the page is not looked at, if that is wanted and allowed.
 * @param {string} title
 * @param {string} text
 */
export function notify(title, text) {
  if (!state.preferences.notifications || !document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  const shown = new Notification(title, { body: text, tag: "mailhub" });
  shown.onclick = () => {
    window.focus();
    shown.close();
  };
}
