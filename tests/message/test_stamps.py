"""Trace fields: their form, and that nothing a client says can break them."""

import email
import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message import headers, stamps
from mailhub.model.envelope import Origin

WHEN = 1_795_687_200.0  # 2026-11-26 10:00:00 UTC


def test_received_from_a_client_under_tls() -> None:
    origin = Origin(
        "ESMTPSA", "2001:db8::1", "client.example", "alice@a.example", "TLSv1.3 with TLS_AES_256_GCM_SHA384"
    )
    assert stamps.received(origin, "mx.example", "0FQ7", "bob@b.example", WHEN) == (
        b"Received: from client.example ([IPv6:2001:db8::1])\r\n"
        b"\t(using TLSv1.3 with TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby mx.example (mailhub) with ESMTPSA id 0FQ7\r\n"
        b"\tfor <bob@b.example>;\r\n"
        b"\tThu, 26 Nov 2026 10:00:00 +0000\r\n"
    )


def test_received_in_the_clear_for_many_and_from_ourselves() -> None:
    assert stamps.received(Origin("SMTP", "192.0.2.1"), "mx.example", "1", None, WHEN) == (
        b"Received: from unknown ([192.0.2.1])\r\n\tby mx.example (mailhub) with SMTP id 1;\r\n"
        b"\tThu, 26 Nov 2026 10:00:00 +0000\r\n"
    )
    assert stamps.received(Origin("local"), "mx.example", "1", None, WHEN).startswith(
        b"Received: by mx.example (mailhub) with local id 1;\r\n"
    )


_TEXT = st.text(max_size=300) | st.text('();\r\n\t \\"<>,@\0', max_size=20)


@given(_TEXT, _TEXT, _TEXT, _TEXT)
def test_no_client_text_ends_a_field_or_opens_a_comment(client: str, helo: str, tls: str, recipient: str) -> None:
    field = stamps.received(Origin("ESMTP", client, helo, "", tls), "mx.example", "1", recipient, WHEN)
    assert field.endswith(b"\r\n")
    assert len(headers.fields(field + b"\r\n")) == 1
    for line in field.split(b"\r\n")[1:-1]:
        assert line.startswith(b"\t")
    before_for = field.partition(b"\tfor <")[0]
    assert before_for.count(b"(") == before_for.count(b")") == 1 + bool(client) + bool(client and tls)
    assert b";" not in before_for


@pytest.mark.parametrize("address", ["a@b", "", "grüße@b.example", "a@b>\r\nX-Forged: yes\r\n\r\nbody"])
def test_return_path_and_delivered_to_are_one_line(address: str) -> None:
    for field in (stamps.return_path(address), stamps.delivered_to(address)):
        assert field.count(b"\r\n") == 1
        assert field.endswith(b"\r\n")
        assert field.count(b"\n") == 1


def test_return_path_of_a_bounce_is_empty() -> None:
    assert stamps.return_path("") == b"Return-Path: <>\r\n"


@pytest.mark.parametrize("when", [0.0, WHEN, WHEN + 0.999, -1.0, 1e18, 253_402_300_799.0])
def test_dates_are_read_back(when: float) -> None:
    text = stamps.date_time(when)
    assert text.endswith(" +0000")
    assert email.utils.parsedate_to_datetime(text).timestamp() == min(max(int(when), 0), 253_402_300_799)


def test_a_message_id_is_one() -> None:
    field = f"Message-ID: {stamps.message_id('0FQ7', 'mx.example')}\n\n"
    assert email.message_from_string(field)["message-id"] == "<0FQ7@mx.example>"
