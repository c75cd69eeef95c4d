"""The part of a hub that speaks HTTP: made only where a listener wants it, so that others do not pay for it."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from mailhub.control.delegated import Delegated
from mailhub.control.words import Status
from mailhub.directory.browsers import Browsers
from mailhub.directory.passkeys import Passkeys
from mailhub.directory.second_factor import SecondFactors
from mailhub.hub_alarms import alarms
from mailhub.hub_status import published, status_of
from mailhub.model.address import key
from mailhub.model.clock import SystemClock, VirtualClock
from mailhub.net.certificates import ACME
from mailhub.net.challenges import Challenges
from mailhub.net.https import Https
from mailhub.net.names import ascii_name
from mailhub.web import challenge, health, trying
from mailhub.web.access import Access
from mailhub.web.admin import page as admin_page
from mailhub.web.capture import page
from mailhub.web.capture.api import CaptureApi, Faults
from mailhub.web.capture.caught import Caught
from mailhub.web.capture.links import LinkCheck
from mailhub.web.capture.mailhog import MailHog
from mailhub.web.capture.mailpit import Mailpit
from mailhub.web.capture.release import Release
from mailhub.web.mail import page as mail_page
from mailhub.web.mail.asked import Asked
from mailhub.web.mail.changing import Changing
from mailhub.web.mail.contacts import Contacts
from mailhub.web.mail.drafts import Drafts
from mailhub.web.mail.events import Events
from mailhub.web.mail.files import Files
from mailhub.web.mail.folders import Folders
from mailhub.web.mail.leaving import Leaving
from mailhub.web.mail.listing import Listing
from mailhub.web.mail.looking import Looking
from mailhub.web.mail.passkeys import PasskeyRoutes
from mailhub.web.mail.reading import Reading
from mailhub.web.mail.signin import SignIn
from mailhub.web.metrics import Metrics
from mailhub.web.operator import actions
from mailhub.web.operator.live import Live
from mailhub.web.operator.tokens import TokenRoutes
from mailhub.web.own import quarantine
from mailhub.web.own.sending import Sending
from mailhub.web.own.writing import Writer
from mailhub.web.routes import Route
from mailhub.web.server import WebServer
from mailhub.web.sessions import Sessions
from mailhub.web.settings.filters import FilterRoutes
from mailhub.web.settings.passwords import Passwords
from mailhub.web.settings.preferences import PreferencesRoutes
from mailhub.web.setup.routes import Setup

if TYPE_CHECKING:
    from mailhub.hub import Hub


def renewing(hub: "Hub", undo: AsyncExitStack) -> "asyncio.Task[None]":
    """The core task that gets certificates, once the listeners are open; `undo` ends it."""
    from mailhub.jobs.dns_hook import DnsHook
    from mailhub.jobs.renewal import Renewal

    acme = hub.config.tls.acme

    async def names() -> list[str]:
        domains = [ascii_name(domain.name) for domain in await hub.directory.domains()]
        wanted = [name.replace("%d", domain) for name in acme.names for domain in (domains if "%d" in name else [""])]
        return list(dict.fromkeys(name.lower() for name in wanted or [hub.config.hostname]))

    solver = DnsHook(acme.dns_command, acme.dns_user, acme.dns_wait, hub.clock) if acme.dns_command else hub.challenges
    renewal = hub.renewal = Renewal(
        acme, names, hub.data / ACME, Https(hub.resolver, hub.clock, acme.ca), solver, hub.clock,
        lambda: hub.tls.reload(hub.config.tls),
    )  # fmt: skip
    task = renewal.job.start()
    undo.push_async_callback(renewal.job.stop)
    if isinstance(hub.clock, VirtualClock):
        hub.clock.attach(renewal.job.idle)
        undo.callback(hub.clock.detach, renewal.job.idle)
    return task


def webmail_routes(hub: "Hub", sessions: Sessions, access: Access) -> list[Route]:
    factors = SecondFactors(hub.store.directory, hub.clock, hub.config.hostname)
    return [
        *PasskeyRoutes(
            Passkeys(hub.store.directory, hub.clock, hub.config.hostname),
            hub.authenticator,
            hub.directory,
            sessions,
            access,
        ).routes(),
        *SignIn(hub.authenticator, factors.wrong, sessions, access, hub.signin.stored.settled).routes(),
        *Passwords(
            hub.control, hub.directory, hub.authenticator, sessions, factors, hub.signin.stored.settled
        ).routes(),
        *TokenRoutes(hub.control, sessions).routes(),
        *mail_page.routes(hub.config.web.prefix),
        *admin_page.routes(hub.config.web.prefix),
    ]


def mail_routes(hub: "Hub", access: Access, writer: Writer, undo: AsyncExitStack) -> list[Route]:
    """An account's own folders and messages."""
    looking = Looking(hub.mailboxes)
    undo.callback(looking.close)
    asked = Asked(hub.mailboxes, looking, access)
    preferences = PreferencesRoutes(asked, hub.control, hub.directory, hub.policy.owns)
    return [
        *Folders(asked).routes(),
        *Listing(asked).routes(),
        *Reading(asked, hub.config.hostname).routes(),
        *Files(asked).routes(),
        *Changing(asked).routes(),
        *Drafts(asked, writer).routes(),
        *Contacts(asked).routes(),
        *preferences.routes(),
        *FilterRoutes(asked, hub.scripts, hub.control, preferences.identities).routes(),
        *Leaving(asked, Https(hub.resolver, SystemClock(), public_only=True)).routes(),
        *Events(asked, hub.mailboxes.changes, hub.config.web.waiting_limit, SystemClock()).routes(),
    ]


def _operators(hub: "Hub") -> frozenset[str]:
    """Who runs the server, and who gets what is for nobody in its main domain."""
    return frozenset([*map(key, hub.config.web.admins), f"@{hub.router.domain}"])


async def _runs(hub: "Hub", name: str) -> bool:
    """Whether an account is there, may sign in, and is one of web.admins."""
    account = await hub.directory.account(name) if name in map(key, hub.config.web.admins) else None
    return account is not None and account.enabled


def _servers_mail(hub: "Hub") -> frozenset[str]:
    """Addresses of the mail that is for the server itself."""
    config, main = hub.config, hub.router.domain
    told = (
        "postmaster", "mailer-daemon", f"postmaster@{config.hostname}", config.queue.double_bounce_recipient, config.setup.reports,
        config.tls_reports.contact, config.dmarc_reports.contact, *config.tls.acme.contact,
    )  # fmt: skip
    return frozenset(key(one if "@" in one else f"{one}@{main}") for one in told if one)


async def serving_web(hub: "Hub", faults: Faults | None, undo: AsyncExitStack) -> WebServer:
    """`undo` gets how it is unmade."""
    config = hub.config
    webmail = config.web.webmail and config.mode != "capture"
    browsers = Browsers(hub.store.browsers, hub.directory, config.web, hub.clock)
    sessions = Sessions(browsers, hub.directory, config.web) if webmail else None
    access = Access(
        hub.control.tokens, hub.authenticator, lambda: hub.config.auth, config.web, hub.clock, partial(_runs, hub), sessions
    )  # fmt: skip
    routes: list[Route] = health.routes(lambda: hub.trouble, lambda: alarms(hub)) + trying.routes(config.web.prefix)
    delimiter = config.delivery.recipient_delimiter
    delegated = Delegated(hub.control, hub.directory, hub.router, _operators(hub), _servers_mail(hub), delimiter)
    routes += actions.routes(hub.control, delegated, access) + quarantine.routes(hub.control, access)
    writer = Writer(hub.mailboxes, hub.spool.new_id, hub.clock, lambda: hub.policy.config.message_size_limit)
    routes += Sending(hub.control, hub.policy, hub.mailboxes, writer, access, hub.clock).routes()
    routes += Metrics(
        partial(status_of, hub, Status(sessions=0)), lambda: hub.trouble, access, hub.config.web, hub.clock
    ).routes()
    routes += Setup(lambda: published(hub), hub.directory.domain).routes()
    routes += Live(hub.trace, access, config.web.waiting_limit, SystemClock()).routes()
    if config.mode == "capture":
        caught = Caught(hub.directory, hub.mailboxes, config.web.waiting_limit)
        await caught.open()
        undo.callback(caught.close)
        release = Release(hub.spool, hub.clock, config.delivery.relayhost)
        links = LinkCheck(hub.resolver)
        routes += CaptureApi(caught, release, links, hub.clock, SystemClock(), faults).routes()
        routes += (
            Mailpit(caught, release, links).routes()
            + MailHog(caught, release).routes()
            + page.routes(config.web.prefix)
        )
    if config.mode != "capture":
        routes += mail_routes(hub, access, writer, undo)
    if sessions is not None:
        routes += webmail_routes(hub, sessions, access)
    hub.challenges = Challenges()
    routes += challenge.routes(hub.challenges)
    server = WebServer(config.web, config.hostname, routes, "mailhub")
    await server.start()
    undo.push_async_callback(server.stop)
    return server
