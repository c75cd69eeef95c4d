"""The names in a folder, synced once for all who wait."""

import asyncio

from .files import Files
from .lane import Job, Lane


class Names(Lane):
    """The lane that does it for one folder."""

    def __init__(self, files: Files, folder: str) -> None:
        super().__init__("mailhub-names")
        self._files, self._folder = files, folder

    def covered(self) -> "asyncio.Future[None]":
        """Done when a sync that began after this call is."""
        return self.call(self._files.sync_file, self._folder)

    def _work(self, jobs: list[Job]) -> None:
        function, arguments, _ = jobs[0]
        done = self._outcome(function, arguments)
        self._answer([(future, *done) for _, _, future in jobs])
