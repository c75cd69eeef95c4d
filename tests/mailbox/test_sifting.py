"""What is said of many messages at one time is what is said of each of them."""

from hypothesis import given
from hypothesis import strategies as st

from mailhub.mailbox.search import Candidate, keys, matches, measure, plan, with_picked
from mailhub.mailbox.sifting import Part, sifted
from mailhub.model import search as query
from mailhub.model.mailbox import MessageRow

SINCE, BEFORE = query.When.SINCE, query.When.BEFORE
RANGES = st.lists(st.integers(1, 40), max_size=4, unique=True).map(
    lambda ends: tuple(zip(*[iter(sorted(ends)[: len(ends) // 2 * 2])] * 2, strict=True))
)
LEAVES = st.one_of(
    st.just(query.All()),
    st.just(query.Recent()),
    st.just(query.Text("x")),  # of which neither view nor row can tell
    st.builds(query.Flag, st.sampled_from([1, 2, 4])),
    st.builds(query.Uids, RANGES),
    st.builds(query.Arrived, st.sampled_from([SINCE, BEFORE]), st.integers(0, 9)),
    st.builds(query.Larger, st.integers(0, 9) | st.just(1 << 63)),
    st.builds(query.Smaller, st.integers(0, 9) | st.just(1 << 63)),
)
KEYS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(query.Not, inner),
        st.builds(query.Or, inner, inner),
        st.builds(query.And, st.lists(inner, min_size=1, max_size=4).map(tuple)),
    ),
    max_leaves=12,
)
MESSAGES = st.dictionaries(
    st.integers(1, 40), st.tuples(st.integers(0, 7), st.booleans(), st.integers(0, 9), st.integers(0, 9)), min_size=1
)


def value(row: MessageRow, column: str) -> int:
    return row.date if column == "date" else row.size


@given(key=KEYS, messages=MESSAGES, measured=st.booleans())
def test_sifting_agrees_with_asking_each(
    key: query.Key, messages: dict[int, tuple[int, bool, int, int]], *, measured: bool
) -> None:
    rows = {uid: MessageRow(uid, one[0], 1, one[2], one[3], b"", b"") for uid, one in sorted(messages.items())}
    recent = frozenset(uid for uid, one in messages.items() if one[1])
    expected = {}
    for uid, row in rows.items():
        message = Candidate(uid, row.flags, uid in recent)
        message.row = row
        expected[uid] = matches(key, message)
    if measured:
        asked = {
            one: measure(one) for one in keys(key) if isinstance(one, query.Arrived | query.Larger | query.Smaller)
        }
        key = with_picked(
            key,
            {
                one: [uid for uid, row in rows.items() if low <= value(row, column) <= high]
                for one, (column, low, high) in asked.items()
            },
        )
        assert not plan(key).row
    uids = list(rows)
    part = Part(uids, [row.flags for row in rows.values()], frozenset(uids), recent)
    yes, open_ = sifted(key, part)
    assert not yes & open_
    for uid, answer in expected.items():
        if answer is None:
            assert uid in open_
        elif measured:
            assert (uid in yes) is answer
            assert uid not in open_
        else:
            assert uid in open_ or (uid in yes) is answer
