// Language, colours, sending, and what is stored.
import { ask } from "../../common/api.js";
import { element } from "../../common/dom.js";
import { size } from "../../common/format.js";
import { say } from "../../common/words.js";
import { state } from "../state.js";
import { check, field, form, input, select, save } from "./parts.js";

/** @param {HTMLElement} into */
export async function draw(into) {
  const preferences = state.preferences;
  const language = select(preferences.language, [["", say("s-asBrowser")], ["en", "English"], ["zh", "中文"]]);
  const theme = select(preferences.theme, [["", say("s-asBrowser")], ["light", say("s-light")], ["dark", say("s-dark")]]);
  const undo = input({ type: "number", min: "0", max: "60", required: true, value: String(preferences.undo_seconds) });
  const conversations = check(say("s-conversations"), preferences.conversations);
  const notifications = check(say("s-notifications"), preferences.notifications);
  notifications.box.onchange = async () => {
    if (notifications.box.checked && "Notification" in window && (await Notification.requestPermission()) !== "granted") notifications.box.checked = false;
  };
  const keep = async () => {
    const before = preferences.language;
    localStorage.setItem("threads", conversations.box.checked ? "1" : "0");
    await save({
      ...state.preferences,
      language: language.value,
      theme: theme.value,
      undo_seconds: Number(undo.value),
      conversations: conversations.box.checked,
      notifications: notifications.box.checked,
    });
    if (before !== language.value) location.reload();
    return say("s-saved");
  };
  into.append(
    form(
      say("s-save"),
      keep,
      field(say("s-language"), language),
      field(say("s-theme"), theme),
      field(say("s-undo"), undo, say("s-undoHint")),
      conversations.label,
      notifications.label,
    ),
  );
  const used = await ask("GET", "own/storage");
  const text = used.storage_limit ? say("s-usedOf", { used: size(used.storage), limit: size(used.storage_limit) }) : say("s-used", { used: size(used.storage) });
  into.append(element("h4", {}, say("s-storage")), element("p", {}, `${text} · ${say("s-messages", { count: used.messages })}`));
  if (used.storage_limit) into.append(element("meter", { min: "0", max: String(used.storage_limit), value: String(used.storage), high: String(used.storage_limit * 0.9), "aria-label": say("s-storage") }));
}
