"""One transaction (RFC 5321 section 3.3): MAIL, RCPT, and the message by BDAT where that is offered (RFC 3030), else by DATA.

As long as the peer can not have taken the message, what goes wrong is raised, and another connection or host may be asked.
From then on nothing is raised: an end without an answer is a temporary failure of the transaction.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from mailhub.model.errors import MailError
from mailhub.model.reply import Reply

from . import words
from .body import Message, chunks, stuffed
from .client import Client
from .connection import Asked
from .errors import NONSENSE, Lost, Refused

UNREADABLE = Reply(451, "4.3.0", "The message can not be read now")
_AT_ONCE = 65_536  # octets of a message that is sent before it is known whether anybody is to have it


class Answers(Struct, frozen=True):
    """`recipients`: to each RCPT; `message`: to the message, for those whose RCPT was welcome. `ours`: that was not the
    peer's word but ours for what went wrong."""

    recipients: list[Reply]
    message: Reply
    ours: bool = False

    def last(self, n: int) -> Reply:
        """The last word on a recipient whose RCPT was welcome."""
        return self.message


class Transaction:
    """`make()` once. `mail`, `recipients`: the arguments of MAIL and RCPT. `before`: commands before MAIL whose answers do not matter."""

    def __init__(
        self, client: Client, mail: str, recipients: Sequence[str], message: Message, before: Sequence[bytes] = ()
    ) -> None:
        self._client, self._message, self._before = client, message, before
        self._mail = f"MAIL FROM:{mail}".encode()
        self._to = [f"RCPT TO:{recipient}".encode() for recipient in recipients]
        self._pipelining = client.offers("pipelining")

    async def make(self) -> Answers:
        """Refused and Lost: nothing has happened, and 421 is a refusal for all, wherever it comes."""
        client = self._client
        fresh, client.fresh = client.fresh, False
        client.used += 1
        first = self._first()
        client.unfinished = True
        if not client.offers("chunking"):
            return await self._by_data(first)
        size = self._message.size
        # A connection that was kept may be dead, and then nobody could tell whether the message was taken.
        if self._pipelining and fresh and size is not None and size <= _AT_ONCE:
            return await self._at_once(first)
        replies = await self._envelope(first)
        if not any(reply.ok for reply in replies):
            return Answers(replies, replies[-1])
        return await self._given(replies, self._chunked())

    def _first(self) -> list[bytes]:
        """What is said up to MAIL."""
        return [*([b"RSET"] if self._client.unfinished else []), *self._before, self._mail]

    async def _by_data(self, first: Sequence[bytes]) -> Answers:
        client = self._client
        if self._pipelining:
            *answers, go = await client.group(*first, *self._to, b"DATA")
            replies = self._welcome(answers, go)
        else:
            replies = await self._envelope(first)
            if not any(reply.ok for reply in replies):
                return Answers(replies, replies[-1])
            (go,) = await client.group(b"DATA")
        wanted = any(reply.ok for reply in replies)
        if go.code == 354:
            # RFC 2920 section 3.1: a pipelined DATA may be welcome without a recipient; then nothing is sent
            return await self._given(replies, self._data(self._message.blocks() if wanted else _nothing()))
        if go.ok and wanted:
            client.close()
            raise Lost(f"{client.host} answered DATA with {go}", NONSENSE)
        return Answers(replies, go)

    # --- the envelope ------------------------------------------------------------------------------------------------

    async def _envelope(self, first: Sequence[bytes]) -> list[Reply]:
        """MAIL and RCPT; the answers to the latter."""
        client = self._client
        if self._pipelining:
            return self._welcome(await client.group(*first, *self._to))
        for line in first:
            (answer,) = await client.group(line)
        self._must(answer, None)
        return [words.of_recipient((await client.group(line))[0]) for line in self._to]

    def _welcome(self, answers: Sequence[Reply], go: Reply | None = None) -> list[Reply]:
        """The answers to RCPT, of those to a whole group; `go`: the one to a DATA or BDAT said in one breath with it."""
        count = len(self._to)
        self._must(answers[-count - 1], go)
        return [words.of_recipient(answer) for answer in answers[-count:]]

    def _must(self, answer: Reply, go: Reply | None) -> None:
        if answer.code // 100 == 2:
            return
        if answer.ok or (go is not None and go.ok):
            self._client.close()  # out of step, or waiting for a message from nobody
        if answer.ok:
            raise Lost(f"{self._client.host} answered MAIL with {answer}", NONSENSE)
        raise Refused(answer, str(self._client.host))

    # --- the message -------------------------------------------------------------------------------------------------

    async def _at_once(self, first: Sequence[bytes]) -> Answers:
        """Envelope and message in one breath (RFC 3030 section 4.2): nothing is decided before the last answer. Where that is
        lost, the message is taken for all we know, but for those who were refused before, and but for one who took leave."""
        client, mail = self._client, len(first) - 1
        content = b"".join([chunk async for chunk, _ in chunks(self._message)])
        *asked, last = await client.say([*first, *self._to, b"BDAT %d LAST" % len(content)], content)
        answers: list[Reply] = []
        try:
            for waiting in asked:
                answers.append(await client.heard(waiting))  # noqa: PERF401 - those before a loss count
            final = await last_word(client, last)
        except Lost as lost:
            refused = [answer for answer in answers[mail : mail + 1] if not answer.ok]
            refused += [answer for answer in answers if answer.code == 421]
            if refused:
                raise Refused(refused[0], str(client.host), str(lost)) from lost
            unknown = Reply(451, lost.enhanced, str(lost))
            known = [words.of_recipient(answer) for answer in answers[mail + 1 :]]
            return Answers(known + [unknown] * (len(self._to) - len(known)), unknown, ours=True)
        return await self._weighed(answers, final)

    async def _weighed(self, answers: Sequence[Reply], final: Reply) -> Answers:
        """All is answered. A host that takes the message has it, whatever else it said: also 421, or no to MAIL."""
        client, mail = self._client, answers[-len(self._to) - 1]
        replies = [words.of_recipient(answer) for answer in answers[-len(self._to) :]]
        taken = final.ok and any(reply.ok for reply in replies)
        closing = [answer for answer in answers if answer.code == 421]
        if closing or (taken and mail.code // 100 != 2):
            client.close()
        if closing and not taken:
            raise Refused(closing[0], str(client.host))
        if taken and mail.code // 100 != 2:
            cause = f"{client.host} answered MAIL with {mail}, and the message with {final}; so it may arrive twice"
            odd = Reply(451, NONSENSE, cause)
            return Answers([odd if reply.ok else reply for reply in replies], odd, ours=True)
        replies = self._welcome(answers, final)
        if not any(reply.ok for reply in replies):
            return Answers(replies, replies[-1])
        client.unfinished = not final.ok
        return await self._given(replies, self._at_end(final))

    async def _given(self, replies: list[Reply], ending: Awaitable[Reply]) -> Answers:
        """The message's answer. Whatever else happens is temporary and ends the connection."""
        try:
            return Answers(replies, await ending)
        except Lost as lost:
            return Answers(replies, Reply(451, lost.enhanced, str(lost)), ours=True)
        except MailError as error:
            self._client.close()
            return Answers(replies, unread(error), ours=True)
        except BaseException:
            self._client.close()
            raise

    async def _data(self, body: AsyncIterator[bytes]) -> Reply:
        reply = await self._spoken(body, self._client.replies().ask())
        self._client.unfinished = False
        return await self._at_end(reply)

    async def _spoken(self, body: AsyncIterator[bytes], final: Asked) -> Reply:
        """All of a message, and the first answer to it."""
        client = self._client
        early = False
        async for block in stuffed(body):
            if early := final.done():
                break
            await client.write(block, over=final.done)
        reply = await (client.verdict(final) if early else last_word(client, final))
        if early:
            client.close()
            if reply.ok:
                raise Lost(f"{client.host} answered the message, before its end, with {reply}", NONSENSE)
        return reply

    async def _chunked(self) -> Reply:
        """Chunk after chunk (RFC 3030 section 4.2); with pipelining none waits for the answer to the one before."""
        client = self._client
        asked: deque[Asked] = deque()
        async for chunk, last in chunks(self._message):
            asked.append(client.replies().ask())
            head = b"BDAT %d%b\r\n" % (len(chunk), b" LAST" if last else b"")
            await client.write(head, chunk, over=partial(_refused, asked))
            while asked and (last or not self._pipelining or asked[0].done()):
                one = asked.popleft()
                reply = await (client.verdict(one) if asked or not last else last_word(client, one))
                if reply.code // 100 != 2:
                    if self._pipelining and not last:
                        client.close()  # octets may be under way that nobody reads
                    return await self._at_end(reply)
        client.unfinished = False
        return reply

    async def _at_end(self, reply: Reply) -> Reply:
        if reply.code == 421:
            self._client.close()
        if reply.code // 100 == 3:
            self._client.close()
            raise Lost(f"{self._client.host} answered the message, at its end, with {reply}", NONSENSE)
        return reply


async def last_word(client: Client, asked: Asked) -> Reply:
    """The answer when all is sent: where it is lost nobody knows whether the message was taken (a window for
    doubles), and whoever reads the trace is told."""
    try:
        return await client.verdict(asked)
    except Lost as lost:
        raise Lost(f"{lost}; all of the message was sent, so it may arrive twice", lost.enhanced) from lost


def _refused(asked: Iterable[Asked]) -> bool:
    """Whether one of them is answered, and not with yes. A yes to what the peer has not read ends nothing."""
    return any(one.done() and (one.exception() is not None or one.result().code // 100 != 2) for one in asked)


def unread(error: MailError) -> Reply:
    return error.reply if error.reply.temporary else UNREADABLE


async def _nothing() -> AsyncIterator[bytes]:
    """The least message there is."""
    yield b"\r\n"
