"""The part of [smtp] that milters have, with Postfix's names: `milters` is its smtpd_milters. And how one is written there. Pure."""

import re
from typing import Annotated, Literal, cast, get_args

from msgspec import Meta, Struct

from . import endpoints
from .endpoints import Endpoint
from .lookup import Lookup
from .policy_service import PolicyServices
from .section import Count

Default = Literal["accept", "reject", "tempfail", "quarantine", "shutdown"]
Wait = Annotated[float, Meta(ge=0.1, le=3_600)]
_TIMES = ("connect_timeout", "command_timeout", "content_timeout")


class Milters(PolicyServices, frozen=True, kw_only=True):
    # Filters that are asked about each session and message, in this order (Postfix's smtpd_milters): "inet:127.0.0.1:8891", "unix:/path", or with
    # settings of its own "{ inet:127.0.0.1:8891, connect_timeout=10s, default_action=accept }"; about mail that comes by LMTP; and by
    # table, for a client's address: others, or DISABLE.
    milters: tuple[str, ...] = ()
    non_smtpd_milters: tuple[str, ...] = ()
    milter_maps: Lookup = Lookup()
    # What is done where one does not answer, or answers nonsense: "tempfail", "accept" (and said so in X-Mailhub-Verdict), "quarantine",
    # "reject", "shutdown" (421).
    milter_default_action: Default = "tempfail"
    # Time to connect and agree; for the answer to a command; for that to the whole message.
    milter_connect_timeout: Wait = 30.0
    milter_command_timeout: Wait = 30.0
    milter_content_timeout: Wait = 300.0
    # The highest version of the protocol that is offered.
    milter_protocol: Annotated[int, Meta(ge=2, le=6)] = 6
    # Connections to one filter, each as long as its session; failures in a row after which it is left alone (`milter_default_action`), and
    # for how long, until one session tries again.
    milter_connections: Count = 1_000
    milter_breaker_failures: Count = 5
    milter_breaker_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 30.0
    # {daemon_name} ("": the host's name), v, and "NAME=value" for those that are not known.
    milter_macro_daemon_name: str = ""
    milter_macro_v: str = "mailhub"
    milter_macro_defaults: tuple[str, ...] = ()
    # Which macros are sent with what.
    milter_connect_macros: tuple[str, ...] = ("j", "{daemon_name}", "{daemon_addr}", "v", "_")
    milter_helo_macros: tuple[str, ...] = (
        "{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}",
    )  # fmt: skip
    milter_mail_macros: tuple[str, ...] = (
        "i", "{auth_type}", "{auth_authen}", "{auth_author}", "{mail_addr}", "{mail_host}", "{mail_mailer}",
    )  # fmt: skip
    milter_rcpt_macros: tuple[str, ...] = ("i", "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}")
    milter_data_macros: tuple[str, ...] = ("i",)
    milter_end_of_header_macros: tuple[str, ...] = ("i",)
    milter_end_of_data_macros: tuple[str, ...] = ("i",)


class Milter(Struct, frozen=True):
    """One filter. `settings`: what differs for it, by the option's name without "milter_"."""

    where: Endpoint
    settings: tuple[tuple[str, float | str], ...] = ()


def milter(text: str) -> Milter:
    """Malformed where it is none."""
    where, words = endpoints.braced(text)
    return Milter(where, tuple((name, _setting(name, value)) for name, value in words))


def _setting(name: str, value: str) -> float | str:
    if name == "default_action" and value in get_args(Default):
        return value
    if name in _TIMES and (found := endpoints.seconds(value)):
        return found
    raise endpoints.Malformed(f"{', '.join(_TIMES)} or default_action with a value, not {name[:100]!r}")


def listed(text: str) -> tuple[str, ...]:
    """A table's value: filters as they stand in smtpd_milters, divided by commas and blanks outside of braces."""
    return tuple(cast(list[str], re.findall(r"\{[^}]*\}|[^,\s{}]+", text)))
