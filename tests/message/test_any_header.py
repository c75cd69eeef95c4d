"""Header fields, addresses, signatures and reports, whatever they are: values, or the one error that their readers know."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.message import (
    address_list,
    address_spans,
    authres,
    dkim,
    dmarc_report,
    headers,
    parameters,
    tls_report_reading,
)

_PIECES = [b"From:", b"\r\n", b"\n", b"\r", b" ", b"\t", b"(", b")", b"<", b">", b"@", b",", b";", b":", b'"', b"\\", b"=?utf-8?b?", b"?=", b"=?x?q?",
           b"a@b.test", b"group:", b"=", b"*0*=", b"'", b"v=1", b"a=rsa-sha256", b"d=b.test", b"h=from", b"bh=", b"b=", b"\0", b"\xff", b"\xc3\xa9", b"spf=pass"]  # fmt: skip
_TEXT = st.lists(st.sampled_from(_PIECES) | st.binary(max_size=3), max_size=30).map(b"".join)


@fuzz(500)
@given(text=_TEXT)
def test_fields_and_addresses(text: bytes) -> None:
    assert 0 <= headers.header_end(text) <= len(text)
    for name, value in headers.fields(text):
        assert b"\n" not in name
        headers.text(value)
        headers.decode(value)
    headers.delivered_to(text)
    for one in address_list.mailboxes(text):
        assert isinstance(one, address_list.Mailbox)
    before = 0
    for span in address_spans.spans(text):
        assert before <= span.start <= span.end <= len(text), "spans overlap, or leave the field"
        before = span.end
    parameters.parse(text)


@fuzz(500)
@given(text=_TEXT)
def test_signatures_and_results(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        dkim.read(text)
    with contextlib.suppress(ValueError):
        dkim.read_key(text.decode("latin-1"))
    with contextlib.suppress(ValueError):
        authres.results(text)
    authres.authserv(text)
    authres.passed(text, "mx.test")
    assert (
        b"mx.test" not in authres.without_ours(b"Authentication-Results: mx.test; spf=pass\r\n" + text, "mx.test")[:30]
    )


_XML = [b"<?xml version='1.0'?>", b"<feedback>", b"</feedback>", b"<record>", b"</record>", b"<row>", b"<count>", b"1", b"</count>", b"&lt;", b"&#0;",
        b"<!DOCTYPE a>", b"<report_id>1</report_id>", b"<domain>a.test</domain>", b"{", b"}", b'"policies":', b"[", b"]", b'"report-id":"1"', b","]  # fmt: skip


@fuzz(400)
@given(text=st.lists(st.sampled_from(_XML) | st.binary(max_size=3), max_size=30).map(b"".join))
def test_reports_of_others(text: bytes) -> None:
    for read in (dmarc_report.read, tls_report_reading.read):
        with contextlib.suppress(ValueError):
            read(text)
