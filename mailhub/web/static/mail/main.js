// Where the page begins.
import { whenEnded } from "./api.js";
import { byId } from "./dom.js";
import { signIn, signOut, whoIsIt } from "./signin.js";
import { load } from "./words.js";

await load();
whenEnded(() => location.reload());
const who = (await whoIsIt()) ?? (await signIn());
byId("who").textContent = who.account;
byId("mail").hidden = false;
byId("sign-out").onclick = async () => {
  await signOut();
  location.reload();
};
