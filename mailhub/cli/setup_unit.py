"""The service of systemd that `mailhub setup` leaves where none is there: examples/systemd/mailhub.service with this host's paths."""

import os
import subprocess
from pathlib import Path

from mailhub.config.production import Production

from .program import program

FOLDER = Path("/etc/systemd/system")
_OTHERS = (Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"))
NAME = "mailhub.service"
_RUNS = Path("/run/systemd/system")  # there while systemd runs (sd_booted(3))
_USUAL_DATA = "/var/lib/mailhub"
_VERBS = {"ExecStart": "serve", "ExecReload": "reload"}


def template() -> str:
    """As it is installed beside this module, or in the repository."""
    here = Path(__file__)
    places = (here.with_name(NAME), here.parents[2] / "examples/systemd" / NAME)
    return next(place for place in places if place.is_file()).read_text(encoding="utf-8")


def unit(wanted: Production, file: Path, words: tuple[str, ...]) -> str:
    """The text of the unit. `words`: how mailhub is run."""
    lines = []
    for line in template().splitlines():
        name, equals, value = line.partition("=")
        if verb := _VERBS.get(name):
            value = " ".join(_quoted(word) for word in (*words, verb, "--config", str(file)))
        elif name in ("User", "Group"):
            user, _, group = wanted.user.partition(":")
            value = group or user if name == "Group" else user
        elif name == "WorkingDirectory":
            value = wanted.data.replace("%", "%%")
        elif name in ("StateDirectory", "StateDirectoryMode") and wanted.data != _USUAL_DATA:
            if name == "StateDirectoryMode":
                continue
            name, value = "ReadWritePaths", _quoted(wanted.data)
        elif name == "ProtectHome" and any(
            path.split("/")[1:2] in (["home"], ["root"]) for path in (words[0], wanted.data)
        ):
            value = "no"
        lines.append(f"{name}{equals}{value}")
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    """As systemd reads it (systemd.service(5), "Command lines")."""
    word = word.replace("%", "%%").replace("$", "$$")
    return word if word.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum() else f'"{word}"'


def install(wanted: Production, file: Path, folder: Path = FOLDER) -> str:
    """The path of the unit that was written, "" where one is there, this host has no systemd, or not root sets this up. OSError."""
    place = folder / NAME
    if (
        not wanted.user
        or os.geteuid()
        or not folder.is_dir()
        or any((other / NAME).exists() for other in (folder, *_OTHERS))
    ):
        return ""
    new = place.with_name(f".{NAME}.{os.getpid()}")
    new.write_text(unit(wanted, file, tuple(program())), encoding="utf-8")
    new.chmod(0o644)
    os.rename(new, place)
    if _RUNS.is_dir():
        subprocess.run(["systemctl", "daemon-reload"], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return str(place)
