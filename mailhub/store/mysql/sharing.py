"""api.SharingStore on a cluster."""

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct

from mailhub.model.errors import LimitReached
from mailhub.model.mailbox import FlagOp, Folder

from ..api import AnnotationLimits, Entries, Place
from .engine import KEPT, Engine, Tx
from .filing import FOLDER, folder_of, get_folder, listing
from .mailbox_units import entry_key


class ChangeAcl(Struct, frozen=True):
    folder: int
    identifier: str
    op: FlagOp
    rights: str
    limit: int

    async def apply(self, tx: Tx) -> None:
        folder = await get_folder(tx, self.folder)
        entries = dict(await _acl(tx, folder.id))
        old, asked = set(entries.get(self.identifier, "")), set(self.rights)
        new = {FlagOp.REPLACE: asked, FlagOp.ADD: old | asked, FlagOp.REMOVE: old - asked}[self.op]
        if not new:
            await tx.run("delete from acl where folder = %s and identifier = %s", folder.id, self.identifier)
        elif self.identifier not in entries and len(entries) >= self.limit:
            raise LimitReached("mailbox.acl_limit")
        else:
            await tx.run("replace into acl values (%s, %s, %s)", folder.id, self.identifier, "".join(sorted(new)))
        # who looks at the folder asks again what he may do; who lists folders, which there are
        await listing(tx, folder.account)
        tx.told.change(folder.account, folder.id, folder.modseq)


class Annotate(Struct, frozen=True):
    values: Mapping[Place, Sequence[tuple[str, bytes | None]]]
    limits: AnnotationLimits

    async def apply(self, tx: Tx) -> None:
        for place, values in sorted(self.values.items(), key=lambda item: item[0].folder):
            folder = await get_folder(tx, place.folder) if place.folder else None  # NotFound where it is gone
            count, octets = await self._held(tx, place)
            for entry, value in values:
                await self._set(tx, place, entry, value)
            if folder is not None and values:  # RFC 7162 section 3.2
                await tx.run("update folder set modseq = modseq + 1 where id = %s", folder.id)
                tx.told.change(folder.account, folder.id, folder.modseq + 1)
            now, then = await self._held(tx, place), (max(count, self.limits.count), max(octets, self.limits.octets))
            if now[0] > then[0] or now[1] > then[1]:  # what is over a limit that was lowered may still become less
                raise LimitReached("mailbox.metadata_limit, mailbox.metadata_account_limit")

    async def _held(self, tx: Tx, place: Place) -> tuple[int, int]:
        """Annotations at that place, and octets of all that its holder has."""
        found = await tx.one(
            "select coalesce(sum(folder = %s and private = %s), 0), coalesce(sum(length(value)), 0) from annotation where holder = %s",
            place.folder, int(place.private), place.holder,
        )  # fmt: skip
        assert found is not None
        return int(found[0]), int(found[1])

    async def _set(self, tx: Tx, place: Place, entry: str, value: bytes | None) -> None:
        key = (place.holder, place.folder, int(place.private), entry_key(entry))
        if value is None:
            await tx.run(
                "delete from annotation where holder = %s and folder = %s and private = %s and place = %s", *key
            )
        else:
            await tx.run(
                "insert into annotation (holder, folder, private, place, entry, value) values (%s, %s, %s, %s, %s, %s)"
                " on duplicate key update value = values(value)",
                *key, entry, value,
            )  # fmt: skip


async def copy_annotations(tx: Tx, source: int, target: int) -> None:
    """RFC 5464 section 4.1: INBOX keeps its annotations when it is renamed, and the new folder has them too."""
    await tx.run(
        "insert into annotation (holder, folder, private, place, entry, value)"
        f" select holder, %s, private, place, entry, value from annotation where folder = %s {KEPT.format('folder')}",
        target, source,
    )  # fmt: skip


async def _acl(tx: Tx, folder: int) -> Entries:
    rows = await tx.all("select identifier, rights from acl where folder = %s order by identifier", folder)
    return tuple((identifier, rights) for identifier, rights in rows)


async def _shared_with(tx: Tx, identifiers: Sequence[str], besides: str) -> list[tuple[Folder, Entries]]:
    rows = await tx.all(
        f"select {FOLDER} from folder where account != %s and id in (select folder from acl where identifier in %s)",
        besides, list(identifiers),
    )  # fmt: skip
    return [(folder, await _acl(tx, folder.id)) for folder in map(folder_of, rows)]


async def _shared_by(tx: Tx, account: str) -> list[tuple[Folder, Entries]]:
    rows = await tx.all(
        f"select {FOLDER} from folder where account = %s and id in (select folder from acl) order by name", account
    )
    return [(folder, await _acl(tx, folder.id)) for folder in map(folder_of, rows)]


class MysqlSharing:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def acl(self, folder: int) -> Entries:
        return await self._engine.look(partial(_acl, folder=folder))

    async def change_acl(self, folder: int, identifier: str, op: FlagOp, rights: str, limit: int) -> None:
        await self._engine.do(ChangeAcl(folder, identifier, op, rights, limit), again=True)

    async def shared_with(self, identifiers: Sequence[str], besides: str) -> list[tuple[Folder, Entries]]:
        return await self._engine.look(partial(_shared_with, identifiers=tuple(identifiers), besides=besides))

    async def shared_by(self, account: str) -> list[tuple[Folder, Entries]]:
        return await self._engine.look(partial(_shared_by, account=account))

    async def annotations(self, place: Place) -> list[tuple[str, bytes]]:
        rows = await self._engine.all(
            "select entry, value from annotation where holder = %s and folder = %s and private = %s order by lower(entry)",
            place.holder, place.folder, int(place.private),
        )  # fmt: skip
        return [(entry, bytes(value)) for entry, value in rows]

    async def annotated(self, folders: Sequence[int]) -> frozenset[int]:
        rows = await self._engine.all("select distinct folder from annotation where folder in %s", list(folders))
        return frozenset(folder for (folder,) in rows)

    async def annotate(
        self, values: Mapping[Place, Sequence[tuple[str, bytes | None]]], limits: AnnotationLimits
    ) -> None:
        await self._engine.do(Annotate(values, limits), again=True)
