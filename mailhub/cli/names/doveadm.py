"""doveadm(1): its core verbs, beside a running server."""

import fnmatch
import getopt
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mailhub.config.load import ConfigError, load
from mailhub.config.schema import Config
from mailhub.control import mail_words as words
from mailhub.control.errors import ControlError
from mailhub.control.homes import home
from mailhub.control.words import QuotaGet, Reload

from ..backend import Backend, all_users, open_side
from ..output import harmless
from . import Fatal
from .doveadm_formats import NAMES, Column, Row, show

if TYPE_CHECKING:
    from .doveadm_query import Query

NOUSER, NOFOLDER, TEMPFAIL, NOPERM, USAGE = 67, 68, 75, 77, 64
_KINDS = {"not_found": NOUSER}

_USAGE = """usage: doveadm [-f <formatter>] <command> [<args>]

  auth         test [-x service=<service>] <user> [<password>]
  expunge      [-u <user>|-A] <search query>
  fetch        [-u <user>|-A] <fields> <search query>
  mailbox      list [-u <user>|-A] [<mailbox mask> [...]]
  mailbox      status [-u <user>|-A] <fields> <mailbox> [...]
  quota        get [-u <user>|-A]
  reload
  search       [-u <user>|-A] <search query>
  user         [-f field] [-u] <user mask> [<user mask> [...]]"""

STATUS = ("messages", "recent", "uidnext", "uidvalidity", "unseen", "highestmodseq", "vsize", "guid")
_USERNAME = Column("username", hidden=True, title="Username")


class Doveadm:
    """One run: `side` is whom it asks, `formatter` "" for the verb's own."""

    def __init__(self, side: Backend, config: Config, formatter: str) -> None:
        self.side, self.config, self._formatter = side, config, formatter

    def show(self, usual: str, columns: Sequence[Column], rows: Iterator[Row]) -> None:
        show(self._formatter or usual, columns, rows)

    def users(self, options: dict[str, str]) -> tuple[list[str], bool]:
        """Whose mail is meant, and whether there may be several."""
        if "A" in options:
            return [user.address for user in all_users(self.side)], True
        name = options.get("u") or os.environ.get("USER", "")
        if any(char in name for char in "*?"):
            return [one.address for one in all_users(self.side) if fnmatch.fnmatchcase(one.address, name)], True
        return [self.whole(name)], False

    def whole(self, name: str) -> str:
        domain = (self.config.auth.default_domain, *self.config.domains, self.config.hostname)
        return name if "@" in name else f"{name}@{next(filter(None, domain))}"

    def per_user(
        self, options: dict[str, str], usual: str, columns: list[Column], rows: Callable[[str], Iterator[Row]]
    ) -> None:
        """Rows of each user, with his name before them where there may be several."""
        users, several = self.users(options)

        def all_rows() -> Iterator[Row]:
            for user in users:
                for row in rows(user):
                    yield (user, *row) if several else row

        self.show(usual, [_USERNAME, *columns] if several else columns, all_rows())


def doveadm(path: Path | None, arguments: list[str]) -> None:
    """Exit codes are those of sysexits.h, as the original's."""
    options, rest = _options(arguments, "Dvf:")
    formatter = options.get("f", "")
    if formatter and formatter not in NAMES:
        _end(f"doveadm: Fatal: Unknown print formatter: {formatter}", TEMPFAIL)
    command = " ".join(rest[:2]) if rest[:1] and rest[0] in ("auth", "mailbox", "quota") else " ".join(rest[:1])
    if command not in VERBS:
        _end(_USAGE, USAGE)
    rest = rest[command.count(" ") + 1 :]
    try:
        side = open_side(config := load(path))
    except (ConfigError, ControlError) as error:
        _end(f"doveadm: Fatal: {error}", TEMPFAIL)
    try:
        VERBS[command](Doveadm(side, config, formatter), rest)
    except Fatal as error:
        _end(f"Fatal: {error}", error.code)
    except ControlError as error:
        _end(f"doveadm: Error: {harmless(str(error))}", _KINDS.get(error.kind, TEMPFAIL))
    finally:
        side.close()


def _end(text: str, code: int) -> NoReturn:
    click.echo(text, err=True)
    raise SystemExit(code)


def _options(arguments: list[str], letters: str) -> tuple[dict[str, str], list[str]]:
    try:
        pairs, rest = getopt.getopt(arguments, letters)
    except getopt.GetoptError:
        _end(_USAGE, USAGE)
    return {name[1:]: value for name, value in pairs}, rest


def _user(run: Doveadm, arguments: list[str]) -> None:
    options, masks = _options(arguments, "a:x:f:e:u")
    if not masks:
        _end(_USAGE, USAGE)
    if "u" in options or any(char in mask for mask in masks for char in "*?"):
        known = [user.address for user in all_users(run.side)]
        for address in known:
            if any(fnmatch.fnmatchcase(address, mask) for mask in masks):
                click.echo(harmless(address))
        return
    for mask in masks:
        fields = _fields(run, run.whole(mask))
        if "f" in options:
            if options["f"] not in fields:
                _end(f"userdb lookup: field {harmless(options['f'])} not found for user {harmless(mask)}", NOUSER)
            click.echo(fields[options["f"]])
            continue
        run.show("tab", [Column("field"), Column("value")], iter(fields.items()))


def _fields(run: Doveadm, address: str) -> dict[str, str]:
    """As a userdb has them: who the files belong to, and where they are."""
    try:
        run.side.ask(words.MailFolders(address=address))
    except ControlError as error:
        if error.kind != "not_found":
            raise
        _end(f"userdb lookup: user {harmless(address)} doesn't exist", NOUSER)
    data = Path(run.config.data)
    owner = os.stat(data)
    return {
        "uid": str(owner.st_uid),
        "gid": str(owner.st_gid),
        "home": str(home(data, address)),
        "mail": "maildir:~/Maildir",
    }


def _auth_test(run: Doveadm, arguments: list[str]) -> None:
    options, rest = _options(arguments, "a:A:M:x:")
    if not rest:
        _end(_USAGE, USAGE)
    service = options.get("x", "service=imap").removeprefix("service=")
    password = rest[1] if len(rest) > 1 else click.prompt("Password", hide_input=True, err=True)
    login = run.whole(rest[0]) if "@" not in rest[0] else rest[0]
    found = run.side.ask(
        words.SignInTest(login=login, password=password, service={"smtp": "submission"}.get(service, service))
    )
    click.echo(f"passdb: {harmless(rest[0])} auth {'succeeded' if found.account else 'failed'}")
    click.echo(f"extra fields:\n  user={harmless(found.account or login)}")
    if not found.account:
        raise SystemExit(NOPERM)


def _mailbox_list(run: Doveadm, arguments: list[str]) -> None:
    options, masks = _options(arguments, "u:AS:78s")

    def rows(user: str) -> Iterator[Row]:
        for folder in run.side.ask(words.MailFolders(address=user)):
            if not masks or any(_is_meant(folder.name, mask) for mask in masks):
                yield (folder.name,)

    run.per_user(options, "flow", [Column("mailbox", hidden=True)], rows)


def _is_meant(name: str, mask: str) -> bool:
    """INBOX in any case; "%" and "*" as IMAP has them."""
    if mask.upper() == "INBOX":
        return name == "INBOX"
    pattern = mask.replace("[", "[[]").replace("%", "*")
    return fnmatch.fnmatchcase(name, pattern) and ("%" not in mask or name.count(".") <= mask.count("."))


def _mailbox_status(run: Doveadm, arguments: list[str]) -> None:
    options, rest = _options(arguments, "u:AS:t")
    if len(rest) < 2:
        _end(_USAGE, USAGE)
    asked = STATUS if rest[0] == "all" else tuple(rest[0].split())
    if unknown := [field for field in asked if field not in STATUS]:
        raise Fatal(f"Unknown status field: {unknown[0]}", USAGE)
    fields = [field for field in STATUS if field in asked]  # in their own order

    def rows(user: str) -> Iterator[Row]:
        there = run.side.ask(words.MailFolders(address=user))
        for mask in rest[1:]:
            meant = [folder for folder in there if _is_meant(folder.name, mask)]
            if not meant and not any(char in mask for char in "*%?"):
                what = f"Mailbox {harmless(mask)}: Failed to lookup mailbox status"
                _end(f"doveadm({user}): Error: {what}: Mailbox doesn't exist: {harmless(mask)}", NOFOLDER)
            for folder in meant:
                yield (folder.name, *(str(getattr(folder, field)) for field in fields))

    run.per_user(options, "flow", [Column("mailbox", hidden=True), *map(Column, fields)], rows)


def found(run: Doveadm, user: str, query: "Query") -> Iterator[tuple[words.MailFolder, tuple[int, ...]]]:
    """Messages that match, by folder."""
    from .doveadm_query import folders, within

    there = run.side.ask(words.MailFolders(address=user))
    for named in folders(query):
        known = [folder.guid if named.guid else folder.name for folder in there]
        plain = not any(char in named.mask for char in "*?")
        if plain and named.mask not in known and named.mask.upper() != "INBOX":
            what = f"Couldn't get mailbox '{harmless(named.mask)}' GUID"
            _end(f"doveadm({user}): Error: {what}: Mailbox doesn't exist: {harmless(named.mask)}", NOFOLDER)
    for folder in there:
        text = within(query, folder.name, folder.guid)
        if text is not None:
            uids = run.side.ask(words.MailSearch(address=user, folder=folder.name, query=text))
            if uids:
                yield folder, uids


def _queried(arguments: list[str], fields: int) -> "tuple[dict[str, str], list[str], Query]":
    from mailhub.model.clock import SystemClock

    from .doveadm_query import read

    options, rest = _options(arguments, "u:AS:m")
    if len(rest) <= fields:
        _end(_USAGE, USAGE)
    return options, rest[:fields], read(rest[fields:], SystemClock().now())


def _search(run: Doveadm, arguments: list[str]) -> None:
    options, _, query = _queried(arguments, 0)

    def rows(user: str) -> Iterator[Row]:
        for folder, uids in found(run, user, query):
            yield from ((folder.guid, str(uid)) for uid in uids)

    run.per_user(options, "flow", [Column("mailbox-guid", hidden=True), Column("uid", hidden=True)], rows)


def _fetch(run: Doveadm, arguments: list[str]) -> None:
    from .doveadm_fetch import columns, messages

    options, (fields,), query = _queried(arguments, 1)
    shown = columns(fields.split())
    run.per_user(options, "pager", shown, lambda user: messages(run, user, query, shown))


def _expunge(run: Doveadm, arguments: list[str]) -> None:
    from .doveadm_query import bounded

    options, _, query = _queried(arguments, 0)
    if not bounded(query):
        raise Fatal("expunge: To avoid accidents, search query must contain MAILBOX in all search branches", USAGE)
    for user in run.users(options)[0]:
        for folder, uids in found(run, user, query):
            for start in range(0, len(uids), 500):
                run.side.ask(words.MailExpunge(address=user, folder=folder.name, uids=uids[start : start + 500]))


def _quota_get(run: Doveadm, arguments: list[str]) -> None:
    options, _ = _options(arguments, "u:AS:")

    def rows(user: str) -> Iterator[Row]:
        state = run.side.ask(QuotaGet(address=user))
        for kind, held, limit in (
            ("STORAGE", -(-state.storage // 1024), state.storage_limit // 1024),
            ("MESSAGE", state.messages, state.message_limit),
        ):
            share = str(held * 100 // limit) if limit else "0"
            yield ("User quota", kind, str(held), str(limit) if limit else "-", share)

    columns = [
        Column("root", title="Quota name"),
        Column("type", title="Type"),
        Column("value", right=True, title="Value"),
        Column("limit", right=True, title="Limit"),
        Column("percent", right=True, title="%"),
    ]
    run.per_user(options, "table", columns, rows)


def _reload(run: Doveadm, arguments: list[str]) -> None:
    run.side.ask(Reload())


VERBS: dict[str, Callable[[Doveadm, list[str]], None]] = {
    "user": _user,
    "auth test": _auth_test,
    "mailbox list": _mailbox_list,
    "mailbox status": _mailbox_status,
    "search": _search,
    "fetch": _fetch,
    "expunge": _expunge,
    "quota get": _quota_get,
    "reload": _reload,
}
