"""docs/imap-extensions.md has a row for each capability, as the code has it, with tests that exist and speak of it."""

import re

from support.source import REPOSITORY

from mailhub.protocols.imap.capabilities import TABLE

PAGE = (REPOSITORY / "docs" / "imap-extensions.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([A-Za-z0-9=+-]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = [row for row in ROW.findall(PAGE) if row[0] != "keyword"]


def test_each_capability_has_a_row_that_says_what_the_code_does() -> None:
    code = [(re.sub(r"{facts\.\w+}", "N", row.keyword), row.rfc, row.condition.words, row.reason) for row in TABLE]
    assert [row[:4] for row in ROWS] == code


def test_each_test_exists_and_names_the_keyword_or_its_rfc() -> None:
    missing = []
    for keyword, rfc, *_, shown in ROWS:
        tests = re.findall(r"`([^`]+)`", shown)
        missing += [] if tests else [keyword]
        for test in tests:
            path, _, function = test.partition("::")
            file = REPOSITORY / "tests" / path
            text = file.read_text("utf-8") if file.exists() else ""
            wanted = rf"(?<![\w=+-]){re.escape(keyword)}(?![\w=+-])|\b{rfc}\b"
            if function:
                wanted = rf"def {function}\("
            elif path.endswith(".py"):
                wanted = "."
            if not re.search(wanted, text):
                missing.append(f"{keyword}: {test}")
    assert missing == []
