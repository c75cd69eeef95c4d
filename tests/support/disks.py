"""File systems of one's own, that can really be filled, broken and mended. Only root may have them."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class Disk:
    """An ext4 in a file, at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> Path:
        """To the last octet."""
        filler = self.path / "filler"
        block = bytes(1 << 20)
        with filler.open("wb", buffering=0) as file:
            while block:
                try:
                    file.write(block)
                except OSError:
                    block = block[: len(block) // 2]
        return filler


@contextlib.contextmanager
def disk(folder: Path, megabytes: int = 64) -> Iterator[Disk]:
    image, path = folder / "disk.img", folder / "disk"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    try:
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system of one's own: {error}")
    try:
        yield Disk(path)
    finally:
        _run("umount", "-l", str(path))


@contextlib.contextmanager
def full_memory(path: Path) -> Iterator[Path]:
    """A folder in which there is no room at all."""
    path.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system of one's own: {error}")
    try:
        with contextlib.suppress(OSError), (path / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield path
    finally:
        _run("umount", "-l", str(path))


@contextlib.contextmanager
def unchangeable(*paths: Path) -> Iterator[None]:
    """Folders in which nothing can be made or removed, files that can not be written, not even by root or who has them open."""
    names = tuple(map(str, paths))
    try:
        _run("chattr", "+i", *names)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"chattr: {error}")
    try:
        yield
    finally:
        _run("chattr", "-i", *names)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
