"""Thunderbird without a screen, led through Marionette (the protocol by which browsers are led): it does with its own code what its
owner would click, and says what it has. Skipped where it is not installed.

`async with thunderbird(home, port, account, password) as bird:` one IMAP account on 127.0.0.1, in the clear.
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from .programs import program
from .server import free_port

_PREFERENCES = {
    "mail.accountmanager.accounts": "account1,account2",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.accountmanager.localfoldersserver": "server2",
    "mail.account.account1.identities": "id1",
    "mail.account.account1.server": "server1",
    "mail.account.account2.server": "server2",
    "mail.identity.id1.valid": True,
    "mail.server.server1.type": "imap",
    "mail.server.server1.hostname": "127.0.0.1",
    "mail.server.server1.socketType": 0,
    "mail.server.server1.authMethod": 3,
    "mail.server.server1.login_at_startup": False,
    "mail.server.server1.check_new_mail": False,
    "mail.server.server2.type": "none",
    "mail.server.server2.userName": "nobody",
    "mail.server.server2.hostname": "Local Folders",
    "mail.emptyTrash.dontAskAgain": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mailnews.start_page.enabled": False,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
}
_AROUND = """
const done = arguments[arguments.length - 1];
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.getAccount("account1").incomingServer;
const named = f => decodeURIComponent(f.URI.split("/").slice(3).join("."));
const folders = () => server.rootFolder.descendants;
const folder = name => folders().find(f => named(f) == name);
const at = (name, ...places) => places.map(n => [...folder(name).messages].sort((a, b) => a.messageKey - b.messageKey)[n]);
const pause = () => new Promise(r => Services.wm.getMostRecentWindow("mail:3pane").setTimeout(r, 50));
const until = async so => { while (!so()) await pause(); };
const copied = act => new Promise((ok, no) => act({
  onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
  onStopCopy(s) { s ? no(s) : ok(s); }, QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]) }));
const text = h => new Promise((ok, no) => {
  let found = ""; const uri = h.folder.getUriForMsg(h);
  MailServices.messageServiceFromURI(uri).streamMessage(uri, {
    onStartRequest() {}, onStopRequest(r, s) { s ? no(s) : ok(btoa(found)); },
    onDataAvailable(r, stream, offset, count) {
      const b = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
      b.setInputStream(stream); found += b.readBytes(count);
    }, QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]) }, null, null, false, "", false); });
(async () => { %s })().then(value => done({value}), e => done({error: `${e} ${e.stack}`}));
"""


class Thunderbird:
    """`do(script)` runs JavaScript in the program, with the words of `_AROUND`; what it returns."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._number = reader, writer, 0

    async def begin(self) -> None:
        await self._heard()
        await self._ask("WebDriver:NewSession", capabilities={})
        await self._ask("Marionette:SetContext", value="chrome")

    async def do(self, script: str, *arguments: object) -> Any:
        answer = await self._ask(
            "WebDriver:ExecuteAsyncScript", script=_AROUND % script, args=arguments, newSandbox=True, sandbox="system",
            scriptTimeout=60_000,
        )  # fmt: skip
        found = answer["value"]
        assert "error" not in found, found["error"]
        return found.get("value")

    async def log_in(self, account: str, password: str) -> None:
        await self.do(
            """
            const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
            login.init("imap://127.0.0.1", null, "imap://127.0.0.1", arguments[0], arguments[1], "", "");
            await Services.logins.addLoginAsync(login); server.password = arguments[1]; server.performExpand(null);
            await until(() => folder("INBOX") && folder("Trash"));""".replace(
                "arguments[0]", json.dumps(account)
            ).replace("arguments[1]", json.dumps(password))
        )

    async def look(self) -> None:
        """At all folders anew."""
        await self.do("server.performExpand(null); for (const f of folders()) f.updateFolder(null); await pause();")

    async def messages(self) -> dict[str, list[tuple[bytes, int]]]:
        """By folder: text, and Thunderbird's own flags (1 read, 2 replied, 4 marked, 0x200000 deleted)."""
        found = await self.do(
            "const out = {}; for (const f of folders()) { const all = out[named(f)] = [];"
            "for (const h of f.messages) all.push([await text(h), h.flags]); } return out;"
        )
        return {name: [(base64.b64decode(text), flags) for text, flags in all_] for name, all_ in found.items()}

    async def _ask(self, command: str, **arguments: object) -> Any:
        self._number += 1
        data = json.dumps([0, self._number, command, arguments]).encode()
        self._writer.write(b"%d:%b" % (len(data), data))
        await self._writer.drain()
        _, _, error, result = await self._heard()
        assert error is None, error
        return result

    async def _heard(self) -> Any:
        size = (await self._reader.readuntil(b":"))[:-1]
        return json.loads(await self._reader.readexactly(int(size)))


@contextlib.asynccontextmanager
async def thunderbird(home: Path, port: int, account: str, password: str) -> AsyncIterator[Thunderbird]:
    """Signed in, with the list of folders."""
    command = program("thunderbird")
    profile, leading = home / "profile", free_port()
    profile.mkdir()
    own = {
        "mail.server.server1.port": port,
        "mail.server.server1.userName": account,
        "mail.identity.id1.useremail": account,
    }
    chosen = {**_PREFERENCES, **own, "marionette.port": leading}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in chosen.items()]
    (profile / "prefs.js").write_text("".join(lines))
    log = (home / "thunderbird.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        command, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", str(profile),
        env={**os.environ, "HOME": str(home)}, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    log.close()
    try:
        bird = Thunderbird(*await _connected(process, leading))
        await bird.begin()
        await bird.log_in(account, password)
        yield bird
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _connected(
    process: asyncio.subprocess.Process, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        assert process.returncode is None, "Thunderbird has ended"
        with contextlib.suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", port, limit=1 << 28)
        await asyncio.sleep(0.05)
