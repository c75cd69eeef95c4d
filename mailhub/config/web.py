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
    # Mail in the browser, at `/`; false: no page, and no sign-in by password there. (Captured mail has its own page.)
    webmail: bool = True
    # Reverse proxies whose word counts on who is there, by which name and whether by TLS (X-Forwarded-For, -Host, -Proto): their networks.
    # Who comes by a unix socket is 127.0.0.1.
    trusted_proxies: tuple[str, ...] = ()
    # Accounts that may run the server from their browser.
    admins: tuple[str, ...] = ()
    # A browser that signed in has to do it again after so long without a request, and after so long in any case.
    session_idle: Annotated[float, Meta(ge=60, le=366 * 86400)] = 43_200.0
    session_lifetime: Annotated[float, Meta(ge=60, le=366 * 86400)] = 604_800.0
    # Browsers signed in at one time, of an account and in all; one more, and the one longest unused is signed out: of the account,
    # or of the account that has most, but of none of web.admins.
    sessions_per_account: Count = 20
    session_limit: Count = 10_000
