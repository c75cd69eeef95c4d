"""[directory]: what no type can say."""

from typing import Any

import pytest

from mailhub.config.rules import check
from mailhub.config.schema import Config, Directory


@pytest.mark.parametrize(("options", "wrong"), [
    ({}, []), ({"schema": "queries", "user_query": "select 1"}, []), ({"schema": "queries"}, [("directory", "user_query")]),
    ({"hosts": ()}, [("directory", "hosts")]), ({"hosts": ("inet:db.test",)}, []), ({"hosts": ("unix:/s", "db")}, [("directory", "hosts", 1)]),
    ({"hosts": ("inet:db:x",)}, [("directory", "hosts", 0)]), ({"hosts": ("unix:",)}, [("directory", "hosts", 0)]),
])  # fmt: skip
def test_what_can_not_be(options: dict[str, Any], wrong: list[tuple[str | int, ...]]) -> None:
    assert [finding.path for finding in check(Config(directory=Directory(kind="mysql", **options)))] == wrong


def test_not_with_what_makes_accounts_by_itself() -> None:
    directory = Directory(kind="mysql")
    assert [f.path for f in check(Config(directory=directory, demo=True))] == [("demo",)]
    assert [f.path for f in check(Config(directory=directory, mode="capture"))] == [("directory", "kind")]
