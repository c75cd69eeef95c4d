"""The lines that `config.lines` finds, against documents that use every shape TOML has."""

import textwrap
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.config.lines import Path, locate


def paths(data: Any, path: Path = ()) -> set[Path]:
    """Every path of a document as tomllib read it."""
    found: set[Path] = {path} if path else set()
    if isinstance(data, dict):
        for key, value in data.items():
            found |= paths(value, (*path, key))
    elif isinstance(data, list):
        for n, value in enumerate(data):
            found |= paths(value, (*path, n))
    return found


def test_every_shape() -> None:
    text = textwrap.dedent(
        '''\
        a = 1  # [not.a.table]
        "b c".d = """
        x = 2 \\"""
        """
        e = [ # one
          1, [2,
          "]"],
        ]
        [f.g]
        'h' = { i = 1, j = [ { k = 2 } ] }
        [[l]]
        m = \'\'\'two
        lines\'\'\'\'
        [[l]]
        m = 2001-01-01 10:00:00
        [l.n]
        o = -inf
        '''
    )
    assert locate(text) == {
        ("a",): 1,
        ("b c",): 2,
        ("b c", "d"): 2,
        ("e",): 5,
        ("e", 0): 6,
        ("e", 1): 6,
        ("e", 1, 0): 6,
        ("e", 1, 1): 7,
        ("f", "g"): 9,
        ("f", "g", "h"): 10,
        ("f", "g", "h", "i"): 10,
        ("f", "g", "h", "j"): 10,
        ("f", "g", "h", "j", 0): 10,
        ("f", "g", "h", "j", 0, "k"): 10,
        ("l",): 11,
        ("l", 0): 11,
        ("l", 0, "m"): 12,
        ("l", 1): 14,
        ("l", 1, "m"): 15,
        ("l", 1, "n"): 16,
        ("l", 1, "n", "o"): 17,
    }


@pytest.mark.parametrize("end", ["", "\n", "\r\n", " # end"])
def test_the_document_may_end_anywhere(end: str) -> None:
    assert locate("a = 1" + end) == {("a",): 1}
    assert locate("[a]" + end) == {("a",): 1}


def test_crlf_counts_once() -> None:
    assert locate('a = """\r\n\r\n"""\r\nb = 1\r\n')[("b",)] == 4


SCALARS = st.one_of(
    st.integers(-5, 5).map(str),
    st.sampled_from(['"q # \\" ]"', "'l , }'", '"""m\n " "" \\\\ """', "'''m\n'' \n'''", "true", "1.5e3", "07:32:00"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[" + ",\n # c ]\n".join(items) + "\n]"),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=6))
def test_nothing_that_tomllib_reads_is_missed(values: list[str]) -> None:
    text = "".join(f"[t{n}]\nk . 'x.{n}' = {value}\n" for n, value in enumerate(values))
    wanted = paths(tomllib.loads(text))
    found = locate(text)
    assert wanted == set(found)
    for n in range(len(values)):
        assert text.split("\n")[found[(f"t{n}",)] - 1] == f"[t{n}]"
