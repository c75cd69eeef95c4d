"""The same source text, the same keys: what Postfix's own postmap(1) answers, and what we do."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mailhub.model.clock import VirtualClock
from mailhub.tables import Tables

POSTMAP = shutil.which("postmap", path="/usr/sbin:/usr/bin:/sbin")
SOURCES = {
    "texthash": "Ann@A.test one\n# c\nb  two words\n more\n192.0.2.1\tfour\n",
    "regexp": "/^(.*)@a\\.test$/ $1 here\nif /^b/\n/c$/i inner\nendif\n!/e/ no e\n/[[:digit:]]/ digit\n",
    "pcre": "/^(\\w+)@a\\.test$/ ${1}-$(1)\nif !/^b/\n/c$/ inner\nendif\n/d/i lower d\n!/^x/ not x\n",
    "cidr": "192.0.2.0/25 low\n192.0.2.128/25 high\nif 10.0.0.0/8\n10.1.0.0/16 ten one\nendif\n2001:db8::/32 six\n!10.0.0.0/8 other\n",
}
KEYS = [
    "ann@a.test", "ANN@a.test", "b", "bc", "BC", "bd", "D", "e", "x", "x y", "1", "192.0.2.1", "192.0.2.200", "10.1.2.3",
    "10.2.3.4", "2001:db8::5", "2001:db9::5", "nobody", "x@a.test", "two words",
]  # fmt: skip
NAMED = [
    "static:s",
    "inline:{a=b, {b = two words}}",
    "unionmap:{static:s, inline:{b=c}}",
    "pipemap:{inline:{b=x}, inline:{x=y}}",
]


def postmap(folder: Path, name: str, keys: list[str]) -> dict[str, str]:
    """What it finds, of all keys at once."""
    if POSTMAP is None:
        pytest.skip("postfix is not installed")
    (folder / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = mx.a.test\nmynetworks = 127.0.0.0/8\n")
    done = subprocess.run(
        [POSTMAP, "-c", str(folder), "-q", "-", name],
        input="".join(key + "\n" for key in keys), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "fatal" not in done.stderr, done.stderr
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


async def ours(name: str, keys: list[str]) -> dict[str, str]:
    table = Tables(VirtualClock()).named(name)
    return {key: value for key in keys if (value := await table.lookup(key)) is not None}


@pytest.mark.parametrize("kind", SOURCES)
async def test_files(tmp_path: Path, kind: str) -> None:
    (tmp_path / "t").write_text(SOURCES[kind])
    name = f"{kind}:{tmp_path}/t"
    found = await ours(name, KEYS)
    assert len(found) > 3
    assert found == postmap(tmp_path, name, KEYS)


@pytest.mark.parametrize("name", NAMED)
async def test_others(tmp_path: Path, name: str) -> None:
    keys = ["a", "b", "c"]
    assert await ours(name, keys) == postmap(tmp_path, name, keys)
