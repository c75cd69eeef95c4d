// What an account, or the accounts of a domain, may hold.
import { size } from "../common/format.js";
import { tell } from "../common/toast.js";
import { say } from "../common/words.js";
import { act, filled, number } from "./parts.js";

const MEGABYTE = 1_000_000;

/** @typedef {{address: string, storage: number, messages: number, storage_limit: number, message_limit: number}} Quota */

/** @param {Quota} quota of a domain: its limits alone */
export function quotaText(quota) {
  const storage = quota.storage_limit ? size(quota.storage_limit) : say("unlimited");
  const messages = quota.message_limit ? say("messagesCount", { count: number(quota.message_limit) }) : "";
  return [storage, messages].filter(Boolean).join(", ");
}

/** @param {Quota} quota of an account: what it holds, too */
export function usedText(quota) {
  const of = quota.storage_limit ? say("of", { limit: size(quota.storage_limit), percent: number((quota.storage / quota.storage_limit) * 100) }) : say("withoutLimit");
  return `${size(quota.storage)} ${of}; ${say("messagesCount", { count: number(quota.messages) })}`;
}

/**
 * @param {Quota} quota as it is now
 * @returns {Promise<boolean>}
 */
export function quotaForm(quota) {
  const hint = say("quotaHint");
  return filled(
    say("quota"),
    [
      { name: "storage", label: say("storageLimit"), type: "number", value: quota.storage_limit ? String(quota.storage_limit / MEGABYTE) : "", hint },
      { name: "messages", label: say("messageLimit"), type: "number", value: quota.message_limit ? String(quota.message_limit) : "" },
    ],
    async ({ storage, messages }) => {
      const octets = storage === "" ? null : Math.round(Number(storage) * MEGABYTE);
      await act("quota.set", { address: quota.address, storage: octets, messages: messages === "" ? null : Math.round(Number(messages)) });
      tell(say("saved"));
    },
  );
}
