"""The part of [smtp] that policy services have, with Postfix's names (smtpd_policy_service_*). And how one is written in a restriction list. Pure."""

from typing import Annotated

from msgspec import Meta, Struct

from . import endpoints
from .content_filter import ContentFilter
from .endpoints import Endpoint
from .section import Count, Limit

_TIMES = ("timeout", "max_idle", "max_ttl", "retry_delay")


class PolicyServices(ContentFilter, frozen=True, kw_only=True):
    # check_policy_service: time for an answer; how often it is tried, and the pause between; and what is done where there is none: an action
    # of access(5), such as "DUNNO".
    policy_service_timeout: Annotated[float, Meta(ge=0.1, le=3_600)] = 100.0
    policy_service_try_limit: Annotated[int, Meta(ge=1, le=10)] = 2
    policy_service_retry_delay: Annotated[float, Meta(ge=0, le=60)] = 1.0
    policy_service_default_action: Annotated[str, Meta(min_length=1, max_length=500)] = (
        "451 4.3.5 Server configuration problem"
    )
    # How long a connection is kept without a question, and in all; questions on one, 0: no limit.
    policy_service_max_idle: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    policy_service_max_ttl: Annotated[float, Meta(ge=0, le=86_400)] = 1_000.0
    policy_service_request_limit: Limit = 0
    # What it is told as policy_context.
    policy_service_policy_context: Annotated[str, Meta(max_length=255)] = ""
    # Connections to one service at one time; failures in a row after which it is left alone (the default action), and for how long, until one
    # question tries again.
    policy_service_connections: Count = 20
    policy_service_breaker_failures: Count = 5
    policy_service_breaker_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 30.0


class Service(Struct, frozen=True):
    """One service. `settings`: what differs for it, by the option's name without "policy_service_"."""

    where: Endpoint
    settings: tuple[tuple[str, float | str], ...] = ()


def service(text: str) -> Service:
    """`inet:HOST:PORT`, or `{ inet:HOST:PORT, timeout=10s, default_action=DUNNO }`. Malformed where it is none."""
    where, words = endpoints.braced(text)
    return Service(where, tuple((name, _setting(name, value)) for name, value in words))


def _setting(name: str, value: str) -> float | str:
    if name in _TIMES:
        return endpoints.seconds(value)
    if name in ("try_limit", "request_limit") and value.isdecimal():
        return float(value)
    if name in ("default_action", "policy_context"):
        return value
    allowed = ", ".join((*_TIMES, "try_limit", "request_limit", "default_action", "policy_context"))
    raise endpoints.Malformed(f"{allowed} with a value, not {name[:100]!r}")
