"""docs/smtp-extensions.md has a row for each extension that EHLO can offer, as the code has it, with tests that exist."""

import re

from support.source import REPOSITORY

from mailhub.config.schema import Config, Listener
from mailhub.protocols.smtp.extensions import EXTENSIONS

PAGE = (REPOSITORY / "docs" / "smtp-extensions.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([A-Z0-9-]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE)


def test_each_extension_has_a_row_that_says_what_the_code_does() -> None:
    code = [(e.keyword, f"RFC {e.rfc}" if e.rfc else "Postfix", e.when) for e in EXTENSIONS]
    assert [(keyword, by, offered) for keyword, by, offered, _, _ in ROWS] == code


def test_each_option_exists() -> None:
    sections = {name: getattr(Config(), name) for name in Config.__struct_fields__} | {"listener": Listener}
    named = [option for row in ROWS for option in re.findall(r"`(\w+)\.(\w+)`", row[3])]
    assert named
    assert [option for option in named if option[1] not in sections[option[0]].__struct_fields__] == []


def test_each_test_exists() -> None:
    missing = []
    for keyword, *_, shown in ROWS:
        tests = re.findall(r"`([^`]+)`", shown)
        missing += [] if tests else [keyword]
        for test in tests:
            path, _, function = test.partition("::")
            file = REPOSITORY / "tests" / path
            text = file.read_text("utf-8") if file.exists() else ""
            wanted = rf"def {function}\(" if function else "." if path.endswith(".py") else rf"\b{keyword}\b"
            if not re.search(wanted, text):
                missing.append(test)
    assert missing == []
