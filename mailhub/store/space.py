"""Room on the disk that bodies come to: below a floor new mail is refused, so that what is under way can end."""

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached, Temporary
from mailhub.model.reply import Reply

from .files import Files

_NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage")
_EVERY = 1.0  # seconds between two looks


class Space:
    def __init__(self, folder: str, files: Files, clock: Clock, config: StoreConfig) -> None:
        self._folder, self._files, self._clock = folder, files, clock
        self._floor, self._inode_floor = config.free_space_floor, config.inode_floor
        self._octets = 0
        self._inodes: int | None = None
        self.looked = float("-inf")

    def check(self) -> None:
        """LimitReached where there is too little; Temporary where it can not be told."""
        now = self._clock.monotonic()
        if now - self.looked >= _EVERY:
            try:
                self._octets, self._inodes = self._files.free_space(self._folder), self._files.free_inodes(self._folder)
            except OSError as error:
                raise Temporary(f"{self._folder}: {error.strerror or error}") from error
            self.looked = now
        if self._octets < self._floor:
            raise LimitReached(f"{self._octets} octets free, store.free_space_floor is {self._floor}", _NO_ROOM)
        if self._inodes is not None and self._inodes < self._inode_floor:
            raise LimitReached(f"{self._inodes} inodes free, store.inode_floor is {self._inode_floor}", _NO_ROOM)
