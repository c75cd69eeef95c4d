"""What mailhub is shipped with may be shipped under its own licence (Apache-2.0): each library of requirements/run.txt says a licence that asks
for no more than its notice. A new one is looked at by a person, and then named here."""

import re
from importlib import metadata

import pytest
from support.server import REPOSITORY

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0", "Unicode-3.0", "Unlicense", "Zlib",
}  # fmt: skip
TOLD_OTHERWISE = {  # in older metadata, where no SPDX expression stands
    "Apache 2.0": "Apache-2.0", "Apache License, Version 2.0": "Apache-2.0", "Apache Software License": "Apache-2.0",
    "MIT License": "MIT", "BSD": "BSD-3-Clause", "BSD License": "BSD-3-Clause", "Python Software Foundation License": "PSF-2.0",
}  # fmt: skip
LOCK = (REPOSITORY / "requirements" / "run.txt").read_text()
NAMES = sorted(set(re.findall(r"^([A-Za-z0-9_.-]+)==", LOCK, re.MULTILINE)))


def licence(name: str) -> str:
    """As an SPDX expression where it says one; else its licence field, else its classifiers."""
    told = metadata.metadata(name)
    classifiers = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line.startswith("License ::")
    ]
    known = [line for line in classifiers if line != "OSI Approved"]
    return told.get("License-Expression") or told.get("License") or " AND ".join(known)


def refused(expression: str) -> list[str]:
    """What of an expression is not allowed: of alternatives ("OR") one will do, of what holds together ("AND") all must."""
    alternatives = [
        [part.strip(" ()") for part in choice.split(" AND ")] for choice in TOLD_OTHERWISE.get(expression, expression).split(" OR ")
    ]  # fmt: skip
    wrong = [[part for part in parts if TOLD_OTHERWISE.get(part, part) not in ALLOWED] for parts in alternatives]
    return min(wrong, key=len)


def test_the_lock_is_read() -> None:
    assert {"uvloop", "aiosmtpd", "msgspec"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_library_may_be_shipped(name: str) -> None:
    try:
        told = licence(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is for another system or version of Python")
    assert refused(told) == [], f"{name}: {told}"


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [("GPL-3.0-only", ["GPL-3.0-only"]), ("MIT AND GPL-2.0-only", ["GPL-2.0-only"]), ("MIT OR GPL-2.0-only", []), ("", [""])],
)  # fmt: skip
def test_what_asks_for_more_is_refused(expression: str, wrong: list[str]) -> None:
    assert refused(expression) == wrong
