"""Names of accounts, folders and files, whatever they are: none leaves its folder, and what we write is read again."""

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.model.address import key
from mailhub.store import maildir

_NAMES = st.text(max_size=30) | st.lists(st.sampled_from(["..", "/", ".", "&", "-", "&-", "\0", "%2F", "INBOX", "é", "\udcff", ":2,", "new"]), max_size=6).map("".join)  # fmt: skip


@fuzz(400)
@given(local=_NAMES, domain=_NAMES)
def test_no_account_leaves_the_folder_of_mail(local: str, domain: str) -> None:
    address = key(f"{local}@{domain if domain != '-' else ''}")  # "-" stands for no domain
    parts = maildir.home(address).split("/")
    assert len(parts) == 3
    assert not {"", ".", ".."} & set(parts)
    assert not any("\0" in part for part in parts)
    whose = maildir.account(parts[0], parts[1])
    assert whose in (None, address.removesuffix("@"))


@fuzz(400)
@given(name=_NAMES.filter(lambda name: "\udcff" not in name and "\0" not in name))
def test_a_folder_is_read_as_it_was_written(name: str) -> None:
    entry = f".{maildir.encode_name(name)}"
    assert "/" not in entry
    assert maildir.decode_name(entry[1:]) == name
    assert maildir.folder_name(entry) in (None, name)


@fuzz(400)
@given(entry=_NAMES | st.binary(max_size=30).map(lambda octets: octets.decode("utf-8", "surrogateescape")))
def test_names_that_others_wrote(entry: str) -> None:
    found = maildir.folder_name(entry)
    assert found is None or maildir.encode_name(found) == entry[1:]
    base, flags = maildir.split_name(entry)
    assert maildir.flags_of(maildir.letters(flags)) == flags
    clean = maildir.clean(base)
    assert maildir.clean(clean) == clean
    assert not any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in clean)
    maildir.sizes(base)
