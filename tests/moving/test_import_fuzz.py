"""Whatever stands in the files of Postfix and Dovecot: there is a draft that is a configuration, or a word about the file."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz
from support.old_files import DOVECOT, MAIN, MASTER, SQL

from mailhub.config.load import parse
from mailhub.moving.draft import toml
from mailhub.moving.importing import Unreadable, drafted
from mailhub.moving.postfix import HANDLED

_PIECES = st.sampled_from([
    "$", "${", "}", "${a?b:c}", "{", "=", "#", "\n", "\n  ", "\\", '"', ":", ",", "hash:/x", "proxy:mysql:/y", "regexp:", "inline:{a=b}", "-o ", "[::1]:25",
    "yes", "no", "0", "-1", "99999999999999999999", "1.5", "5m", "reject", "permit", "check_policy_service", "warn_if_reject", "lmtp:inet:", "\x00", "é", "\ud800",
    "$myhostname", "${mydomain}", "user=", "argv=", "!include ", "!include_try *", "<", "driver = sql\n", "passdb {\n", "}\n", "@", ".", "/", " ",
])  # fmt: skip
_VALUE = st.lists(_PIECES, max_size=8).map("".join)


def spoiled(text: str) -> st.SearchStrategy[str]:
    """The text with pieces in places of it."""
    change = st.tuples(st.integers(0, len(text)), st.integers(0, 40), _VALUE)

    def apply(changes: list[tuple[int, int, str]]) -> str:
        made = text
        for at, gone, put in changes:
            made = made[:at] + put + made[at + gone :]
        return made

    return st.lists(change, max_size=4).map(apply)


SETTINGS = st.lists(st.tuples(st.sampled_from(sorted(HANDLED)), _VALUE), max_size=6).map(
    lambda pairs: "".join(f"{name} = {value}\n" for name, value in pairs)
)


@fuzz(200)
@given(main=spoiled(MAIN) | SETTINGS, master=spoiled(MASTER), dovecot=spoiled(DOVECOT), sql=spoiled(SQL))
def test_any_files_give_a_configuration_or_a_word(main: str, master: str, dovecot: str, sql: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, text in (("main.cf", main), ("master.cf", master), ("dovecot.conf", dovecot), ("sql.conf", sql)):
            (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            draft = drafted(folder, folder)
        except Unreadable:
            return
        parse(toml({name: value for name, value in draft.options.items() if name != "secrets"}))
