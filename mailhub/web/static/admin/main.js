// Where the pages of administration begin: who is there, the menu, and which page is shown.
import { whenEnded } from "../common/api.js";
import { byId, element } from "../common/dom.js";
import { drawIcons } from "../common/icons.js";
import { signIn, signOut, whoIsIt } from "../common/signin.js";
import { wrong } from "../common/toast.js";
import { load, say } from "../common/words.js";
import { notice } from "./parts.js";
import { is, may } from "./who.js";

/** @typedef {(holder: HTMLElement, left: AbortSignal, what: string) => Promise<void>} Show draws a page; `left` tells when it is left, `what` is what it is about */

/** @typedef {{needs: string, show: () => Promise<{show: Show}>, one?: () => Promise<{show: Show}>, apart?: boolean}} Page `needs`: the action without which there is nothing to see; "": only who runs all sees it */

/**
 * Pages by the first word of the address: the page itself, and that of one of its things.
 * @type {Record<string, Page>}
 */
const PAGES = {
  overview: { needs: "status", show: () => import("./overview.js") },
  domains: { needs: "domain.list", show: () => import("./domains.js"), one: () => import("./domain.js"), apart: true },
  accounts: { needs: "user.list", show: () => import("./accounts.js") },
  aliases: { needs: "alias.list", show: () => import("./aliases.js") },
  queue: { needs: "queue.list", show: () => import("./queue.js"), one: () => import("./message.js"), apart: true },
  trace: { needs: "trace.find", show: () => import("./trace.js") },
  quarantine: { needs: "quarantine.list", show: () => import("./quarantine.js") },
  figures: { needs: "history.show", show: () => import("./figures.js"), apart: true },
  reports: { needs: "reports.dmarc", show: () => import("./reports.js") },
  guard: { needs: "ban.list", show: () => import("./guard.js"), apart: true },
  explain: { needs: "explain", show: () => import("./explain.js") },
  log: { needs: "", show: () => import("./log.js") },
  tokens: { needs: "token.list", show: () => import("./tokens.js"), apart: true },
  webhooks: { needs: "webhook.list", show: () => import("./webhooks.js") },
};

let left = new AbortController();

await load("admin");
drawIcons(document);
whenEnded(() => location.reload());
const who = (await whoIsIt()) ?? (await signIn());
byId("other-account").onclick = byId("sign-out").onclick = () => void signOut().then(() => location.reload()).catch(wrong);
is(who);
const pages = Object.fromEntries(Object.entries(PAGES).filter(([, page]) => may(page.needs)));
if (who.is_admin || who.domains.length) begin();
else {
  byId("stranger-said").textContent = say("noAdmin", { account: who.account });
  byId("stranger").hidden = false;
}

function begin() {
  byId("who").textContent = who.account;
  const list = /** @type {HTMLElement} */ (byId("menu").firstElementChild);
  for (const [name, page] of Object.entries(pages))
    list.append(element("li", { class: page.apart && list.childElementCount ? "apart" : "" }, element("a", { href: `#/${name}` }, say(name))));
  byId("show-menu").onclick = () => open(!document.body.classList.contains("menu-open"));
  byId("skip").onclick = (event) => {
    event.preventDefault();
    byId("view").focus();
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("menu-open")) {
      open(false);
      byId("show-menu").focus();
    }
  });
  byId("view").addEventListener("click", () => open(false));
  byId("admin").hidden = false;
  addEventListener("hashchange", () => void shown(true));
  void shown(false);
}

/** @param {boolean} whether the menu is open, where there is no room for it beside the page */
function open(whether) {
  document.body.classList.toggle("menu-open", whether);
  byId("show-menu").setAttribute("aria-expanded", String(whether));
}

/** @param {boolean} moved from another page: the reader is taken to the heading */
async function shown(moved) {
  left.abort();
  const here = (left = new AbortController());
  const [, first = "", ...more] = location.hash.split("/");
  const name = Object.hasOwn(pages, first) ? first : (Object.keys(pages)[0] ?? "");
  const what = decoded(more.join("/"));
  open(false);
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  for (const link of byId("menu").querySelectorAll("a")) {
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const holder = element("div");
  byId("view").replaceChildren(holder);
  scrollTo(0, 0);
  try {
    const page = /** @type {Page} */ (pages[name]);
    await (await (what && page.one ? page.one : page.show)()).show(holder, here.signal, what);
  } catch (error) {
    if (!here.signal.aborted) holder.append(notice("bad", error instanceof Error ? error.message : String(error)));
  }
  if (here.signal.aborted) return;
  holder.dataset.drawn = location.hash;
  const heading = holder.querySelector("h1");
  document.title = `${what || say(name)} · ${say("title")}`;
  if (moved && heading && document.activeElement === document.body) heading.focus();
}

/** @param {string} text of an address, which anybody can write */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
