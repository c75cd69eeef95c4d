"""Sieve at local delivery: gather what scripts may know, run them, and make their verdict something to be settled.

Before come the operator's scripts, then the account's active one, then the operator's again. The scripts run in the heavy lane;
what they remember and send is born in the unit that settles the delivery, so that a crash neither loses nor doubles it.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from mailhub.config import schema
from mailhub.delivery.routes import Local
from mailhub.delivery.transport import Job, JobRecipient
from mailhub.mailbox.service import Mailboxes
from mailhub.message import headers, stamps
from mailhub.message.window import Window
from mailhub.model import ids, steps
from mailhub.model.address import domain_of, key
from mailhub.model.clock import Clock
from mailhub.model.envelope import MailParameters, Notify, Origin
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Birth, Body, Content, NewContent, NewItem, NewRecipient, QueueStore, SieveMark, SieveStore
from mailhub.wire.sieve import Limits as ParseLimits
from mailhub.wire.sieve import Script, ScriptError, check, parse

from . import letters
from .actions import Action, FileInto, Redirect, Reject, Vacation, Verdict, remembered
from .actions import Notify as NotifyAction
from .decision import INBOX, Decision, Edited, Place, may_be_forged, sent_on_by
from .environment import Environment, Limits
from .files import OperatorScripts
from .mail import Mail
from .running import run

log = logging.getLogger("mailhub.delivery")

_COMPILED = 256  # scripts of accounts kept ready to run
_METADATA = frozenset({"mboxmetadata", "servermetadata"})
_NEED_FOLDERS = frozenset({"mailbox", "special-use"}) | _METADATA
_ANNOTATED = 200  # folders whose annotations are read for a script that asks for any
_ERROR_SECONDS = 86_400.0  # an owner is told once of an error in this time
_SYSTEM = {"\\seen": 1, "\\answered": 2, "\\flagged": 4, "\\deleted": 8, "\\draft": 16}


class Filter:
    """Asked for each recipient of local delivery."""

    def __init__(
        self,
        store: SieveStore,
        queue: QueueStore,
        mailboxes: Mailboxes,
        config: schema.Sieve,
        operator: OperatorScripts,
        hostname: str,
        delimiter: str,
        clock: Clock,
    ) -> None:
        self._store, self._queue, self._mailboxes, self._clock = store, queue, mailboxes, clock
        self._hostname = hostname
        self._compiled: OrderedDict[bytes, Script] = OrderedDict()
        self.configure(config, operator, delimiter)

    def configure(self, config: schema.Sieve, operator: OperatorScripts, delimiter: str) -> None:
        """Take over a new configuration."""
        self._config, self._operator, self._delimiter = config, operator, delimiter

    @property
    def operator(self) -> OperatorScripts:
        """The operator's scripts in force."""
        return self._operator

    async def decide(self, job: Job, recipient: JobRecipient, place: Local) -> Decision:
        """Where the message goes. Whatever is wrong with a script, it goes to INBOX; MailError where the store does not answer."""
        text = await self._store.active(place.account) if self._config.enabled else None
        operator = self._operator
        if not self._config.enabled or not (text or operator.before or operator.after):
            return INBOX
        if sent_on_by(recipient.address) in recipient.path:  # the script sent it on, and it came back
            return INBOX
        try:
            own = [] if text is None else [await self._compiled_script(text)]
        except ScriptError as error:
            return await self._broken(job, recipient, place, f"the script does not compile: {error.problems[0]}")
        scripts = [*operator.before, *own, *operator.after]
        environment = await self._environment(job, recipient, place, scripts)
        try:
            verdict, mail = await self._run(scripts, job.content, environment)
        except MailError:
            raise
        except Exception:
            log.exception("Sieve for %r broke", place.account)
            return await self._broken(job, recipient, place, "internal trouble, see the server's log")
        if verdict.error is not None:
            log.warning("Sieve for %r: %s", place.account, verdict.error)
            return await self._broken(job, recipient, place, verdict.error, mail, verdict)
        return await self._decision(job, recipient, place, verdict, mail, environment)

    async def _compiled_script(self, text: bytes) -> Script:
        """ScriptError."""
        script = self._compiled.get(text)
        if script is None:
            limits = ParseLimits(size=self._config.script_limit)
            script = await self._mailboxes.lane.call(lambda: check(parse(text, limits)))
            self._compiled[text] = script
            if len(self._compiled) > _COMPILED:
                self._compiled.popitem(last=False)
        return script

    async def _run(self, scripts: Sequence[Script], content: Content, environment: Environment) -> tuple[Verdict, Mail]:
        def work(window: Window) -> tuple[Verdict, Mail]:
            mail = Mail(window, environment.limits.text)
            return run(scripts, mail, environment), mail

        return await self._mailboxes.lane.over(work, content.size, content.read)

    # --- what scripts may know ---------------------------------------------------------------------------------------------

    async def _environment(
        self, job: Job, recipient: JobRecipient, place: Local, scripts: Sequence[Script]
    ) -> Environment:
        wanted = frozenset().union(*(script.extensions for script in scripts))
        now, config = self._clock.now(), self._config
        folders: Mapping[str, str] = {}
        metadata: dict[tuple[str, str], str] = {}
        if wanted & _NEED_FOLDERS:
            mail = self._mailboxes.account(place.account)
            found = await mail.folders()
            folders = {folder.name: folder.special_use for folder in found}
            for one in (None, *found[:_ANNOTATED]) if wanted & _METADATA else ():
                name = "" if one is None else one.name
                for entry, value in await mail.annotations.get(one):
                    metadata[name, entry.lower()] = value.decode("utf-8", "replace")
        return Environment(
            sender=job.sender,
            recipient=recipient.address,
            original=steps.plain(recipient.path[0]) if recipient.path else recipient.address,
            login=job.origin.login,
            now=now,
            delimiter=self._delimiter,
            folders=folders,
            metadata=metadata,
            scripts=await self._library(place.account) if "include" in wanted else {},
            seen=await self._store.seen(place.account, now) if "duplicate" in wanted else frozenset(),
            items={
                "domain": domain_of(recipient.address),
                "host": self._hostname,
                "location": "MDA",
                "name": "mailhub",
                "phase": "during",
                "remote-host": job.origin.name,
                "remote-ip": job.origin.client,
            },
            limits=Limits(
                steps=config.step_limit,
                redirects=config.redirect_limit,
                actions=config.action_limit,
                notices=config.notice_limit,
                variable=config.variable_limit,
                variables=config.variable_count,
                includes=config.include_limit,
                header=config.header_limit,
            ),
        )

    async def _library(self, account: str) -> dict[tuple[str, str], Script]:
        found = {("global", name): script for name, script in self._operator.shared.items()}
        for name, text in await self._store.texts(account):
            try:
                found["personal", name] = await self._compiled_script(text)
            except ScriptError:
                log.info("Sieve for %r: the script %r does not compile and can not be included", account, name)
        return found

    # --- what comes of it --------------------------------------------------------------------------------------------------

    async def _decision(
        self, job: Job, recipient: JobRecipient, place: Local, verdict: Verdict, mail: Mail, environment: Environment
    ) -> Decision:
        own = {key(recipient.address), place.account}
        actions = [
            FileInto(header=one.header) if isinstance(one, Redirect) and key(one.address) in own else one
            for one in verdict.actions
            if not (isinstance(one, Redirect) and key(one.address) in recipient.path and key(one.address) not in own)
        ]  # what it came through is not gone through again
        marks = tuple(SieveMark(place.account, mark.key, environment.now + mark.seconds) for mark in verdict.marks)
        reject = next((one for one in actions if isinstance(one, Reject)), None)
        if reject is not None:
            return Decision((), marks=marks, refusal=Reply(550, "5.7.1", _reason(reject.reason)))
        edited: dict[bytes, Edited] = {}
        for one in actions:
            header = one.header if isinstance(one, FileInto | Redirect) else None
            if header is not None and header not in edited:
                edited[header] = await self._edited(job.content, header)
        places: dict[str, Place] = {}
        for one in actions:
            if isinstance(one, FileInto):
                where = await self._place(place.account, one, environment, edited)
                places.setdefault(where.folder, where)
        plain = [one.address for one in actions if isinstance(one, Redirect) and one.header is None]
        births = [
            self._forwarded(job, recipient, one.address, edited[one.header])
            for one in actions
            if isinstance(one, Redirect) and one.header is not None
        ]
        for one in actions:
            if isinstance(one, Vacation) and may_be_forged(job.verdict):
                continue
            born = self._letter(one, mail, environment, place)
            births += [] if born is None else [born]
        children = tuple(dict.fromkeys(plain))
        if not (places or children or births or any(_drops(one) for one in actions)):
            return Decision(INBOX.places, (), (), marks)  # all it was sent on to has had it before
        return Decision(tuple(places.values()), children, tuple(births), marks)

    async def _place(
        self, account: str, action: FileInto, environment: Environment, edited: Mapping[bytes, Edited]
    ) -> Place:
        folder = action.folder
        if action.special_use:  # RFC 8579 section 4.1
            wanted = action.special_use.lower()
            folder = next((name for name, use in environment.folders.items() if use.lower() == wanted), folder)
        if action.create and folder != "INBOX" and folder not in environment.folders:
            try:
                await self._mailboxes.account(account).create(folder)
            except MailError as error:  # it is there, or can not be: then it is filed in INBOX
                log.info("Sieve for %r: folder %r is not made: %s", account, folder, error)
        flags, keywords = 0, []
        for flag in action.flags:
            bit = _SYSTEM.get(flag.lower(), 0)
            flags |= bit
            keywords += [] if bit else [flag]
        content = None if action.header is None else edited[action.header]
        return Place(folder, flags, tuple(keywords[:26]), content, action.implicit)

    async def _edited(self, content: Content, header: bytes) -> Edited:
        """The message with that header, as a body of its own."""
        start = await content.read(0, min(content.size, 1 << 20))
        writer = self._queue.body_writer()
        try:
            writer.feed(header)
            at = headers.header_end(start)
            while block := await content.read(at, 65_536):
                writer.feed(block)
                await writer.drain()
                at += len(block)
            body = await writer.finish()
        except BaseException:
            writer.abort()
            raise
        return Edited(self._queue.new_id(), body.size, body, self._queue)

    def _forwarded(self, job: Job, recipient: JobRecipient, target: str, content: Edited) -> Birth:
        """A redirect of a message whose header was changed: a message of its own, that knows where it came through."""
        now, number = self._clock.now(), self._queue.new_id()
        path = (*recipient.path, key(recipient.address), sent_on_by(recipient.address))
        return Birth(
            NewItem(
                id=number,
                content=NewContent(number, b"", content.body),
                sender=job.sender,
                recipients=(NewRecipient(0, target, depth=len(path), path=path),),
                created=now,
                due=now,
                parameters=job.parameters,
                origin=job.origin,
            )
        )

    def _letter(self, action: Action, mail: Mail, environment: Environment, place: Local) -> Birth | None:
        """An answer or a notice; None where there is none, or the action is another."""
        number = self._queue.new_id() if isinstance(action, Vacation | NotifyAction) else 0
        stamp = letters.Stamp(stamps.message_id(ids.text(number), self._hostname), environment.now)
        if isinstance(action, Vacation):
            letter, once = letters.answer(mail, environment, action, stamp), None
            if action.seconds:
                mark = remembered("vacation", action.handle, key(environment.sender))
                once = SieveMark(place.account, mark, environment.now + action.seconds)
        elif isinstance(action, NotifyAction):
            letter, once = letters.notice(mail, environment, action, stamp, place.account), None
        else:
            return None
        if isinstance(letter, str):
            log.info("Sieve for %r: no answer: %s", place.account, letter)
            return None
        return self._born(letter, number, once)

    def _born(self, letter: letters.Letter, number: int, once: SieveMark | None) -> Birth:
        now = self._clock.now()
        eight = not letter.data.isascii()
        return Birth(
            NewItem(
                id=number,
                content=NewContent(number, b"", Body(len(letter.data), letter.data)),
                sender=letter.sender,
                recipients=tuple(
                    NewRecipient(n, address, notify=int(Notify.NEVER)) for n, address in enumerate(letter.recipients)
                ),
                created=now,
                due=now,
                parameters=MailParameters(body="8BITMIME" if eight else "7BIT"),
                origin=Origin(protocol="local"),
            ),
            once,
        )

    async def _broken(
        self,
        job: Job,
        recipient: JobRecipient,
        place: Local,
        error: str,
        mail: Mail | None = None,
        verdict: Verdict | None = None,
    ) -> Decision:
        """INBOX, and a note to the owner, once a day for each error; none about the notes."""
        now = self._clock.now()
        if mail is None:
            mail = Mail(await job.content.read(0, min(job.content.size, 65_536)))
        marks = (
            () if verdict is None else tuple(SieveMark(place.account, m.key, now + m.seconds) for m in verdict.marks)
        )
        if not job.sender and job.origin.protocol == "local":
            return Decision(INBOX.places, marks=marks)
        number = self._queue.new_id()
        stamp = letters.Stamp(stamps.message_id(ids.text(number), self._hostname), now)
        environment = Environment(sender=job.sender, recipient=recipient.address)
        note = letters.trouble(mail, environment, error, stamp, place.account, self._hostname)
        once = SieveMark(place.account, remembered("error", error), now + _ERROR_SECONDS)
        return Decision(INBOX.places, births=(self._born(note, number, once),), marks=marks)


def _drops(action: Action) -> bool:
    """Whether it is no sending on: then nothing has to be kept."""
    return not isinstance(action, Redirect)


def _reason(text: str) -> str:
    """A reply's text: printable lines, a few of them."""
    lines = ["".join(sign if sign.isprintable() else " " for sign in line)[:400] for line in text.splitlines()]
    return "\n".join([line for line in lines if line.strip()][:20]) or "The recipient refuses this message"
