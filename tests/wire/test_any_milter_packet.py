"""Whatever a milter answers: a value that fits into a message, or Malformed."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.wire import milter

_CONTENT = st.binary(max_size=80) | st.lists(
    st.sampled_from([b"\0", b"550", b"5.7.1", b" no", b"%", b"\r\n", b"\0\0\0\1", b"Subject", b"<a@b.test>", b"\xff", b":"]), max_size=9
).map(b"".join)  # fmt: skip


@fuzz(500)
@given(
    letter=st.binary(min_size=1, max_size=1) | st.sampled_from(list("acdrtymhieb+-2pqsfC")).map(str.encode),
    content=_CONTENT,
)
def test_a_response_or_malformed(letter: bytes, content: bytes) -> None:
    with contextlib.suppress(milter.Malformed):
        told = milter.response(letter, content)
        for kind in (milter.AddHeader, milter.InsertHeader, milter.ChangeHeader):
            if isinstance(told, kind):
                assert not set(told.name) & set(" :\r\n\0")
        if not isinstance(told, milter.Decision | milter.Progress):
            milter.permitted(told, milter.ALL_ACTIONS)


@fuzz(300)
@given(content=st.binary(max_size=60), version=st.sampled_from([2, 6]))
def test_an_agreement_or_malformed(content: bytes, version: int) -> None:
    with contextlib.suppress(milter.Malformed):
        found = milter.agreed(content, version)
        for event in milter.EVENTS:
            assert isinstance(found.wants(event), bool)
            assert isinstance(found.answers(event), bool)
