"""A word that stands nowhere in a plain ENVELOPE is not looked for further; whatever is not plain is taken apart."""

import pytest

from mailhub.mailbox.readable import folded
from mailhub.mailbox.search import Candidate, matches
from mailhub.message.structure import render
from mailhub.model import search as query
from mailhub.model.mailbox import MessageRow


@pytest.mark.parametrize(
    ("subject", "asked", "found"),
    [
        (b"Quarterly report", "quarterly", True),
        (b"Quarterly report", "QUART", True),
        (b"Quarterly report", "yearly", False),
        (b"=?utf-8?B?UXVhcnRlcmx5?= report", "Quarterly", True),  # an encoded word
        (b"=?utf-8?Q?Quar?= =?utf-8?Q?terly?=", "quarterly", True),
        (b"in \xe2\x84\xaaelvin", "kelvin", True),  # KELVIN SIGN is compared as K
        (b'say \\"so\\" well', "so", True),
        (b"a\\b", "ab", False),
        (b"person", "example", False),  # it is in From alone
        (b"two words", "two words", True),
    ],
)
def test_a_subject_is_found_as_it_reads(subject: bytes, asked: str, found: bool) -> None:
    message = Candidate(1, 0, False)
    envelope, structure = render(b"From: a@example.org\r\nSubject: " + subject + b"\r\n\r\n")
    message.row = MessageRow(1, 0, 1, 0, 0, envelope, structure)
    assert matches(query.Envelope("SUBJECT", folded(asked)), message) is found
