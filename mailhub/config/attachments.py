"""Rules about what mail carries: [attachments]."""

from typing import Annotated, Literal

from msgspec import Meta

from .filters import Check, Score
from .section import Count, Octets

Done = Literal["accept", "tag", "junk", "quarantine", "tempfail", "reject"]
Kind = Literal[
    "executable",
    "script",
    "shortcut",
    "zip",
    "rar",
    "7z",
    "gzip",
    "bzip2",
    "xz",
    "tar",
    "cab",
    "iso",
    "ole",
    "pdf",
    "rtf",
    "html",
    "image",
]


class Attachments(Check, frozen=True, kw_only=True):
    # Extensions of names, and real types (found in the content, whatever the name says), that are not wanted, in archives too; and
    # what is then done at least: "accept", "tag", "junk", "quarantine", "tempfail", "reject".
    names: tuple[str, ...] = (
        "exe", "com", "scr", "pif", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "cpl", "msi", "jar", "lnk", "reg", "ps1",
    )  # fmt: skip
    types: tuple[Kind, ...] = ("executable", "shortcut")
    unwanted: Done = "quarantine"
    # What is done at least with a bomb: an archive that becomes a hundred times as large as it is and larger than `size_limit`, or more parts
    # than `part_limit` or deeper ones than `part_depth`.
    bomb: Done = "reject"
    # What is added to the score: for a harmless name on something that can be run; for macros; for an archive with a password; for one that
    # can not be read, or not within the limits.
    disguise_score: Score = 5.0
    macro_score: Score = 1.0
    encrypted_score: Score = 1.0
    unknown_score: Score = 0.5
    # Octets that are decoded and unpacked of one message; members of its archives; archives in archives.
    size_limit: Octets = 67_108_864
    member_limit: Count = 2_000
    archive_depth: Annotated[int, Meta(ge=1, le=20)] = 5
    # Parts of a message, and how deep one may lie.
    part_limit: Annotated[int, Meta(ge=1, le=9_999)] = 1_000
    part_depth: Annotated[int, Meta(ge=1, le=99)] = 30
