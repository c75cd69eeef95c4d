"""What the deputy takes for a request: anything may come, little is served."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.deputy import words
from mailhub.deputy.programs import fits
from mailhub.deputy.words import Argument, Deliver, Malformed, Request

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_is_a_request_or_malformed(packet: bytes) -> None:
    with pytest.raises(Malformed):
        words.request(packet)


@given(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Look", "Forward", "Deliver", "Run", "Start"]),
            "user": st.text(string.ascii_lowercase + "./-\0", max_size=8),
        },
        optional=dict.fromkeys(
            ("extension", "mark", "again", "path", "command", "environment", "program", "argv"), _JSON
        ),
    )
)
def test_what_is_served_names_a_user_and_no_path(what: dict[str, Any]) -> None:
    try:
        found = words.request(json.dumps({"id": 1, "what": what}).encode()).what
    except Malformed:
        return
    if isinstance(found, words.Start):
        return
    assert set(found.user) <= set(string.ascii_lowercase + ".-")
    assert found.user[0] not in ".-"
    assert "/" not in getattr(found, "mark", "")
    assert "/" not in getattr(found, "extension", "")


def test_a_request_comes_as_it_was_said() -> None:
    asked = Request(7, Deliver("bob", "Q1R0", True, "/srv/bob/list", "tag"))
    assert words.request(words.encoded(asked)) == asked


@given(
    st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))), min_size=1, max_size=5)
)
def test_arguments_of_a_command(recipients: list[str]) -> None:
    """What was filled in may be anything but an option; what is fixed is what it was."""
    template = (
        Argument("/p"),
        Argument("-f"),
        Argument("", filled=True, several=True),
        Argument("to=", filled=True, several=True),
    )
    argv = ["/p", "-f", *recipients, *(f"to={one}" for one in recipients)]
    assert fits(argv, template) == (not any(one.startswith("-") for one in recipients))
    assert not fits(["/q", *argv[1:]], template)
    assert not fits([*argv, "-x"], template)
    assert not fits([*argv[:-1], "x"], template)
