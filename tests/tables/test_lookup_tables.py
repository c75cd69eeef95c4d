"""Each type of table, as the operator writes it and as a key finds it."""

import os
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.config import lookup
from mailhub.config.lookup import Malformed
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Permanent, Temporary
from mailhub.tables import Tables, patterns, sql, text
from mailhub.tables.text import BadLine


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def tables(clock: VirtualClock) -> Tables:
    return Tables(clock, random.Random(1))


# --- how they are named ---


@pytest.mark.parametrize(
    ("value", "sources"),
    [
        ("hash:/etc/aliases", ("hash:/etc/aliases",)),
        ("", ()),
        ({"a": "b"}, ((("a", "b"),),)),
        (["static:x", {"a": "b", "c": "d"}], ("static:x", (("a", "b"), ("c", "d")))),
        ("unionmap:{static:a, {inline:{b=c d=e}}}", ("unionmap:{static:a, {inline:{b=c d=e}}}",)),
    ],
)
def test_names_of_tables(value: object, sources: object) -> None:
    assert lookup.read(value).sources == sources


@pytest.mark.parametrize(
    "value",
    ["/etc/aliases", "nosuch:x", "hash:", 3, [3], {"a": 1}, "unionmap:x", "unionmap:{}", "unionmap:{hash:}", "pipemap:{a}",
     "inline:{a", "inline:{a}", "inline:{=a}", "pipemap:{inline:{a}}", "inline:}{", "unionmap:{static:a}}{"],
)  # fmt: skip
def test_what_names_no_table(value: object) -> None:
    with pytest.raises(Malformed):
        lookup.read(value)


def test_file_names_count_from_the_folder_of_the_config() -> None:
    names = ["hash:a", "static:a", "cidr:/b", "unionmap:{hash:a, static:x}", "sqlite:db.cf"]
    assert lookup.anchored(lookup.read(names), "/etc").sources == (
        "hash:/etc/a",
        "static:a",
        "cidr:/b",
        "unionmap:{{hash:/etc/a}, {static:x}}",
        "sqlite:/etc/db.cf",
    )


# --- text ---

SOURCE = """\
# a comment
Key1 value one
 goes on
  # not in between

key2\tvalue two
"key with blanks" value three
key1 is given twice
user@Example.ORG  OK
2001:db8::1 REJECT no
"""


async def test_postmap_source(tmp_path: Path, tables: Tables) -> None:
    (tmp_path / "t").write_text(SOURCE)
    for kind in ("hash", "btree", "lmdb", "cdb", "texthash", "file"):
        table = tables.named(f"{kind}:{tmp_path}/t")
        assert await table.lookup("KEY1") == "value one goes on"
        assert await table.lookup("key2") == "value two"
        assert await table.lookup("key with blanks") == "value three"
        assert await table.lookup("user@example.org") == "OK"
        assert await table.lookup("2001:db8::1") == "REJECT no"
        assert await table.lookup("key3") is None
        assert await table.lookup("#") is None


async def test_aliases_in_a_hash_of_a_tutorial(tmp_path: Path, tables: Tables) -> None:
    (tmp_path / "aliases").write_text(
        '# hi\npostmaster: root\n"quoted name": |"/bin/x -y"\nRoot:  a@b.example,\n\tc\nnobody:\n'
    )
    table = tables.named(f"hash:{tmp_path}/aliases")
    assert await table.lookup("postmaster") == "root"
    assert await table.lookup("quoted name") == '|"/bin/x -y"'
    assert await table.lookup("root") == "a@b.example,\tc"
    assert await table.lookup("nobody") == ""
    with pytest.raises(BadLine, match="line 1"):
        text.aliases("no colon here\n")


@pytest.mark.parametrize(("source", "line"), [(" starts with a blank\n", 1), ("a b\nlonely\n", 2)])
def test_bad_lines_are_named(source: str, line: int) -> None:
    with pytest.raises(BadLine, match=f"line {line}"):
        text.pairs(source)


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path, tables: Tables, clock: VirtualClock) -> None:
    file = tmp_path / "t"
    table = tables.named(f"hash:{file}")
    with pytest.raises(Temporary, match="No such file"):
        await table.lookup("a")
    assert list(await tables.check()) == [f"hash:{file}"]
    file.write_text("a first\n")
    with pytest.raises(Temporary):
        await table.lookup("a")
    await clock.advance(1)
    assert await table.lookup("a") == "first"
    file.write_text("a second\n")
    assert await table.lookup("a") == "first"
    await clock.advance(1)
    assert await table.lookup("a") == "second"
    file.write_text("broken\n")
    await clock.advance(1)
    assert await table.lookup("a") == "second"
    assert "line 1" in (await tables.check())[f"hash:{file}"]
    os.remove(file)
    await clock.advance(1)
    assert await table.lookup("a") == "second"
    file.write_text("a third\n")
    await clock.advance(1)
    assert await table.lookup("a") == "third"
    assert await tables.check() == {}


# --- patterns ---


@pytest.mark.parametrize(
    ("source", "key", "value"),
    [
        ("/^user(.*)@a$/ to $1", "USER7@a", "to 7"),
        ("/^user(.*)@a$/i to ${1}", "USER7@a", None),
        ("/(a)(b)?/ $(1)-$2-$$-$9", "a", "a--$-"),
        ("!/^a/ not $1", "b", "not $1"),
        ("!/^a/ not", "a", None),
        ("/x/ one\n/y/ two", "y x", "one"),
        ("if /@a$/\n/^b/ inner\nendif\n/b/ outer", "b@a", "inner"),
        ("if /@a$/\n/^b/ inner\nendif\n/b/ outer", "b@c", "outer"),
        ("if !/@a$/\n/^b/ inner\nendif", "b@a", None),
        ("|a/b|  found", "a/b", "found"),
        (r"/a\/b/ found", "a/b", "found"),
        ("/^[[:digit:]]+$/ number", "123", "number"),
        ("/a/\tvalue with tab", "a", "value with tab"),
        ("/a/ x\n y", "a", "x y"),
        ("if\t/a/\n/b/i\tinner value\nendif", "aB", None),
        ("if\t/a/\n/b/\tinner value\nendif", "aB", "inner value"),
    ],
)
def test_patterns(source: str, key: str, value: str | None) -> None:
    for perl in (False, True):
        assert patterns.regexp(source, perl=perl).find(key) == value


@pytest.mark.parametrize(
    "source", ["abc def", "/a", "/a/", "/(/ x", "/a/Q x", "endif", "if /a/\n/b/ c", "/a/A x", r"\a\ b"]
)
def test_bad_patterns_are_named(source: str) -> None:
    with pytest.raises(BadLine, match="line 1"):
        patterns.regexp(source, perl=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("192.0.2.7", "REJECT"), ("192.0.3.7", "OK"), ("10.0.0.1", "inner"), ("10.1.0.1", "outside"), ("2001:db8::1", "six"),
        ("2001:db9::1", None), ("11.0.0.1", "outside"), ("not an address", None), ("", None), ("192.0.2.7%eth0", "REJECT"),
    ],
)  # fmt: skip
def test_networks(key: str, value: str | None) -> None:
    source = (
        "192.0.2.0/24 REJECT\n192.0.3.7 OK\nif 10.0.0.0/8\n10.0.0.0/16\tinner\nendif\n"
        "[2001:db8::]/32 six\n!192.0.0.0/16 outside\n"
    )
    assert patterns.cidr(source).find(key) == value


def test_bad_networks_are_named() -> None:
    with pytest.raises(BadLine, match="line 2"):
        patterns.cidr("10.0.0.0/8 x\n10.0.0.1/8 y\n")


# --- tables of tables ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("static:all", "all"),
        ("inline:{a=b, {c = d e}}", "b"),
        ("unionmap:{static:x, inline:{b=c}, {inline:{{a=y z}}}}", "x,y z"),
        ("unionmap:{inline:{b=c}}", None),
        ("pipemap:{inline:{a=b}, inline:{b=c}}", "c"),
        ("pipemap:{inline:{a=b}, inline:{x=c}}", None),
        ("randmap:{one, one}", "one"),
    ],
)
async def test_tables_of_tables(tables: Tables, name: str, value: str | None) -> None:
    assert await tables.named(name).lookup("a") == value


async def test_several_are_searched_in_their_order(tables: Tables) -> None:
    table = tables.open(lookup.read([{"A": "first"}, "inline:{a=second, b=third}", "fail:gone"]))
    assert await table.lookup("a") == "first"
    assert await table.lookup("b") == "third"
    with pytest.raises(Temporary):
        await table.lookup("c")
    assert await table.lookup("x" * 1_001) is None
    assert await tables.open(lookup.read("")).lookup("a") is None


# --- SQL ---


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ann@a.test", "/mail/ann,/more/ann"), ("o'hara@a.test", "quoted"), ("ann@b.test", None), ("ann", None),
        ("x' or '1'='1@a.test", None), ("nul\0@a.test", None), ("%@a.test", None), ("", None),
    ],
)  # fmt: skip
async def test_sqlite(tmp_path: Path, tables: Tables, key: str, value: str | None) -> None:
    with sqlite3.connect(tmp_path / "users.db") as db:
        db.execute("create table box(user text, domain text, path text, more text)")
        db.execute(
            "insert into box values ('ann', 'a.test', '/mail/ann', '/more/ann'), ('o''hara', 'a.test', 'quoted', '')"
        )
    (tmp_path / "users.cf").write_text(
        f"dbpath = {tmp_path}/users.db\ndomain = a.test, c.test\n"
        "query = SELECT path, more FROM box\n  WHERE user = '%u' AND domain = '%d' AND '100%%' != 'x'\n"
    )
    assert await tables.named(f"sqlite:{tmp_path}/users.cf").lookup(key) == value


@pytest.mark.parametrize(
    ("template", "value", "made"),
    [
        ("%s", "a@b.c", "a@b.c"), ("%u at %d", "a@b.c", "a at b.c"), ("%d", "a", None), ("%u", "a", "a"), ("%u", "@b", None),
        ("%1-%2", "a@x.y.z", "z-y"), ("%4", "a@x.y.z", None), ("100%%", "a", "100%"), ("%%s", "a", "%s"),
    ],
)  # fmt: skip
def test_parts_of_a_key(template: str, value: str, made: str | None) -> None:
    assert sql.filled(template, value) == made


def test_a_key_is_bound_and_never_pasted() -> None:
    made, _ = sql.query("query = select '%u', \"%s\", 'it''s', 5 %% 2 from t where a like '%%%u'\n", "?")
    assert made.statement.text == "select ?, ?, 'it''s', 5 % 2 from t where a like ?"
    assert made.bound("x@y") == ["x", "x@y", "%x"]
    made, _ = sql.query("query = select 'a%b' where '%s' = 5 %% 2", "%s")
    assert made.statement.text == "select 'a%%b' where %s = 5 %% 2"
    for bad in (
        "query = select %s",
        "query = select 1 where a = %u",
        "dbpath = x",
        "query = x\nexpansion_limit = many",
    ):
        with pytest.raises(Permanent):
            sql.query(bad, "?")


async def test_results_are_joined_and_bounded(tmp_path: Path, tables: Tables) -> None:
    (tmp_path / "t.cf").write_text(
        f"dbpath = {tmp_path}/t.db\nexpansion_limit = 2\nresult_format = %s@%D\nquery = select v from t where k = '%u'\n"
    )
    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute("create table t(k text, v text)")
        db.execute("insert into t values ('a','x'), ('a','y'), ('a',''), ('b','1'), ('b','2'), ('b','3')")
    table = tables.named(f"sqlite:{tmp_path}/t.cf")
    assert await table.lookup("a@d.test") == "x@d.test,y@d.test"
    with pytest.raises(Temporary, match="expansion_limit"):
        await table.lookup("b@d.test")
    (tmp_path / "gone.cf").write_text(f"dbpath = {tmp_path}/none.db\nquery = select '%s'\n")
    with pytest.raises(Temporary, match=r"none\.db"):
        await tables.named(f"sqlite:{tmp_path}/gone.cf").lookup("a")


@given(st.text(max_size=40))
def test_no_key_breaks_a_pattern(key: str) -> None:
    found = patterns.regexp("/^([^@]*)@(.*)$/ $1 at $2\n!/x/ none", perl=True).find(key)
    assert found is None or isinstance(found, str)
    patterns.cidr("10.0.0.0/8 x\n2001:db8::/32 y").find(key)
    sql.filled("%s %u %d %1", key)
