// Folders that are shared: mine with others, and those of others with me.
import { ask } from "../../common/api.js";
import { confirm } from "../../common/asking.js";
import { element } from "../../common/dom.js";
import { say } from "../../common/words.js";
import { load as loadFolders } from "../folders.js";
import { folderName, sharedName } from "../names.js";
import { place, state } from "../state.js";
import { button, check, field, form, input, select, tell, wrong } from "./parts.js";

/** @typedef {{who: string, rights: string}} Grant */
/** @typedef {{id: string, name: string, grants: Grant[]}} Shared */
const ALL = "aeiklprstwx"; // as the server tells them: in their order
const WAYS = /** @type {[string, string][]} */ ([["lrs", "mayRead"], ["eilrstw", "mayChange"], [ALL, "mayAll"]]);

/** @param {HTMLElement} into */
export async function draw(into) {
  const mine = element("section");
  const theirs = element("section");
  into.append(mine, theirs);
  await Promise.all([drawMine(mine), drawTheirs(theirs)]);
}

/** @param {HTMLElement} holder */
async function drawMine(holder) {
  const shared = /** @type {Shared[]} */ (await ask("GET", "own/sharing"));
  const rows = element("ul", { class: "rows" }, ...shared.flatMap((folder) => folder.grants.map((grant) => granted(folder, grant, () => drawMine(holder)))));
  const own = state.folders.filter((one) => one.owner === state.account);
  const folder = select(own[0]?.id ?? "", own.map((one) => [one.id, one.name === "INBOX" ? folderName(one) : one.name]));
  const who = input({ type: "email", required: true, maxlength: "320", autocapitalize: "none", spellcheck: "false" });
  const how = select("lrs", ways(""));
  const add = form(
    say("s-share"),
    async () => {
      const name = who.value.trim();
      await grant(folder.value, name, how.value);
      who.value = "";
      await drawMine(holder);
      return say("s-sharedWith", { who: name });
    },
    field(say("s-folder"), folder),
    field(say("s-shareWith"), who, say("s-shareHint")),
    field(say("s-mayDo"), how),
  );
  holder.replaceChildren(element("h4", {}, say("s-mine")), shared.length ? rows : element("p", { class: "hint" }, say("s-nothingShared")), add);
}

/**
 * @param {Shared} folder
 * @param {Grant} given
 * @param {() => Promise<void>} again
 */
function granted(folder, given, again) {
  const named = `${folder.name === "INBOX" ? say("inbox") : folder.name}: ${given.who}`;
  const how = select(letters(given.rights), ways(given.rights), { "aria-label": `${say("s-mayDo")}: ${named}` });
  how.onchange = async () => {
    await grant(folder.id, given.who, how.value).then(() => tell(say("s-saved")), wrong);
    await again().catch(wrong);
  };
  const end = button(
    say("s-shareEnd"),
    async () => {
      if (!(await confirm(say("s-shareEnd"), say("s-shareEndSure", { name: folder.name, who: given.who })))) return;
      await grant(folder.id, given.who, "");
      await again();
      return say("s-shareEnded", { who: given.who });
    },
    { "aria-label": `${say("s-shareEnd")}: ${named}` },
  );
  return element("li", {}, element("span", {}, element("b", {}, folder.name === "INBOX" ? say("inbox") : folder.name), element("small", {}, given.who)), element("div", { class: "tools" }, how, end));
}

/** @param {string} rights */
function letters(rights) {
  return [...new Set(rights)].sort().join("");
}

/**
 * What can be chosen; `now` beside it where it is none of these.
 * @param {string} now
 * @returns {[string, string][]}
 */
function ways(now) {
  const known = WAYS.map(([rights, word]) => /** @type {[string, string]} */ ([rights, say(word)]));
  const other = letters(now);
  return other && !WAYS.some(([rights]) => rights === other) ? [...known, [other, say("s-otherRights", { rights: other })]] : known;
}

/**
 * @param {string} folder
 * @param {string} who
 * @param {string} rights
 */
function grant(folder, who, rights) {
  return ask("PUT", `${place(folder)}/sharing`, { who, rights });
}

/** @param {HTMLElement} holder */
async function drawTheirs(holder) {
  await loadFolders();
  const others = state.folders.filter((one) => one.owner !== state.account);
  const rows = others.map((one) => {
    const shown = check(say("s-subscribed"), one.subscribed);
    shown.box.setAttribute("aria-label", `${say("s-subscribed")}: ${one.name}`);
    shown.box.onchange = async () => {
      const wanted = shown.box.checked;
      try {
        await ask("PATCH", place(one.id), { subscribed: wanted });
        await loadFolders();
        tell(say(wanted ? "s-isSubscribed" : "s-isUnsubscribed", { name: one.name }));
      } catch (error) {
        shown.box.checked = !wanted;
        wrong(error);
      }
    };
    const way = WAYS.find(([rights]) => rights === letters(one.rights));
    const rights = way ? say(way[1]) : say("s-otherRights", { rights: letters(one.rights) });
    return element("li", {}, element("span", {}, element("b", {}, sharedName(one)), element("small", {}, say("s-sharedBy", { who: one.owner, rights }))), shown.label);
  });
  holder.replaceChildren(element("h4", {}, say("s-theirs")), others.length ? element("ul", { class: "rows" }, ...rows) : element("p", { class: "hint" }, say("s-nothingForMe")));
}
