"""TLS reports of others (RFC 8460 section 4), read. Pure."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=10_000)]
Count = Annotated[int, Meta(ge=0, le=10**15)]


class _Range(Struct, rename="kebab"):
    start_datetime: Text
    end_datetime: Text


class _Policy(Struct, rename="kebab"):
    policy_type: Text
    policy_domain: Text


class _Summary(Struct, rename="kebab"):
    total_successful_session_count: Count = 0
    total_failure_session_count: Count = 0


class Failed(Struct, rename="kebab"):
    """Sessions that failed alike."""

    result_type: Text
    failed_session_count: Count = 0
    sending_mta_ip: Text = ""
    receiving_mx_hostname: Text = ""
    receiving_ip: Text = ""
    failure_reason_code: Text | None = ""


class Part(Struct, rename="kebab"):
    """What became of sessions under one policy."""

    policy: _Policy
    summary: _Summary
    failure_details: Annotated[list[Failed], Meta(max_length=100_000)] = []


class TlsReportRead(Struct, rename="kebab"):
    organization_name: Text
    date_range: _Range
    report_id: Text
    policies: Annotated[list[Part], Meta(max_length=10_000)]


def ended(report: TlsReportRead) -> float:
    """When its time ended; 0 where that can not be read."""
    try:
        return datetime.fromisoformat(report.date_range.end_datetime).timestamp()
    except ValueError:
        return 0.0


def read(octets: bytes) -> TlsReportRead:
    """ValueError for what is no report."""
    try:
        return msgspec.json.decode(octets, type=TlsReportRead)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no TLS report: {error}") from error
