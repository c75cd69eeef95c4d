"""What is asked of either kind of store, and the values that pass from one to the other."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from mailhub.config.schema import Store as StoreConfig

from ..api import Body, MessageFile, QueueStore
from .tables import Row, Table


class Site(Struct, frozen=True):
    """A store as its configuration has it. `data`: the data folder."""

    data: Path
    config: StoreConfig
    hostname: str

    @property
    def where(self) -> str:
        """What it is told by."""
        if self.config.kind == "sqlite":
            return f"SQLite in {self.data.absolute()}"
        return f"{self.config.database} at {', '.join(self.config.hosts)}"


class FolderRow(Struct, frozen=True):
    """A folder without its counters. `forgotten`: the mod-sequence up to which tombstones were dropped."""

    id: int
    account: str
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int
    keywords: tuple[str, ...]
    special_use: str
    recent_from: int
    forgotten: int


def folder_row(found: Sequence[Any]) -> FolderRow:
    """The columns in that order; keywords as JSON."""
    values = list(found)
    values[6] = tuple(json.loads(values[6]))
    return FolderRow(*values)


class Message(Struct, frozen=True):
    """An index row. `file`: the base name; `moved`: SAVEDATE."""

    uid: int
    flags: int
    modseq: int
    date: int
    size: int
    file: str
    moved: int
    envelope: bytes
    structure: bytes


class ItemRow(Struct, frozen=True):
    """A queued message, as its row has it."""

    id: int
    content: int
    sender: str
    created: float
    priority: int
    parameters: str
    origin: str
    filter: str
    verdict: str


class ContentRow(Struct, frozen=True):
    """What a queued message is made of; its body is read from the store that has it."""

    id: int
    prefix: bytes
    body: Body
    tail: bytes


class Side(Protocol):
    """A store, opened by `open` (MailError) and for nobody else until `close`. Pages are ascending and begin behind `after`, which is
    what the page before has given; None: at the beginning."""

    @property
    def queue(self) -> QueueStore: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def page(self, table: Table, after: Row | None) -> tuple[list[Row], Row | None]:
        """Rows as `Table.canonical` has them, and what the next page begins behind; None: there is none."""
        ...

    async def accounts(self) -> list[str]:
        """All that have mail."""
        ...

    async def sizes(self) -> tuple[int, int]:
        """About how many messages there are in folders, and in the queue."""
        ...

    async def folders(self, account: str) -> list[FolderRow]: ...

    async def former(self, folder: int) -> Mapping[int, str]: ...

    async def messages(self, folder: int, after: int) -> list[Message]: ...

    async def read(self, folder: int, uid: int) -> MessageFile:
        """Temporary where its octets are not to be had."""
        ...

    async def items(self, after: int) -> list[ItemRow]: ...

    async def recipients(self, item: int, after: int) -> list[Row]:
        """Columns as the embedded table has them."""
        ...

    async def reached(self, item: int, after: str) -> list[str]: ...

    async def content(self, number: int) -> ContentRow: ...

    async def left(self) -> str:
        """Where all of it was moved to; "": it was not, or is used again."""
        ...

    async def leave(self, target: str) -> None:
        """No mailhub opens it any more; "": it may."""
        ...

    async def highest(self) -> tuple[int, int]:
        """The highest queue id and the highest UIDVALIDITY that may have been given."""
        ...


class Target(Side, Protocol):
    """One that mail moves into. All that is put is idempotent, and on disk when the call returns."""

    async def vacant(self) -> bool:
        """Whether there is nothing in it."""
        ...

    async def progress(self) -> dict[str, str] | None:
        """What `done` has noted; None: nothing has begun."""
        ...

    async def begin(self, source: str) -> None: ...

    async def done(self, name: str, value: str) -> None: ...

    async def end(self) -> None: ...

    async def put(self, table: Table, rows: Sequence[Row]) -> None: ...

    async def put_folder(self, folder: FolderRow) -> None: ...

    async def put_former(self, folder: FolderRow, ids: Mapping[int, str]) -> None: ...

    async def there(self, folder: int, uids: Sequence[int]) -> Collection[int]: ...

    async def put_messages(self, folder: FolderRow, messages: Sequence[Message], source: Side) -> None: ...

    async def finish(self, account: str, uidvalidity: int) -> None:
        """All of the account has come: counters, and what lies beside its mail."""
        ...

    async def has_item(self, item: int) -> bool: ...

    async def put_item(self, item: ItemRow, content: ContentRow, source: Side) -> None: ...

    async def put_recipients(self, rows: Sequence[Row]) -> None: ...

    async def put_reached(self, item: int, addresses: Sequence[str]) -> None: ...

    async def raise_ids(self, queue_id: int, uidvalidity: int) -> None:
        """No id, nor UIDVALIDITY, up to these is given again."""
        ...
