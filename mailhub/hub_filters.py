"""The part of a hub that knows which checks there are: made from the configuration, at the start and at a reload."""

import functools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from mailhub.delivery.router import Router
from mailhub.delivery.routes import Local
from mailhub.delivery.signing import Signer
from mailhub.mailbox.junk import JunkFilter
from mailhub.policy.check import Check
from mailhub.policy.inspection import Inspection
from mailhub.policy.iprev import Iprev

if TYPE_CHECKING:
    from mailhub.hooks.runner import Hooks
    from mailhub.hub import Hub
    from mailhub.policy.dmarc_counts import DmarcCounts


def junk_filter(hub: "Hub", undo: AsyncExitStack) -> JunkFilter:
    """It listens to who moves mail."""
    made = JunkFilter(
        hub.store.junk, hub.store.mailboxes, hub.config.junk, hub.config.filter.authserv_id or hub.config.hostname,
        hub.mailboxes.lane, hub.clock,
    )  # fmt: skip
    hub.mailboxes.changes.listen_moves(made.moved)
    undo.callback(made.close)
    return made


async def hooked(hub: "Hub", undo: AsyncExitStack) -> "Hooks | None":
    """The operator's hooks; None where no file is named. Permanent where it can not be used."""
    if not hub.config.hooks.file or not hub.config.hooks.enabled:
        return None
    from mailhub.hub_hooks import joined

    return await joined(hub, undo)


async def _account_of(router: Router, recipient: str) -> str:
    """Whose mailbox it is; "" where an alias or another host comes first."""
    route = await router.route(recipient)
    return route.account if isinstance(route, Local) else ""


def signer(hub: "Hub") -> Signer:
    """Who signs mail of ours; he has nothing to do for domains without keys."""
    limit = hub.config.smtp.header_size_limit
    return Signer(hub.store.dkim, hub.resolver, hub.clock, hub.mailboxes.lane, limit, lambda: hub.config.dkim)


def dmarc_counts(hub: "Hub") -> "DmarcCounts | None":
    """What is counted for the reports, where they are sent."""
    if not hub.config.dmarc_reports.send:
        return None
    from mailhub.policy.dmarc_counts import DmarcCounts

    section = hub.config.dmarc_reports
    return DmarcCounts(hub.store.dmarc, hub.clock, section.limit, section.domain_limit)


def scanning(hub: "Hub") -> Iterator[Check]:
    """Daemons of others that are asked."""
    config = hub.config
    if config.clamav.enabled and config.clamav.address:
        from mailhub.policy.clamav import Clamav

        yield Clamav(config.clamav, hub.services.of("clamav", config.clamav))
    if config.spamassassin.enabled and config.spamassassin.address:
        from mailhub.policy.spamassassin import Spamassassin

        service = hub.services.of("spamassassin", config.spamassassin)
        yield Spamassassin(config.spamassassin, service, config.hostname, hub.clock)
    if config.rspamd.enabled and config.rspamd.address:
        from mailhub.policy.rspamd import Rspamd  # aiohttp: 0.2 s that a server without it does not pay

        yield Rspamd(config.rspamd, hub.services.of("rspamd", config.rspamd), hub.resolver)


def inspection(hub: "Hub") -> Inspection:
    """All checks that are enabled, in the order in which the verdict names them."""
    config = hub.config
    checks: list[Check] = []
    lists = None
    if config.dnsbl.enabled and config.dnsbl.sites and config.mode != "capture":
        from mailhub.policy.dnsbl import Dnsbl

        checks.append(lists := Dnsbl(config.dnsbl, hub.resolver, hub.clock))
    if config.spf.enabled:
        from mailhub.policy.spf import Spf  # 20 ms that a server without it does not pay

        checks.append(Spf(config.spf, hub.resolver, config.hostname))
    if config.iprev.enabled:
        checks.append(Iprev(config.iprev))
    if config.dkim.enabled:
        from mailhub.policy.dkim import Dkim

        checks.append(Dkim(config.dkim, hub.resolver, hub.clock, hub.mailboxes.lane))
    if config.arc.enabled:
        from mailhub.policy.arc import Arc

        checks.append(Arc(config.arc, hub.resolver, hub.mailboxes.lane))
    if config.dmarc.enabled:
        from mailhub.policy.dmarc import Dmarc

        checks.append(Dmarc(config.dmarc, config.arc.trusted_sealers, hub.resolver, hub.dmarc_counts))
    if config.greylist.enabled and config.mode != "capture":
        from mailhub.policy.greylist import Greylist

        checks.append(Greylist(config.greylist, hub.store.greylist, hub.store.guard, hub.clock, lists))
    if config.attachments.enabled and config.mode != "capture":
        from mailhub.policy.attachments import Attachments

        checks.append(Attachments(config.attachments))
    checks += scanning(hub)
    if hub.hooks is not None:
        from mailhub.policy.hook import STAGES, HookCheck

        checks += [HookCheck(hub.hooks.config, hub.hooks, stage) for stage in STAGES]
    if config.junk.enabled and config.mode != "capture":
        from mailhub.policy.junk import Junk

        checks.append(Junk(config.junk, hub.junk, functools.partial(_account_of, hub.router)))
    return Inspection(checks, hub.config.filter, hub.config.hostname, hub.clock, hub.mailboxes.lane)
