// A reply while nobody reads, and where mail goes on to.
import { ask } from "../../common/api.js";
import { element } from "../../common/dom.js";
import { say } from "../../common/words.js";
import { byHand, load, save, sieve } from "./filters.js";
import { check, field, form, input } from "./parts.js";

/** @param {HTMLElement} into */
export async function draw(into) {
  const [found, forward] = await Promise.all([load(), ask("GET", "own/forward")]);
  const kept = found.form.absence;
  const on = check(say("s-absenceOn"), kept.enabled);
  const subject = input({ type: "text", maxlength: "200", value: kept.subject });
  const text = /** @type {HTMLTextAreaElement} */ (element("textarea", { rows: "6", maxlength: "8000" }));
  text.value = kept.text;
  const since = input({ type: "date", value: kept.since });
  const until = input({ type: "date", value: kept.until });
  const days = input({ type: "number", min: "1", max: "90", required: true, value: String(kept.days) });
  const told = () => ({
    ...found.form,
    absence: { enabled: on.box.checked, subject: subject.value.trim(), text: text.value, days: Number(days.value), since: since.value, until: until.value, zone: zone() },
  });
  const keep = async () => {
    if (!(await save(told(), found))) return;
    into.querySelector(".hand")?.remove();
    return say(on.box.checked ? "s-absenceIsOn" : "s-absenceIsOff");
  };
  into.append(
    byHand(found),
    form(
      say("s-save"),
      keep,
      on.label,
      field(say("s-absenceSubject"), subject),
      field(say("s-absenceText"), text),
      element("div", { class: "pair" }, field(say("s-since"), since), field(say("s-until"), until)),
      field(say("s-days"), days, say("s-daysHint")),
    ),
    sieve(told),
    element("h4", {}, say("s-forward")),
    forwarding(forward),
  );
}

/** @param {{targets: string[], keep: boolean}} now */
function forwarding(now) {
  const targets = /** @type {HTMLTextAreaElement} */ (element("textarea", { rows: "3", maxlength: "7000", spellcheck: "false" }));
  targets.value = now.targets.join("\n");
  const keep = check(say("s-forwardKeep"), now.keep);
  const set = async () => {
    const wanted = targets.value.split(/[\s,;]+/).filter(Boolean);
    const kept = await ask("PUT", "own/forward", { targets: wanted, keep: keep.box.checked });
    targets.value = kept.targets.join("\n");
    return kept.targets.length ? say("s-forwardIsOn", { where: kept.targets.join(", ") }) : say("s-forwardIsOff");
  };
  return form(say("s-save"), set, field(say("s-forwardTo"), targets, say("s-forwardHint")), keep.label);
}

/** This browser's distance from UTC, as +0800. */
function zone() {
  const minutes = -new Date().getTimezoneOffset();
  const two = (/** @type {number} */ number) => String(Math.floor(number)).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}${two(Math.abs(minutes) % 60)}`;
}
