"""Mail programs that never give up: each writes into the ledger what it was promised. None repeats what it got no answer to."""

import asyncio
import base64
import random
import re
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from .clients import SUBJECT, Imap, Lost, Pop3, Refused, Seen, Silent, Wire, uids
from .ledger import Key, Ledger

PASSWORD = "soak password"
DOMAIN = "example.test"
MOVED, KEPT, POPPED = (tuple(f"{name}{n}@{DOMAIN}" for n in range(3)) for name in ("moved", "kept", "popped"))
APPENDED, SENDER, WEB = (f"{name}@{DOMAIN}" for name in ("appended", "sender", "web"))
ACCOUNTS = (*MOVED, *KEPT, *POPPED, APPENDED, SENDER, WEB)
FAR = "x@far.test"
FOLDERS = ("INBOX", "Archive")
_SIZES = (200, 2_000, 2_000, 20_000, 150_000)
_DIGITS = re.compile(r"\d{4,}|(?<=^s)\d+")
_LATER = ("[UNAVAILABLE]", "[SYS/TEMP]", "[IN-USE]", "[INUSE]", "[SERVERBUG]", "[LIMIT]", "BYE", "[OVERQUOTA]")


def letter(number: int, size: int, sender: str = "a@other.test") -> bytes:
    """It says in its subject which one it is, and the sum of its body."""
    body = (b"%07d " % number + b"x" * 62 + b"\r\n") * (size // 72 + 1)
    return (
        b"From: %b\r\nTo: you\r\nDate: Fri, 27 Nov 2026 06:00:00 +0000\r\nMessage-ID: <%d@soak.test>\r\n"
        b"Subject: soak %d %08x\r\n\r\n%b" % (sender.encode(), number, number, zlib.crc32(body), body)
    )


def whole(seen: Seen) -> bool:
    """Whether the text of a message is as it was sent."""
    body = seen.text.partition(b"\r\n\r\n")[2]
    return seen.sum == "web" or f"{zlib.crc32(body):08x}" == seen.sum


@dataclass
class Traffic:
    """`ports` by protocol. `done` set: each ends at its next pause."""

    ports: dict[str, int]
    ledger: Ledger
    chance: random.Random
    done: asyncio.Event

    def tasks(self) -> list["asyncio.Task[None]"]:
        kinds: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            *(("smtp", self._strangers) for _ in range(4)),
            *(("submission", self._submission) for _ in range(2)),
            *(("imap mover", lambda account=account: self._mover(account)) for account in MOVED),  # type: ignore[misc]
            *(("imap keeper", lambda account=account: self._keeper(account)) for account in KEPT),  # type: ignore[misc]
            *(("imap watcher", lambda account=account: self._watcher(account)) for account in (*MOVED, *KEPT) * 2),  # type: ignore[misc]
            *(("pop3", lambda account=account: self._popper(account)) for account in POPPED),  # type: ignore[misc]
            ("imap append", self._appender),
            ("http", self._browser),
            *(("rude", self._rude) for _ in range(2)),
        ]
        return [asyncio.create_task(self._forever(name, session), name=name) for name, session in kinds]

    async def _forever(self, name: str, session: Callable[[], Awaitable[None]]) -> None:
        while not self.done.is_set():
            try:
                await session()
            except Lost:
                self.ledger.counts["connections lost"] += 1
            except Silent:
                self.ledger.blame(f"{name}: no answer for a minute and more")
            except Refused as refused:
                self.ledger.counts["refused for now"] += 1
                self.ledger.refusals[f"{name}: {_DIGITS.sub('N', refused.text)[:100]}"] += 1
                if not self._temporary(refused.text):
                    self.ledger.blame(f"{name}: a good client was told {refused.text}")
            await asyncio.sleep(self.chance.uniform(0.05, 0.4))

    @staticmethod
    def _temporary(text: str) -> bool:
        return text.startswith("4") or any(word in text for word in _LATER)

    async def _pause(self, longest: float) -> None:
        await asyncio.sleep(self.chance.uniform(0, longest))

    # --- mail comes in ---------------------------------------------------------------------------------------------------

    async def _smtp(self, port: int, login: str = "") -> Wire:
        wire = await Wire.open(port)
        try:
            await self._reply(wire, "220")
            wire.send(b"EHLO soak.test\r\n")
            await self._reply(wire, "250")
            if login:
                wire.send(b"AUTH PLAIN %b\r\n" % base64.b64encode(f"\0{login}\0{PASSWORD}".encode()))
                await self._reply(wire, "235")
        except BaseException:
            wire.close()
            raise
        return wire

    async def _reply(self, wire: Wire, code: str) -> None:
        while (line := await wire.line())[3:4] == b"-":
            pass
        if not line.startswith(code.encode()):
            raise Refused(line)

    async def _send(self, wire: Wire, sender: str, *recipients: str) -> None:
        """A message that is taken for all of them, or of which nobody knows."""
        number = self.ledger.number()
        wire.send(f"MAIL FROM:<{sender}>\r\n".encode())
        await self._reply(wire, "250")
        for recipient in recipients:
            wire.send(f"RCPT TO:<{recipient}>\r\n".encode())
            await self._reply(wire, "250")
        wire.send(b"DATA\r\n")
        await self._reply(wire, "354")
        for recipient in recipients:
            self.ledger.sent((number, recipient))
        text = letter(number, self.chance.choice(_SIZES), sender)
        if self.chance.random() < 0.02:
            wire.send(text[: len(text) // 2])
            raise Lost
        wire.send(text + b".\r\n")
        await self._reply(wire, "250")
        for recipient in recipients:
            self.ledger.answered((number, recipient))

    async def _strangers(self) -> None:
        wire = await self._smtp(self.ports["smtp"])
        try:
            for _ in range(self.chance.randrange(1, 40)):
                if self.done.is_set():
                    break
                recipients = self.chance.sample((*MOVED, *KEPT, *POPPED), 3 if self.chance.random() < 0.1 else 1)
                await self._send(wire, "a@other.test", *recipients)
                await self._pause(0.4)
            wire.send(b"QUIT\r\n")
            await self._reply(wire, "221")
        finally:
            wire.close()

    async def _submission(self) -> None:
        wire = await self._smtp(self.ports["submission"], SENDER)
        try:
            for _ in range(self.chance.randrange(1, 20)):
                if self.done.is_set():
                    break
                await self._send(wire, SENDER, self.chance.choice((FAR, FAR, *KEPT)))
                await self._pause(0.8)
        finally:
            wire.close()

    async def _rude(self) -> None:
        """Says what no program says, or nothing, and goes."""
        wire = await Wire.open(self.ports[self.chance.choice(("smtp", "imap", "pop3", "http"))])
        wire.send(self.chance.randbytes(self.chance.randrange(1, 300)) + b"\r\n")
        await self._pause(2.0)
        wire.close()
        await self._pause(1.0)

    # --- mail is read ----------------------------------------------------------------------------------------------------

    async def _imap(self, account: str, folder: str = "INBOX") -> Imap:
        client = await Imap.open(self.ports["imap"])
        try:
            await client.sign_in(account, PASSWORD)
            await client.select(folder)
        except BaseException:
            client.close()
            raise
        return client

    def _note(self, account: str, folder: str, client: Imap, found: list[Seen]) -> None:
        self.ledger.selected((account, folder), client.validity, client.uid_next)
        for one in found:
            self.ledger.seen((account, folder), one.uid, one.number, one.flags)

    async def _mover(self, account: str) -> None:
        """Marks messages, files some into Archive, waits for more, and empties Archive."""
        client = await self._imap(account)
        try:
            for _ in range(self.chance.randrange(1, 6)):
                if self.done.is_set():
                    break
                await client.select("INBOX")
                found = await client.fetch()
                self._note(account, "INBOX", client, found)
                await self._mark(client, (account, "INBOX"), self._some(found))
                if found:
                    await client.ask(b"UID MOVE %b Archive" % uids(one.uid for one in self._some(found)))
                    self.ledger.counts["moves"] += 1
                await client.idle(self.chance.uniform(0.2, 3.0))
                await client.select("Archive")
                found = await client.fetch()
                self._note(account, "Archive", client, found)
                await self._expunge(client, account, self._some(found))
        finally:
            client.close()

    def _some(self, found: list[Seen]) -> list[Seen]:
        return self.chance.sample(found, max(1, len(found) // 2)) if found else []

    async def _mark(self, client: Imap, place: tuple[str, str], found: list[Seen]) -> None:
        if not found:
            return
        flags = set(self.chance.sample([b"\\Seen", b"\\Flagged", b"$Label1", b"soaked"], 2))
        for one in found:
            self.ledger.flagged(place, one.uid, None)
        await client.ask(b"UID STORE %b +FLAGS (%b)" % (uids(one.uid for one in found), b" ".join(flags)))
        for one in found:
            self.ledger.flagged(place, one.uid, flags)
        self.ledger.counts["flags set"] += len(found)

    async def _expunge(self, client: Imap, account: str, found: list[Seen]) -> None:
        if not found:
            return
        keys: list[Key] = [(one.number, account) for one in found]
        for key in keys:
            self.ledger.deleting(key)
        numbers = uids(one.uid for one in found)
        await client.ask(b"UID STORE %b +FLAGS.SILENT (\\Deleted)" % numbers)
        await client.ask(b"UID EXPUNGE %b" % numbers)
        for key in keys:
            self.ledger.deleted(key)

    async def _keeper(self, account: str) -> None:
        """Reads messages whole, and deletes them once there are many."""
        client = await self._imap(account)
        try:
            found = await client.fetch(b"BODY.PEEK[]")
            self._note(account, "INBOX", client, found)
            for one in found:
                if not whole(one):
                    self.ledger.blame(f"{account}: message {one.number} is not what was sent")
            self.ledger.counts["read whole"] += len(found)
            if len(found) > 40:
                await self._expunge(client, account, self._some(found))
            await client.idle(self.chance.uniform(0.5, 5.0))
        finally:
            client.close()

    async def _watcher(self, account: str) -> None:
        """Waits, for long."""
        client = await self._imap(account)
        try:
            while not self.done.is_set():
                self.ledger.counts["told by IDLE"] += len(await client.idle(self.chance.uniform(2.0, 10.0)))
        finally:
            client.close()

    async def _appender(self) -> None:
        client = await self._imap(APPENDED)
        try:
            for _ in range(self.chance.randrange(1, 20)):
                if self.done.is_set():
                    break
                number = self.ledger.number()
                key, text = (number, APPENDED), letter(number, self.chance.choice(_SIZES))
                self.ledger.sent(key)
                await client.ask(b"APPEND INBOX {%d}" % len(text), text + b"\r\n")
                self.ledger.answered(key)
                await self._pause(1.0)
            await client.select("INBOX")
            found = await client.fetch()
            self._note(APPENDED, "INBOX", client, found)
            if len(found) > 100:
                await self._expunge(client, APPENDED, self._some(found))
        finally:
            client.close()

    async def _popper(self, account: str) -> None:
        """Fetches and deletes, as POP3 clients do."""
        client = await Pop3.open(self.ports["pop3"])
        try:
            await client.sign_in(account, PASSWORD)
            keys: list[Key] = []
            for line in (await client.lines("UIDL"))[:20]:
                text = b"".join(await client.lines(f"RETR {int(line.split()[0])}"))
                if (found := SUBJECT.search(text)) is None:
                    self.ledger.blame(f"{account}: POP3 has what nobody sent")
                    continue
                await client.ask(f"DELE {int(line.split()[0])}")
                keys.append((int(found[1]), account))
                self.ledger.deleting(keys[-1])
            await client.ask("QUIT")
            for key in keys:
                self.ledger.deleted(key)
            self.ledger.counts["read by POP3"] += len(keys)
            await self._pause(2.0)
        finally:
            client.close()

    # --- in the browser --------------------------------------------------------------------------------------------------

    async def _browser(self) -> None:
        """Looks at the list, opens a message, sends one; asks how the server is."""
        root = f"http://127.0.0.1:{self.ports['http']}"
        own, auth = f"{root}/api/mailhub/v1/own", aiohttp.BasicAuth(WEB, PASSWORD)
        timeout = aiohttp.ClientTimeout(total=90)
        try:
            async with aiohttp.ClientSession(auth=auth, timeout=timeout) as http:
                for _ in range(self.chance.randrange(1, 10)):
                    if self.done.is_set():
                        break
                    for path in (f"{root}/health", f"{root}/metrics", f"{own}/folders/Sent/messages?limit=20"):
                        async with http.get(path) as answer:
                            await self._well(answer, path)
                    key = (self.ledger.number(), KEPT[0])
                    self.ledger.sent(key)
                    letter = {"to": [KEPT[0]], "subject": f"soak {key[0]} web", "text": "Hello from the browser."}
                    async with http.post(f"{own}/sent", json=letter) as answer:
                        await self._well(answer, "sent")
                    self.ledger.answered(key)
                    await self._pause(1.5)
        except (aiohttp.ClientError, OSError) as error:
            raise Lost from error
        except TimeoutError:
            raise Silent from None

    async def _well(self, answer: aiohttp.ClientResponse, what: str) -> None:
        text = await answer.text()
        self.ledger.counts["asked by HTTP"] += 1
        if answer.status in (429, 503):
            raise Refused(b"4")
        if not answer.ok:
            raise Refused(f"{what}: {answer.status} {text[:300]}".encode())
