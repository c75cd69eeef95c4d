"""The same mail and the same searches, sorts and threads, here and in a real Dovecot: equal answers, or a difference that docs/interop.md
settles by its RFC."""

import asyncio
import base64
import imaplib
import random
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.dovecot_imap import dovecot_imap
from support.imap_server import imap_server

SUITE = Path(__file__).parents[3].parent / "shared" / "suites" / "messages"
ODD = 400  # messages of the suites, at most
LARGEST = 200_000  # octets of one of them

PEOPLE = (
    "Alice <alice@mailhub.test>", '"Bob, the second" <bob@example.org>', "=?gb2312?B?1tDOxA==?= <zhong@example.cn>", "carol@example.net",
    "=?utf-8?q?=C3=89mile?= Zola <emile@example.fr>", "team: dora@example.org, Alice <alice@mailhub.test>;", "ZOE@EXAMPLE.ORG",
)  # fmt: skip
SUBJECTS = (
    "Report", "Re: Report", "[list] report", "Fwd: Garden plans", "Garden plans", "=?gb2312?B?08q8/g==?=", "Re: =?gb2312?B?08q8/g==?=",
    "=?utf-8?q?Caf=C3=A9_cr=C3=A8me?=", "CAFÉ CRÈME", "=?utf-8?q?Stra=C3=9Fe?=", "", "Re: re: RE: garden plans (fwd)", "[fwd: Report]",
    "=?koi8-r?B?8NLJ18XU?=", "zebra", "Attic",
)  # fmt: skip
BODIES = (
    "Nothing special", "请查收附件里的邮件", "Un café crème, s'il vous plaît", "ПРИВЕТ МИР", "GRÜSSE aus KÖLN", "the needle in the hay",
    "Ｆｕｌｌ ｗｉｄｔｈ", "soft=line breaks " * 8,
)  # fmt: skip
TEXTS = ("report", "REPORT", "邮件", "邮", "café", "CAFE", "crème", "привет", "köln", "needle", "garden", "alice", "Alice <alice", "zoe@example",
         "full", "strasse", "straße", "émile", "中文", "nothing at all")  # fmt: skip


def corpus(seed: int) -> Iterator[bytes]:
    choice = random.Random(seed)
    for number in range(80):
        body = choice.choice(BODIES)
        charset = choice.choice(["utf-8", "gb18030"])
        headers = [
            f"Message-ID: <{number}@corpus.test>",
            f"From: {choice.choice(PEOPLE)}",
            f"To: {choice.choice(PEOPLE)}",
            f"Subject: {choice.choice(SUBJECTS)}",
            f"Date: {choice.choice(['Mon, ', ''])}{choice.randint(1, 28)} {choice.choice(['Jan', 'Feb'])} 2026 "
            f"{choice.randint(0, 23):02}:{choice.randint(0, 59):02}:00 {choice.choice(['+0000', '-0800', '+0530', 'EST'])}",
        ]
        if choice.random() < 0.4:
            headers.append(f"Cc: {choice.choice(PEOPLE)}")
        if number and choice.random() < 0.6:
            parents = sorted(choice.sample(range(number), min(number, choice.randint(1, 3))))
            headers.append("References: " + " ".join(f"<{parent}@corpus.test>" for parent in parents))
        headers += [f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: base64"]
        encoded = base64.encodebytes(body.encode(charset)).decode().replace("\n", "\r\n")
        yield ("\r\n".join(headers) + "\r\n\r\n" + encoded).encode()


_FIELD = re.compile(rb"^(From|To|Cc|Subject|Date):((?:[^\n]*)(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(
    rb"\s*(?:\w{3},? +)?\d{1,2} +\w{3} +(?:19[7-9]|20[0-3])\d \d\d?:\d\d(?::\d\d)? +(?:[+-]\d{4}|[A-Z]{3,4})\b"
)


def settled(message: bytes) -> bool:
    """docs/interop.md, "Searches, beside Dovecot": what makes a difference there, each for a reason of its own."""
    fields = _FIELD.findall(message.partition(b"\r\n\r\n")[0])
    names = [name.lower() for name, _ in fields]
    dates = [value for name, value in fields if name.lower() == b"date"]
    return (
        len(names) != len(set(names))
        or len(dates) != 1
        or _DATE.match(dates[0]) is None
        or any(not value.isascii() or b":@" in value for _, value in fields)
    )


def odd_messages() -> list[bytes]:
    found = [
        path
        for path in sorted(SUITE.rglob("*"))
        if path.is_file() and path.suffix in (".eml", ".msg", ".txt", ".mbox", "")
    ]
    texts = [re.sub(rb"\r?\n", b"\r\n", path.read_bytes()).replace(b"\0", b"") for path in found]
    plausible = [text for text in texts if 0 < len(text) < LARGEST and re.match(rb"[A-Za-z-]+:", text)]
    return plausible[:: max(1, len(plausible) // ODD)][:ODD]


def questions() -> list[tuple[str, str | None]]:
    """(command, text as a literal or None)"""
    asked: list[tuple[str, str | None]] = []
    for name in ("SUBJECT", "FROM", "TO", "TEXT", "BODY", "HEADER Subject", "CC"):
        asked += [(f"SEARCH CHARSET UTF-8 {name}", text) for text in TEXTS]
    asked += [
        (f"SEARCH {key}", None)
        for key in ("SENTBEFORE 14-Jan-2026", "SENTON 14-Jan-2026", "SENTSINCE 1-Feb-2026", "LARGER 400", "SMALLER 400", "SINCE 1-Jan-2020",
                    'HEADER References ""', 'HEADER Cc ""', "NOT SUBJECT re", "OR FROM alice TO bob", "2:30 NOT 5 UNSEEN", "YOUNGER 86400")
    ]  # fmt: skip
    for criterion in ("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "REVERSE DATE", "SUBJECT REVERSE DATE", "REVERSE FROM SIZE",
                      "DISPLAYFROM", "DISPLAYTO"):  # fmt: skip
        asked.append((f"SORT ({criterion}) UTF-8 ALL", None))
    asked += [(f"THREAD {algorithm} UTF-8 ALL", None) for algorithm in ("ORDEREDSUBJECT", "REFERENCES", "REFS")]
    return asked


def answers(session: imaplib.IMAP4, mail: Sequence[bytes]) -> dict[str, list[bytes]]:
    for n, text in enumerate(mail):
        status, told = session.append("INBOX", "", f'"{n % 28 + 1:02}-Mar-2026 12:00:00 +0000"', text)
        assert status == "OK", told
    session.select("INBOX")
    found = {}
    for command, literal in questions():
        name, _, rest = command.partition(" ")
        if literal is not None:
            session.literal = literal.encode()
        kind = "THREAD" if name == "THREAD" else name
        status, _ = session._simple_command(name, rest)  # type: ignore[attr-defined]
        assert status == "OK", command
        _, told = session._untagged_response(status, [None], kind)  # type: ignore[attr-defined]
        found[f"{command} {literal or ''}".strip()] = [line for line in told if line is not None]
    return found


async def here(mail: Sequence[bytes], data: Path) -> dict[str, list[bytes]]:
    async with imap_server(data) as server:

        def ask() -> dict[str, list[bytes]]:
            session = imaplib.IMAP4("127.0.0.1", server.port)
            session.login("alice", "secret")
            try:
                return answers(session, mail)
            finally:
                session.logout()

        with ThreadPoolExecutor(1) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, ask)


def there(mail: Sequence[bytes], data: Path) -> dict[str, list[bytes]]:
    with short_folder() as folder, dovecot_imap(data / "maildir", folder) as session:
        return answers(session, mail)


def differences(
    ours: dict[str, list[bytes]], theirs: dict[str, list[bytes]]
) -> dict[str, tuple[list[bytes], list[bytes]]]:
    return {question: (ours[question], theirs[question]) for question in ours if ours[question] != theirs[question]}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_a_generated_corpus(seed: int, tmp_path: Path) -> None:
    mail = list(corpus(seed))
    theirs = await asyncio.to_thread(there, mail, tmp_path)
    assert differences(await here(mail, tmp_path / "here"), theirs) == {}


@pytest.mark.slow
async def test_odd_messages(tmp_path: Path) -> None:
    if not SUITE.is_dir():
        pytest.skip(f"{SUITE.name} of other projects are not beside this folder")
    mail = [text for text in odd_messages() if not settled(text)]
    assert len(mail) > 50
    theirs = await asyncio.to_thread(there, mail, tmp_path)
    assert differences(await here(mail, tmp_path / "here"), theirs) == {}
