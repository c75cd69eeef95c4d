// The accounts: a list, and the form for a new one.
import { element } from "../common/dom.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { passwordForm, show as one } from "./account.js";
import { act, badge, button, filled, filterField, heading, ifDone, link, list, place } from "./parts.js";

const PAGE = 100;

/** @type {import("./main.js").Show} `what`: nothing, an account, or "@domain", which filters */
export async function show(holder, left, what) {
  if (what && !what.startsWith("@")) return one(holder, left, what);
  let containing = what;
  const body = element("div");
  const columns = [
    { name: say("account"), cell: (/** @type {any} */ row) => link(place("accounts", row.address), row.address) },
    { name: say("state"), kind: "tight", cell: (/** @type {any} */ row) => badge(row.enabled ? "good" : "warn", say(row.enabled ? "enabled" : "disabled")) },
    {
      name: say("actions"), kind: "tight acts", cell: (/** @type {any} */ row) => element("div", { class: "buttons" },
        button(say("password"), () => passwordForm(row.address)),
        button(say(row.enabled ? "disable" : "enable"), () => act("user.enable", { address: row.address, enabled: !row.enabled }).then(draw)),
      ),
    },
  ];
  const draw = async () => {
    const wanted = containing;
    const found = await list(say("accounts"), columns, PAGE, (after) => act("user.list", { after: after?.address ?? "", limit: PAGE, containing: wanted }));
    if (wanted === containing) body.replaceChildren(found);
  };
  const filter = filterField(say("filter"), containing, (typed) => {
    containing = typed;
    return draw();
  });
  const add = () => newAccount(containing.startsWith("@") ? containing.slice(1) : "").then(ifDone(draw));
  holder.append(heading(say("accounts"), button(say("newAccount"), add, "main")), element("div", { class: "filter" }, filter), body);
  await draw();
}

/**
 * @param {string} domain that is chosen at first
 * @returns {Promise<boolean>}
 */
async function newAccount(domain) {
  const domains = /** @type {any[]} */ (await act("domain.list")).map((row) => row.name);
  if (!domains.length) throw new Error(say("domainFirst"));
  return filled(
    say("newAccount"),
    [
      { name: "local", label: say("localPart"), required: true, placeholder: "ann" },
      { name: "domain", label: say("domain"), value: domain || domains[0], choices: domains.map((name) => [name, `@${name}`]) },
      { name: "password", label: say("password"), type: "password", required: true },
    ],
    async ({ local, domain: at, password }) => {
      const address = local.includes("@") ? local : `${local}@${at}`;
      await act("user.add", { address, password });
      tell(say("accountMade", { name: address }));
    },
  );
}
