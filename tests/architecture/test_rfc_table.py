"""Every RFC that the code names stands in docs/rfc.md with its status, where it is obeyed, and the test that shows it."""

import re

from support.source import REPOSITORY, modules

TABLE = REPOSITORY / "docs" / "rfc.md"
ROW = re.compile(r"\| RFC (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]*) \|")
STATUS = {"full", "part", "reference"}


def rows() -> dict[str, list[str]]:
    return {match[1]: [cell.strip() for cell in match.groups()[1:]] for match in map(ROW.fullmatch, lines()) if match}


def lines() -> list[str]:
    return TABLE.read_text(encoding="utf-8").splitlines()


def named_in_code() -> dict[str, str]:
    return {number: module.path for module in modules() for number in re.findall(r"\bRFCs? (\d{3,5})\b", module.text)}


def test_the_table_reads_as_one() -> None:
    written = [line for line in lines() if line.startswith("| RFC ") and line[6].isdigit()]
    assert len(rows()) == len(written), "a row is malformed or stands there twice"
    numbers = [int(number) for number in rows()]
    assert numbers == sorted(numbers)
    assert {row[1] for row in rows().values()} <= STATUS


def test_every_rfc_named_in_code_has_its_row() -> None:
    missing = {number: path for number, path in named_in_code().items() if number not in rows()}
    assert missing == {}


def test_no_row_is_dead() -> None:
    """A row's modules and tests exist, and one of the modules names the RFC."""
    dead = []
    for number, (_, status, where, tests) in rows().items():
        places, shown = re.findall(r"`([^`]+)`", where), re.findall(r"`([^`]+)`", tests)
        if not places or (status != "reference" and not shown):
            dead.append(f"RFC {number}: no place or no test")
        paths = [f"mailhub/{place}" for place in places] + [f"tests/{test}" for test in shown]
        dead += [f"RFC {number}: there is no {path}" for path in paths if not (REPOSITORY / path).exists()]
        texts = [
            module.text for module in modules() if any(module.path.startswith(f"mailhub/{place}") for place in places)
        ]
        if not any(re.search(rf"\bRFCs? {number}\b", text) for text in texts):
            dead.append(f"RFC {number}: {where} does not name it")
    assert dead == []
