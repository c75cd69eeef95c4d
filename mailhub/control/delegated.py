"""What an administrator of some domains may ask for: judged here and nowhere else, before anything is done.

Comes from: `web`, for a browser or a token that is good for some domains alone. Gives to: `service`. A request that has no rule in the
table is refused, so that a new one is open to nobody by forgetting.

Invariants
- Each rule names the domain that the request is about, and that domain is one of the asker's.
- Nothing is told and nothing is done to accounts of operators and of those who get the server's own mail, and of those who administer a domain that the asker does not: nobody
  raises himself by the password, the forward or the alias of somebody who may do more.
- Lists have what lies in the asker's domains, and nothing of others: no counts, no recipients, no words of other hosts.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar, cast

import msgspec

from mailhub.delivery.router import Router
from mailhub.directory import Directory
from mailhub.model.address import domain_of, key, split, without_detail

from . import words
from .errors import ControlError
from .routes import Routes
from .scopes import name as action_name
from .service import Control
from .setup import zone

Answer = TypeVar("Answer")
Domains = frozenset[str]
_LOOKED = words.PAGE  # rows in one look
_STEP = 100  # messages of one step of an action
_CODES = re.compile(r"\A[245][0-9]{2}(?: [245]\.[0-9]{1,3}\.[0-9]{1,3})?")
_NO_ADDRESS = ("\\", "|", "/", ":", '"')  # how the local part of what is more than an address begins


class Delegated:
    """One per hub. `operators`: names in key form that no administrator of a domain touches, whether they are there or not; `mail`: addresses
    of the server's own mail, of which the same is true, and of all that it goes by; `delimiter`: of tags behind a user's name."""

    def __init__(
        self, control: Control, directory: Directory, router: Router, operators: Collection[str], mail: Collection[str],
        delimiter: str,
    ) -> None:  # fmt: skip
        self._control, self._directory, self._router, self._routes = control, directory, router, Routes(router)
        self._operators, self._mail, self._delimiter = operators, mail, delimiter

    async def perform(self, request: words.Request[Answer], domains: Domains, whole: Domains | None = None) -> Answer:
        """As `Control.perform`, for who administers these `domains`, in small letters; ControlError "denied" for what is not theirs. `whole`:
        those of them where all may be done that an administrator may, None for each; who may do less touches no administrator."""
        judged = rule(type(request))
        named = getattr(request, "address", "") or getattr(request, "account", "")
        if whole is not None and split(named)[0] and domain_of(named) in domains - whole:
            await self._theirs(named, domains, whole)
        return cast(Answer, await judged(self, request, domains))

    async def spare(self, request: words.Request[Any]) -> None:
        """Of a change on the whole server by a token for less than all of it ("user:write"): denied where it is done to who may do more than
        the token, or says who administers what."""
        if isinstance(request, words.DomainAdmins) and (request.add or request.remove):
            raise ControlError("denied", "who administers a domain is said by who runs the whole server: *:write")
        named = getattr(request, "address", "") or getattr(request, "account", "")
        if split(named)[0] and not await self._is_theirs(named, frozenset(), await self._above()):
            raise ControlError("denied", f"{named}: only who runs the whole server changes that name: *:write")

    # --- what a request is about

    async def account(self, request: Any, domains: Domains) -> Any:
        """About one account or alias, by its address."""
        await self._theirs(request.address, domains)
        if isinstance(request, words.UserAdd | words.AliasAdd):
            await self._postmaster_first(domain_of(key(request.address)))
        return await self._control.perform(request)

    async def alias(self, request: words.AliasAdd | words.ForwardSet, domains: Domains) -> Any:
        """The same, and the targets are addresses: no command, no file, no name that goes past somebody's aliases."""
        for target in request.targets:
            if target.startswith(_NO_ADDRESS):
                raise ControlError("denied", f"{target!r} is no plain address")
        return await self.account(request, domains)

    async def keys(self, request: words.DkimList, domains: Domains) -> Any:
        _among(request.domain, domains)
        return await self._control.perform(request)

    async def records(self, request: words.DnsShow, domains: Domains) -> words.DnsZone:
        """Without what is said of the server: what listens where is not theirs to know, nor to mend."""
        _among(request.domain, domains)
        found = await self._control.perform(request)
        return msgspec.structs.replace(found, notes=(), zone=zone.file(found.domain, found.records, ()))

    async def admins(self, request: words.DomainAdmins, domains: Domains) -> Any:
        _among(request.name, domains)
        if request.add or request.remove:
            raise ControlError("denied", "who administers a domain is said by who runs the whole server")
        return await self._control.perform(request)

    async def quota(self, request: words.QuotaGet, domains: Domains) -> Any:
        """Of an account, or of a domain ("@domain")."""
        if request.address.startswith("@"):
            _among(request.address[1:], domains)
            return await self._control.perform(request)
        return await self.account(request, domains)

    async def set_quota(self, request: words.QuotaSet, domains: Domains) -> Any:
        """Of an account, up to what the accounts of its domain may hold."""
        await self._theirs(request.address, domains)
        most = await self._control.perform(words.QuotaGet(address=f"@{domain_of(key(request.address))}"))
        for wanted, limit in ((request.storage, most.storage_limit), (request.messages, most.message_limit)):
            if wanted is not None and limit and not 0 < wanted <= limit:
                raise ControlError("denied", f"an account of the domain may hold {limit}, and no more")
        return await self._control.perform(request)

    async def quarantine(self, request: Any, domains: Domains) -> Any:
        """What is held for one account alone; or, without one, for addresses in the domains and for nobody else."""
        if request.account:
            await self._theirs(request.account, domains)
            return await self._control.perform(request)
        if isinstance(request, words.QuarantineList):
            return await self._held(request.which, request.after, request.limit, domains)
        if isinstance(request, words.QuarantineShow):
            if not await self._held(words.Which(ids=(request.id,)), "", 1, domains):
                raise ControlError("not_found", f"no message {request.id} in quarantine")
            return await self._control.perform(request)
        limit = len(request.which.ids) or _STEP
        ids = tuple([one.message.id for one in await self._held(request.which, request.after, limit, domains)])
        if not ids:
            return words.Touched(messages=0)
        touched = await self._control.perform(msgspec.structs.replace(request, which=words.Which(ids=ids), after=""))
        more = not request.which.ids and len(ids) == limit
        return msgspec.structs.replace(touched, seen=len(ids), after=ids[-1] if more else "")

    async def _held(
        self, which: words.Which, after: str, limit: int, domains: Domains
    ) -> tuple[words.Quarantined, ...]:
        """Oldest first. Not what is for somebody who may do more: that it is there is not told."""
        above, found = await self._above(), dict[str, words.Quarantined]()
        for domain in sorted(domains):
            if domain_of(which.recipient or f"@{domain}") != domain:
                continue
            looked = words.QuarantineList(which=msgspec.structs.replace(which, recipient=which.recipient or f"@{domain}"), after=after, limit=_LOOKED)  # fmt: skip
            own = 0
            while page := await self._control.perform(looked):
                for one in page:
                    if await self._all_theirs(one.message, domains, above):
                        found[one.message.id] = one
                        own += 1
                if own >= limit or len(page) < _LOOKED:
                    break
                looked = msgspec.structs.replace(looked, after=page[-1].message.id)
        return tuple(sorted(found.values(), key=lambda one: (len(one.message.id), one.message.id))[:limit])

    async def _all_theirs(self, message: words.QueuedMessage, domains: Domains, above: Collection[str]) -> bool:
        for to in message.recipients:
            if domain_of(to.address) not in domains or not await self._is_theirs(to.address, domains, above):
                return False
        return True

    # --- lists

    async def domains(self, request: words.DomainList, domains: Domains) -> tuple[words.Domain, ...]:
        return tuple(one for one in await self._control.perform(request) if one.name in domains)

    async def users(self, request: words.UserList, domains: Domains) -> tuple[Any, ...]:
        async def is_theirs(row: Any) -> bool:
            return domain_of(row.address) in domains

        return await self._listed(request, is_theirs)

    async def aliases(self, request: words.AliasList, domains: Domains) -> tuple[Any, ...]:
        """Those that they may change: where operators' mail goes is not told."""
        above = await self._above()

        async def is_theirs(row: Any) -> bool:
            return domain_of(row.address) in domains and await self._is_theirs(row.address, domains, above)

        return await self._listed(request, is_theirs)

    async def _listed(
        self, request: words.UserList | words.AliasList, is_theirs: Callable[[Any], Awaitable[bool]]
    ) -> tuple[Any, ...]:
        """Others are read over."""
        found: list[Any] = []
        looked: Any = msgspec.structs.replace(request, limit=_LOOKED)
        while page := await self._control.perform(looked):
            found += [row for row in page if await is_theirs(row)]
            if len(found) >= request.limit or len(page) < _LOOKED:
                break
            looked = msgspec.structs.replace(looked, after=page[-1].address)
        return tuple(found[: request.limit])

    async def queue(self, request: words.QueueList, domains: Domains) -> tuple[words.QueuedMessage, ...]:
        """Mail of senders and for recipients in the domains. By whole addresses of others nobody is looked for: what is not shown would
        be told by what is found."""
        recipient = request.which.recipient or "@"
        if not recipient.startswith("@"):
            _among(domain_of(recipient), domains)
        found: dict[str, words.QueuedMessage] = {}
        for domain in sorted(domains):
            for which in _narrowed(request.which, domain):
                page = await self._control.perform(msgspec.structs.replace(request, which=which))
                found.update((one.id, one) for one in page)
        first = sorted(found.values(), key=lambda one: (len(one.id), one.id))[: request.limit]
        return tuple(theirs for one in first if (theirs := _of_theirs(one, domains)).recipients)

    # ---

    async def _postmaster_first(self, domain: str) -> None:
        """Who makes names where nobody was named postmaster could make one that gets the server's own mail."""
        if domain == self._router.domain and not await self._router.has_postmaster():
            name = f"postmaster@{domain}"
            raise ControlError(
                "denied", f"who runs the server names a postmaster first: mailhub alias add {name} ADDRESS"
            )

    async def _above(self) -> set[str]:
        """Names of those who run the server, and of those who have its mail."""
        return {*self._operators, *self._mail} | await self._routes.passed(self._mail)

    async def _theirs(self, address: str, domains: Domains, whole: Domains | None = None) -> None:
        """Denied for an address of another domain, and for one of somebody who may do more than who asks: which of them is not told."""
        _among(domain_of(key(address)), domains)
        if not await self._is_theirs(address, domains if whole is None else whole, await self._above()):
            raise ControlError("denied", f"{address}: only who runs the whole server changes that name")

    async def _is_theirs(self, address: str, domains: Domains, above: Collection[str]) -> bool:
        """Of an address that is in one of them, or of who may do less."""
        name = key(address)
        if key(name) != name:  # somebody else's, once more quotes are taken away
            return False
        local, domain = split(name)
        user, _ = without_detail(local, self._delimiter)
        every = {name, key(f"{user}@{domain}")}
        return every.isdisjoint(above) and not any(
            [set(await self._directory.administered(one)) - domains for one in every]
        )


def _among(domain: str, domains: Domains) -> None:
    if domain.lower() not in domains:
        raise ControlError("denied", f"{domain or 'all of it'}: none of the domains that you administer")


def _narrowed(which: words.Which, domain: str) -> list[words.Which]:
    """The same, of senders in the domain, and for recipients in it."""
    made = []
    for field in ("sender", "recipient"):
        asked = getattr(which, field)
        if asked is None:
            made.append(msgspec.structs.replace(which, **{field: f"@{domain}"}))
        elif domain_of(asked) == domain:
            made.append(which)
    return made


def _of_theirs(message: words.QueuedMessage, domains: Domains) -> words.QueuedMessage:
    """What a sender's administrator may know: whole recipients in his domains, of others the domain that the sender wrote to and the codes
    of what was said; a recipient's administrator: those in his domains, for a sender tells none of the others."""
    told = [one for one in message.recipients if not one.address.startswith(_NO_ADDRESS)]
    own = [one for one in told if domain_of(one.address) in domains]
    if domain_of(message.sender) in domains:
        own = [one if one in own else _masked(one) for one in told]
    return msgspec.structs.replace(message, recipients=tuple(own))


def _masked(to: words.QueuedTo) -> words.QueuedTo:
    """Where somebody else's alias leads, and which host said it, is not told."""
    codes, written = _CODES.match(to.last), f"@{domain_of(to.named or to.address)}"
    return msgspec.structs.replace(to, address=written, named="", last=codes[0] if codes else "", remote="", tls="")


Rule = Callable[[Delegated, Any, Domains], Awaitable[Any]]
RULES: dict[type, Rule] = {
    words.UserAdd: Delegated.account,
    words.UserEnable: Delegated.account,
    words.UserPasswd: Delegated.account,
    words.UserRemove: Delegated.account,
    words.UserList: Delegated.users,
    words.DomainList: Delegated.domains,
    words.DomainAdmins: Delegated.admins,
    words.AliasAdd: Delegated.alias,
    words.AliasRemove: Delegated.account,
    words.AliasList: Delegated.aliases,
    words.ForwardGet: Delegated.account,
    words.ForwardSet: Delegated.alias,
    words.AppPasswordList: Delegated.account,
    words.AppPasswordRemove: Delegated.account,
    words.SecondFactorRemove: Delegated.account,
    words.QuotaGet: Delegated.quota,
    words.QuotaSet: Delegated.set_quota,
    words.QuotaRecalculate: Delegated.account,
    words.DnsShow: Delegated.records,
    words.DkimList: Delegated.keys,
    words.QueueList: Delegated.queue,
    words.QuarantineList: Delegated.quarantine,
    words.QuarantineShow: Delegated.quarantine,
    words.QuarantineRelease: Delegated.quarantine,
    words.QuarantineDelete: Delegated.quarantine,
}


def rule(kind: type) -> Rule:
    """By which such requests are judged; ControlError "denied" where there is none."""
    found = RULES.get(kind)
    if found is None:
        raise ControlError("denied", f"{action_name(kind)} is for who runs the whole server")
    return found


ACTIONS = tuple(sorted(map(action_name, RULES)))
