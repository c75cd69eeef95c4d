"""The options of [web]: what listeners with `protocol = "http"` serve."""

from typing import Annotated

from msgspec import Meta

from .section import Count, Section


class Web(Section, frozen=True, kw_only=True):
    # Host names that browsers may call this server by, besides `hostname`, localhost and addresses.
    hosts: tuple[str, ...] = ()
    # What stands before every path where a reverse proxy puts this server below its own: "/mail".
    prefix: Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._-]+)*$")] = ""
    # Octets of one request.
    body_limit: Annotated[int, Meta(ge=1_024, le=1 << 30)] = 52_428_800
    # Requests of one token, or one account, in a minute.
    requests_per_minute: Count = 600
    # Networks whose clients may read /metrics; others show a token with the scope status:read. No proxy's client is taken for one of them.
    metrics_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    # Requests that wait for mail, or follow events, at one time.
    waiting_limit: Count = 100
