"""Texts of reports: what comes along is whole in each language; what the operator writes is checked, by file, line and fix."""

import pytest

from mailhub.config import bounce_texts
from mailhub.config.bounce_texts import ACTIONS, SHIPPED, VARIABLES, Text, chosen, filled, wrong
from mailhub.config.load import ConfigError, parse

DOCUMENT = """\
[queue]
bounce_languages = [%s]

[[queue.bounce_texts]]
language = "en"
action = "failed"
subject = "%s"
body = \"\"\"
Dear sender,
%s
\"\"\"
"""


def problems(languages: str = '"en"', subject: str = "Sorry", body: str = "no") -> list[str]:
    try:
        parse(DOCUMENT % (languages, subject, body))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("language", SHIPPED)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_language_that_comes_along_is_whole(language: str, action: str) -> None:
    (text,) = chosen([language], [])[action]
    assert (text.language, text.action) == (language, action)
    assert [*wrong(text.subject), *wrong(text.body)] == []
    assert "$" not in filled(text.body, dict.fromkeys(VARIABLES, "x"))


def test_what_is_right_is_taken() -> None:
    assert problems('"en", "zh"', "$queue_id", "$hostname ${sender} $$ $until") == []


@pytest.mark.parametrize(
    ("subject", "body", "line", "key", "found", "fix"),
    [
        ("x", "ask $postmastr", 8, "body", "$postmastr", "$postmaster (did you mean that?)"),
        ("x", "costs 5$ and more", 8, "body", "$", "$$ for a dollar sign"),
        ("x", "${}", 8, "body", "${}", "$hostname"),
        ("$nothing_like_it_at_all", "x", 7, "subject", "$nothing_like_it_at_all", "$$ for a dollar sign"),
        ("two\\nlines", "x", 7, "subject", "two", "one line of text"),
        ("x", "y" * 201, 8, "body", "a line of 201 characters", "at most 200"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_fix(
    subject: str, body: str, line: int, key: str, found: str, fix: str
) -> None:
    (problem,) = problems(subject=subject, body=body)
    assert problem.startswith(f"config.toml:{line}: queue.bounce_texts[1].{key}: found ")
    assert found in problem
    assert fix in problem


def test_a_language_needs_all_its_texts() -> None:
    (problem,) = problems('"en", "eo"')
    assert problem.startswith('config.toml:2: queue.bounce_languages[2]: found "eo"')
    assert "missing: failed, delayed, delivered, relayed, expanded, double" in problem
    (problem,) = problems("")
    assert "at least one language" in problem


def test_one_text_for_each_action_and_language() -> None:
    text = DOCUMENT % ('"en"', "x", "y")
    with pytest.raises(ConfigError, match="a second time"):
        parse(text + text[text.index("[[") :])


def test_the_operators_text_stands_before_ours_and_english_for_what_is_missing() -> None:
    own = [Text("en", "failed", "mine", "mine"), Text("de", "delayed", "s", "b")]
    assert chosen(["en"], own)["failed"] == (own[0],)
    assert chosen(["de"], own)["delayed"] == (own[1],)
    assert [text.language for text in chosen(["de"], own)["double"]] == ["en"]
    assert bounce_texts.missing("de", own) == ["failed", "delivered", "relayed", "expanded", "double"]


def test_values_are_not_templates() -> None:
    assert filled("$sender $$sender ${sender}", {"sender": "$hostname"}) == "$hostname $sender $hostname"
