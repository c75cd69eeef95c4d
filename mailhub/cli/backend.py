"""Who does what a command asks: the running server over its socket, or the same functions on a stopped one's store."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from mailhub.config.schema import Config
from mailhub.control.client import Client, NoServer
from mailhub.control.errors import ControlError
from mailhub.control.words import PAGE, AliasList, QueueList, Request, UserList

from .exits import KINDS, fail
from .options import read_config

if TYPE_CHECKING:
    from mailhub.control.words import Alias, QueuedMessage, User, Which

Answer = TypeVar("Answer")


class Backend(Protocol):
    """Both sides look the same."""

    def ask(self, request: Request[Answer], progress: Callable[[int, int], None] | None = None) -> Answer: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def backend(path: Path | None) -> Iterator[Backend]:
    """The one that serves the configuration at `path`. A ControlError inside the block ends the program with its line."""
    config = read_config(path)
    try:
        side = open_side(config)
        try:
            yield side
        finally:
            side.close()
    except ControlError as error:
        fail(str(error), KINDS[error.kind])


def open_side(config: Config) -> Backend:
    """The running server, or the stopped one's store. ControlError."""
    data = Path(config.data)
    try:
        return Client(data)
    except NoServer:
        return _Stopped(config)


class _Stopped:
    """A stopped server's store. Where root asks, what is made there belongs to mailhub's user: it is opened, and worked on, as he."""

    def __init__(self, config: Config) -> None:
        from mailhub.control.offline import Offline
        from mailhub.model.errors import MailError

        with contextlib.ExitStack() as undo:
            try:
                undo.enter_context(acting(config))
            except MailError as error:
                raise ControlError("refused", str(error)) from error
            self._side = Offline(config)
            undo.callback(self._side.close)
            self._undo = undo.pop_all()

    def ask(self, request: Request[Answer], progress: Callable[[int, int], None] | None = None) -> Answer:
        return self._side.ask(request, progress)

    def close(self) -> None:
        self._undo.close()


@contextlib.contextmanager
def acting(config: Config) -> Iterator[None]:
    """As mailhub's user, who owns the data folder, made where it is missing; root comes back after. No wall against anybody: nobody
    else's code runs inside. MailError."""
    from mailhub.hub_local import make_folder, person

    somebody = person(config.user)
    if somebody is None:
        yield
        return
    make_folder(Path(config.data), somebody)
    groups, gid = os.getgroups(), os.getegid()
    os.setgroups(somebody.groups)
    os.setegid(somebody.gid)
    os.seteuid(somebody.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def all_users(side: Backend, containing: str = "") -> "list[User]":
    """Every page of them."""
    users: list[User] = []
    while page := side.ask(UserList(after=users[-1].address if users else "", containing=containing)):
        users.extend(page)
    return users


def all_aliases(side: Backend, containing: str = "") -> "list[Alias]":
    """Every page of them."""
    aliases: list[Alias] = []
    while page := side.ask(AliasList(after=aliases[-1].address if aliases else "", containing=containing)):
        aliases.extend(page)
    return aliases


def queued(side: Backend, which: "Which", limit: int) -> "Iterator[QueuedMessage]":
    """At most `limit` messages, oldest first."""
    after = ""
    while limit > 0 and (page := side.ask(QueueList(which=which, after=after, limit=min(limit, PAGE)))):
        yield from page
        limit, after = limit - len(page), page[-1].id
