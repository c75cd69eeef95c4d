"""All faults of one server: of its doors, its certificate, its disk, its database and its mailboxes."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached, Permanent, Temporary
from mailhub.net.tls import self_signed

from .faults import DoorFaults

if TYPE_CHECKING:
    from .taps import TappedHub

_ELEVEN_YEARS = 11 * 366 * 86_400.0
_DIRECTORY = ("account", "alias", "domain")  # look-ups of store.api.DirectoryStore
_MOMENTS, _ACTS = ("on", "after", "during", "connect"), ("reply", "cut", "stall", "bye", "hide")
SERVICES = ("smtp", "submission", "lmtp", "imap", "pop3", "managesieve", "auth")


class HubFaults:
    """`hub.faults`. `clear()` mends all of it but what was done to mailboxes."""

    def __init__(self, clock: Clock) -> None:
        self.doors = {service: DoorFaults(clock) for service in SERVICES}
        self.smtp, self.submission, self.lmtp = (self.doors[name] for name in ("smtp", "submission", "lmtp"))
        self.imap, self.pop3, self.managesieve = (self.doors[name] for name in ("imap", "pop3", "managesieve"))
        self.tls = TlsFaults()
        self.disk = DiskFaults()
        self.database = DatabaseFaults()
        self.mailbox = MailboxFaults()

    def attach(self, hub: "TappedHub", folder: Path) -> None:
        """To be called when the hub runs."""
        self.tls.hub, self.tls.folder = hub, folder
        self.disk.hub = self.database.hub = self.mailbox.hub = hub

    def script(self, fault: dict[str, Any]) -> None:
        """One rule from plain words, as the HTTP interface has them. Permanent where they make no sense."""
        door, act = self.doors.get(fault["protocol"]), fault["act"]
        if door is None or fault["where"] not in _MOMENTS or act not in _ACTS:
            known = f"protocol one of {', '.join(SERVICES)}; where one of {', '.join(_MOMENTS)}; act one of {', '.join(_ACTS)}"
            raise Permanent(f"no such fault: {known}")
        if act == "hide":
            return door.hide(fault["verb"])
        moment, verb = fault["where"], fault["verb"]
        if moment == "connect":
            rule = door.connect()
        elif moment == "during":
            rule = door.during(verb, fault["octets"])
        else:
            rule = (door.on if moment == "on" else door.after)(verb, fault["nth"])
        if act == "reply":
            rule.reply(fault["code"] or fault["text"], text=fault["text"])
        elif act == "bye":
            rule.bye(fault["text"] or "Server shutting down")
        else:
            getattr(rule, act)()
        rule.times(fault["times"])
        return None

    def clear(self) -> None:
        """No faults any more."""
        for door in self.doors.values():
            door.clear()
        self.tls.heal()
        self.disk.heal()
        self.database.heal()


class TlsFaults:
    """For handshakes that begin later."""

    hub: "TappedHub"
    folder: Path

    def expired(self) -> None:
        """The certificate ended a year ago."""
        self._use(self.hub.clock.now() - _ELEVEN_YEARS)

    def untrusted(self) -> None:
        """A certificate that nobody vouches for."""
        self._use(self.hub.clock.now())

    def _use(self, since: float) -> None:
        certificate, key = self_signed(self.hub.config.hostname, since)
        path = self.folder / "fault.pem"
        path.write_bytes(certificate + key)
        self.hub.tls.reload(msgspec.structs.replace(self.hub.config.tls, certificate=str(path), key=""))

    def heal(self) -> None:
        """The server's own one again."""
        self.hub.tls.reload(self.hub.config.tls)


class DiskFaults:
    """Of the disk that queue and mailboxes lie on."""

    hub: "TappedHub"

    def full(self) -> None:
        """Free space is below the floor: MAIL and APPEND are refused, reading goes on."""

        def check_space() -> None:
            raise LimitReached("the disk is full: a fault of the test")

        vars(self.hub.store.queue)["check_space"] = check_space

    def slow(self, seconds: float) -> None:
        """Each commit takes so much real time longer."""
        writer: Any = self.hub.store._writer  # type: ignore[attr-defined]
        commit, pause = type(writer)._commit, threading.Event()

        def late(jobs: Any) -> Any:
            pause.wait(seconds)
            return commit(writer, jobs)

        vars(writer)["_commit"] = late

    def heal(self) -> None:
        """All is well again."""
        vars(self.hub.store.queue).pop("check_space", None)
        vars(self.hub.store._writer).pop("_commit", None)  # type: ignore[attr-defined]


class DatabaseFaults:
    """Of the directory of accounts and aliases."""

    hub: "TappedHub"

    def gone(self) -> None:
        """Nobody can be looked up: unknown names are answered "try again later"."""

        def ask(name: str) -> Any:
            raise Temporary("the database is gone: a fault of the test")

        for name in _DIRECTORY:
            vars(self.hub.store.directory)[name] = ask

    def heal(self) -> None:
        """It is back."""
        for name in _DIRECTORY:
            vars(self.hub.store.directory).pop(name, None)


class MailboxFaults:
    """What may happen to somebody's mailbox. To be awaited."""

    hub: "TappedHub"

    async def renumber(self, address: str, folder: str = "INBOX") -> None:
        """UIDVALIDITY is another: clients have to forget the UIDs they know."""
        found = await self.hub.mailboxes.account(address).find(folder)
        await self.hub.store._writer.do(_Renumber(found.id))  # type: ignore[attr-defined]

    async def vanish(self, address: str, folder: str) -> None:
        """The folder is gone, with its mail."""
        await self.hub.mailboxes.account(address).delete(folder)

    async def full(self, address: str) -> None:
        """Over quota: it may hold one octet."""
        await self.hub.store.mailboxes.set_limits(address, 1, None)


@dataclass(frozen=True)
class _Renumber:
    """A unit of the store's writer."""

    folder: int

    def apply(self, db: Any, told: object) -> None:
        db.execute("update folder set uidvalidity = uidvalidity + 1 where id = ?", (self.folder,))
