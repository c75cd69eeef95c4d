"""Whatever stands in config.toml: a configuration, or errors that each say where and what, without the value of a secret."""

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz
from support.server import REPOSITORY

from mailhub.config.load import ConfigError, parse

_OWN = (REPOSITORY / "config.toml").read_text().splitlines()
_LINES = [line for line in _OWN if line and not line.startswith("#")]
_VALUES = st.sampled_from(
    ['""', "-1", "0", "1e400", "nan", "[]", "{}", "true", '"\\u0000"', "[[1]]", '"%d/../%n"', "9223372036854775808", "1979-05-27", '["a", 1]',
     '{ a = { b = 1 } }', '"${HOME}"', '"::1/129"']
)  # fmt: skip
_CHANGED = st.builds(lambda line, value: f"{line.partition('=')[0]}= {value}", st.sampled_from(_LINES), _VALUES)
_TEXT = st.lists(st.sampled_from(_LINES) | _CHANGED | st.text(max_size=20), max_size=12).map("\n".join)
_DEEP = st.integers(1, 3_000).map(lambda depth: "a = " + "[" * depth + "]" * depth)


@fuzz(150)
@given(text=_TEXT | _DEEP | st.text(max_size=200))
def test_a_configuration_or_errors_that_say_where(text: str) -> None:
    try:
        parse(text, "config.toml", {})
        told = "taken"
    except ConfigError as error:
        told = str(error)
    assert told
    assert "Traceback" not in told
