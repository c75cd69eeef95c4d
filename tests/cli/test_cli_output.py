"""Tables, sizes, durations, and text from outside on a terminal."""

import click
import pytest

from mailhub.cli.options import duration
from mailhub.cli.output import harmless, octets, print_table


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "COUNT", "NOTE"), [("a", 1, ""), ("longer", 200, "x")])
    assert capsys.readouterr().out == "NAME    COUNT  NOTE\na           1\nlonger    200  x\n"
    print_table(("NAME",), [])
    assert capsys.readouterr().out == "NAME\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a@b", "a@b"),
        ("\x1b[2J\r\n", "\\x1b[2J\\r\\n"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u00fc\u4e2d", "\u00fc\u4e2d"),
        ("\udc80", "\\udc80"),
    ],
)
def test_text_from_outside_can_not_steer_a_terminal(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (999, "999"), (3500, "3.42K"), (1 << 20, "1M"), (5 << 40, "5T")])
def test_sizes(size: int, text: str) -> None:
    assert octets(size) == text


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("3h", 10800), ("2d", 172800)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(None, None, text) == seconds  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "h", "-1", "1.5h", "3 h", "\u0663h", "9" * 10])
def test_no_durations(text: str) -> None:
    with pytest.raises(click.BadParameter):
        duration(None, None, text)  # type: ignore[arg-type]
