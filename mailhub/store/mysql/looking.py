"""What is read of folders and messages. Whole folders come as columns of text, some ten thousand messages at a time: a row for each
would cost the loop 5 us, and nobody else had a turn meanwhile."""

from array import array
from collections.abc import Sequence

from mailhub.message.envelope import may_stand
from mailhub.model.mailbox import DELETED, Changes, Folder, Glimpse, MessageRow, View

from ..api import Measure
from .engine import Tx
from .filing import FOLDER, folder_of, get_folder

_PAGE = 20_000  # messages
_ROWS = 2_000  # of what comes row by row
_FOLDERS = 500
# when it came into the folder, as model.mailbox.MessageRow.saved has it; else its date
_SAVED = (
    "case when moved > 0 then moved when file regexp '^[1-9][0-9]{8,10}[.]' then cast(substring_index(file, '.', 1) as signed)"
    " else date end"
)


async def folders(tx: Tx, account: str) -> list[Folder]:
    rows = await tx.all(f"select {FOLDER} from folder where account = %s", account)
    return sorted(map(folder_of, rows), key=lambda folder: (folder.name != "INBOX", folder.name))


async def columns(tx: Tx, folder: int, kinds: Sequence[tuple[str, str]]) -> "tuple[Folder, list[array[int]]]":
    """The folder, and columns of all its messages by ascending UID, of which `uid` is the first."""
    state = await get_folder(tx, folder, change=False)
    found: list[array[int]] = [array(kind) for _, kind in kinds]
    after = 0
    names = [name for name, _ in kinds]
    while page := await _columns(
        tx, names, "message where folder = %s and uid > %s order by uid limit %s", folder, after, _PAGE
    ):
        for column, values in zip(found, page, strict=True):
            column.extend(values)
        after = found[0][-1]
    return state, found


async def measured(tx: Tx, folder: int, what: Measure, low: int, high: int) -> "array[int]":
    found = array("I", [0])
    while page := await _columns(
        tx, ("uid",), f"message where folder = %s and uid > %s and {what} between %s and %s order by uid limit %s",
        folder, found[-1], low, high, _PAGE,
    ):  # fmt: skip
        found.extend(page[0])
    return found[1:]


async def mentioning(tx: Tx, folder: int, word: str, after: int) -> "tuple[array[int], int]":
    rows = await tx.all(
        "select uid, envelope from rendered where folder = %s and uid > %s order by uid limit %s", folder, after, _ROWS
    )
    return array("I", [uid for uid, found in rows if may_stand(word, found)]), rows[-1][0] if rows else 0


async def view(tx: Tx, folder: int) -> View:
    state, found = await columns(tx, folder, (("uid", "I"), ("flags", "q"), ("modseq", "q")))
    return View(state, *found)


async def changes(tx: Tx, folder: int, since: int) -> Changes:
    """Few are found by their mod-sequence; of more than a page, by going over the folder once."""
    state = await get_folder(tx, folder, change=False)
    some = await tx.one(
        "select count(*) from (select 1 from message where folder = %s and modseq > %s limit %s) some",
        folder, since, _PAGE + 1,
    )  # fmt: skip
    assert some is not None
    by = "message_modseq" if some[0] <= _PAGE else "primary"
    changed: list[tuple[int, int, int]] = []
    after = 0
    while page := await _columns(
        tx, ("uid", "flags", "modseq"),
        f"message force index ({by}) where folder = %s and modseq > %s and uid > %s order by uid limit %s",
        folder, since, after, _PAGE,
    ):  # fmt: skip
        changed += zip(*page, strict=True)
        after = changed[-1][0]
        if len(page[0]) < _PAGE:
            break
    gone = await _columns(tx, ("uid",), "expunged where folder = %s and modseq > %s", folder, since)
    forgotten = await tx.one("select forgotten from folder where id = %s", folder)
    assert forgotten is not None
    return Changes(state, tuple(changed), tuple(gone[0]) if gone else (), forgotten[0])


async def _columns(tx: Tx, names: Sequence[str], which: str, *values: object) -> list[list[int]]:
    """Numbers of `which` ("table where ...", with `uid`), by ascending UID: a list for each of `names`; none where there are no rows."""
    texts = ", ".join(f"group_concat({name} order by uid)" for name in names)
    row = await tx.one(f"select {texts} from (select {', '.join(names)} from {which}) page", *values)
    return [] if row is None or row[0] is None else [list(map(int, str(text).split(","))) for text in row]


async def former_ids(tx: Tx, folder: int) -> dict[int, str]:
    found: dict[int, str] = {}
    after = 0
    while page := await tx.all(
        "select uid, id from former where folder = %s and uid > %s order by uid limit %s", folder, after, _ROWS
    ):
        found.update((uid, name) for uid, name in page)
        after = page[-1][0]
    return found


async def rows(tx: Tx, folder: int, uids: Sequence[int], *, rendered: bool) -> list[MessageRow]:
    wanted, join = ("envelope, structure", "join rendered using (folder, uid)") if rendered else ("'', ''", "")
    chosen, values = "uid in %s", (list(uids),)
    if uids and uids[-1] - uids[0] == len(uids) - 1:
        chosen, values = "uid between %s and %s", (uids[0], uids[-1])  # type: ignore[assignment]
    found = await tx.all(
        f"select uid, flags, modseq, date, size, {wanted}, file, moved from message {join} where folder = %s and {chosen}"
        " order by uid",
        folder, *values,
    )  # fmt: skip
    return [
        MessageRow(uid, flags, modseq, date, size, envelope or b"", structure or b"", file, moved)
        for uid, flags, modseq, date, size, envelope, structure, file, moved in found
    ]


async def glimpses(tx: Tx, folder: int, uids: Sequence[int]) -> dict[int, Glimpse]:
    found = await tx.all("select uid, thread, preview from glimpse where folder = %s and uid in %s", folder, list(uids))
    return {uid: Glimpse(thread, preview) for uid, thread, preview in found}


async def deleted(tx: Tx, folder: int) -> tuple[int, int]:
    found = await tx.one(
        f"select count(*), coalesce(sum(size), 0) from message where folder = %s and flags & {DELETED}", folder
    )
    assert found is not None
    return int(found[0]), int(found[1])


async def folders_named(tx: Tx, name: str, after: int) -> list[int]:
    """Ids of the folders of that name of all accounts, ascending; "Name.*" stands for all below Name."""
    if not name.endswith(".*"):
        chosen, values = "name = %s", (name,)
    else:
        chosen, values = "name like %s escape '!'", (_like(name[:-1]) + "%",)
    found = await tx.all(
        f"select id from folder where {chosen} and id > %s order by id limit %s", *values, after, _FOLDERS
    )
    return [number for (number,) in found]


def _like(text: str) -> str:
    for sign in "!%_":
        text = text.replace(sign, "!" + sign)
    return text


async def expired(tx: Tx, folder: int, before: int, keep: int, limit: int) -> list[int]:
    """UIDs of what was saved before that time, and of what is not among the `keep` newest (0: all may stay)."""
    edge = 0
    if keep:
        found = await tx.one(
            "select uid from message where folder = %s order by uid desc limit 1 offset %s", folder, keep
        )
        edge = found[0] if found is not None else 0
    gone = await tx.all(
        f"select uid from message where folder = %s and ({_SAVED} < %s or uid <= %s) order by uid limit %s",
        folder, before, edge, limit,
    )  # fmt: skip
    return [uid for (uid,) in gone]
