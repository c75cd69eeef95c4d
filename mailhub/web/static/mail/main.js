// Where the page begins.
import { whenEnded } from "../common/api.js";
import { byId } from "../common/dom.js";
import { signIn, signOut, whoIsIt } from "./signin.js";
import { load } from "../common/words.js";

await load("mail");
whenEnded(() => location.reload());
const who = (await whoIsIt()) ?? (await signIn());
byId("who").textContent = who.account;
byId("mail").hidden = false;
byId("sign-out").onclick = async () => {
  await signOut();
  location.reload();
};
