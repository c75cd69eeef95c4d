// A test in plain Node (20 or newer): `mailhub dev`, then `node --test examples/node`.
import assert from "node:assert/strict";
import net from "node:net";
import test, { beforeEach } from "node:test";

const HOST = process.env.SMTP_HOST ?? "127.0.0.1";
const PORT = Number(process.env.SMTP_PORT ?? 1025);
const API = process.env.MAILHUB_API ?? "http://127.0.0.1:8025/api/mailhub/v1/capture";

/** What the application does: any SMTP library will do. */
function send(from, to, text) {
  return new Promise((resolve, reject) => {
    const lines = [`EHLO app`, `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA", `${text}\r\n.`, "QUIT"];
    const socket = net.connect(PORT, HOST);
    socket.setEncoding("utf8");
    socket.on("error", reject);
    socket.on("data", (reply) => {
      const last = reply.trimEnd().split("\r\n").at(-1);
      if (/^[45]/.test(last)) return socket.destroy(new Error(last));
      if (/^\d{3}-/.test(last)) return;
      const line = lines.shift();
      if (line === undefined) return socket.end(resolve);
      socket.write(`${line}\r\n`);
    });
  });
}

beforeEach(() => fetch(`${API}/messages`, { method: "DELETE" }));

test("a sign-up sends a code", async () => {
  const waiting = fetch(`${API}/wait?to=bob@example.test&timeout=20`);
  await send("app@example.test", "bob@example.test", "Subject: your code\r\n\r\n123456");
  const message = await (await waiting).json();
  assert.equal(message.letter.subject, "your code");
  assert.deepEqual(message.codes, ["123456"]);
});

test("a busy mail server is told to the application", async () => {
  const fault = { protocol: "smtp", where: "after", verb: "DATA", act: "reply", code: 451 };
  await fetch(`${API}/faults`, { method: "POST", body: JSON.stringify(fault) });
  await assert.rejects(send("app@example.test", "bob@example.test", "Subject: x\r\n\r\n"), /451/);
  assert.equal((await (await fetch(`${API}/messages`)).json()).total, 0);
});
