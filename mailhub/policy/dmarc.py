"""DMARC (RFC 9989): whether SPF or DKIM speak for the domain in From, and what that domain asks for where they do not."""

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from mailhub.config import schema
from mailhub.message import address_list, authres, headers
from mailhub.message.dmarc_reporting import Finding, Method, Published
from mailhub.model.address import domain_of
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action
from mailhub.net.names import ascii_name
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver

from .check import Stage, Statement
from .dmarc_counts import DmarcCounts
from .visit import Visit

_TOLD = 10  # results of one method that are reported
_LABELS = 8  # of a name from which the walk goes straight up to one less (RFC 9989 section 4.10)
_WEAKER = {"reject": "quarantine", "quarantine": "none", "none": "none"}
_POLICIES = frozenset(_WEAKER)


class Record(Struct, frozen=True):
    """A policy record (section 4.7). `policy`, `subdomains`, `nonexistent`: none, quarantine, reject. `psd`: y, n, u."""

    policy: str
    subdomains: str
    nonexistent: str
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: str = "u"
    testing: bool = False
    reported: bool = False  # it wants reports


class Found(Struct, frozen=True):
    """What a walk from `domain` found: the organizational domain, and the record that holds for it, with its place."""

    domain: str
    organization: str
    record: Record | None
    place: str


class Dmarc:
    """A Check, about mail of strangers."""

    name = "dmarc"
    stage: Stage = "content"
    after = frozenset(("dkim", "arc"))

    def __init__(
        self, config: schema.Dmarc, sealers: Collection[str], resolver: Resolver, counts: DmarcCounts | None = None
    ) -> None:
        """`sealers`: domains whose word for what they found before us counts. `counts`: for reports, None where none are sent."""
        self.config, self._resolver, self._counts = config, resolver, counts
        self._sealers = frozenset(map(str.lower, sealers))

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted."""
        return not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        """None where the domain in From has no record."""
        assert visit.letter is not None
        authors = author_domains(visit.letter.header)
        if len(authors) != 1:
            what = "no address in From" if not authors else "more than one domain in From"
            method = authres.resinfo("dmarc", "permerror", what)
            return Statement("permerror", self.config.permerror_score, what, methods=(method,))
        (author,) = authors
        try:
            found = await walk(self._resolver, author)
            if found.record is None:
                return None
            aligned = await self._aligned(visit, found, found.record)
            policy = await self._policy(found, found.record)
        except DnsTemporary as error:
            method = authres.resinfo("dmarc", "temperror", str(error), header_from=author)
            return Statement("temperror", reason=str(error), methods=(method,))
        if aligned:
            self._count(visit, found, author, aligned, "none" if policy == "none" else "pass")
            spoken = next(f"{check} of {domain}" for check, domain in aligned.items())
            method = authres.resinfo("dmarc", "pass", spoken, header_from=author)
            return Statement("pass", self.config.pass_score, f"{spoken} speaks for {author}", methods=(method,))
        if (sealer := self._vouched(visit, author)) is not None:
            self._count(visit, found, author, {}, "none", f"trusted_forwarder: arc of {sealer}")
            method = authres.resinfo("dmarc", "fail", f"p={policy}; {sealer} found it to pass", header_from=author)
            reason = f"nothing speaks for {author} here, but did when it came to {sealer}, who is trusted"
            return Statement("fail", 0.0, reason, methods=(method,))
        action = {"reject": Action[self.config.reject.upper()], "quarantine": Action.JUNK}.get(policy, Action.ACCEPT)
        done = {Action.REJECT: "reject", Action.ACCEPT: "none"}.get(action, "quarantine")
        override = "" if done == policy else f"local_policy: {policy} is asked for"
        if found.record.testing and found.record.policy != "none":
            override = override or "policy_test_mode"
        self._count(visit, found, author, {}, done, override)
        reason = f"nothing speaks for {author}, which asks for {policy}"
        reply = Reply(550, "5.7.1", f"DMARC: {reason}") if action is Action.REJECT else None
        method = authres.resinfo("dmarc", "fail", f"p={policy}", header_from=author)
        return Statement("fail", self.config.fail_score, reason, action, reply, methods=(method,))

    def _count(
        self, visit: Visit, found: Found, author: str, aligned: Mapping[str, str], disposition: str, override: str = ""
    ) -> None:
        """For the report to the domain, where it wants one, and this is no question of the operator's."""
        record = found.record
        if self._counts is None or visit.told is not None or record is None or not record.reported:
            return
        said = [visit.statements[check] for check in ("dkim", "spf") if check in visit.statements]
        self._counts.count(
            found.place,
            Finding(
                published=Published(
                    record.policy, record.subdomains, record.nonexistent, "s" if record.strict_dkim else "r",
                    "s" if record.strict_spf else "r", record.testing,
                ),
                source=visit.origin.client,
                disposition=disposition,
                dkim="pass" if "dkim" in aligned else "fail",
                spf="pass" if "spf" in aligned else "fail",
                header_from=author,
                envelope_from=_plain(domain_of(visit.sender or ""), 255).lower(),
                methods=tuple(
                    Method(one.method, _plain(one.domain, 255), one.result, _plain(one.detail, 100))
                    for each in said
                    for one in sorted(each.identities, key=lambda one: one.result != "pass")[:_TOLD]
                ),
                override=override,
            ),
        )  # fmt: skip

    async def _aligned(self, visit: Visit, found: Found, record: Record) -> Mapping[str, str]:
        """What passed and is of the author's domain: "dkim" and "spf", with the domain (section 4.4)."""
        aligned: dict[str, str] = {}
        for check, strict in (("dkim", record.strict_dkim), ("spf", record.strict_spf)):
            said = visit.statements.get(check)
            for identity in said.identities if said else ():
                if identity.result != "pass" or (check == "spf" and identity.detail == "helo" and visit.sender):
                    continue
                domain = identity.domain.lower().rstrip(".")
                if domain == found.domain or (not strict and await self._same_organization(domain, found)):
                    aligned.setdefault(check, domain)
                    break
        return aligned

    def _vouched(self, visit: Visit, author: str) -> str | None:
        """A trusted sealer who found that it passed, before whom only others like him had it (RFC 8617 section 7.2.1)."""
        said = visit.statements.get("arc")
        for identity in said.identities if said else ():
            if identity.domain not in self._sealers:
                return None
            if identity.detail == author:
                return identity.domain
        return None

    async def _same_organization(self, domain: str, found: Found) -> bool:
        if not f".{domain}".endswith(f".{found.organization}"):
            return False
        return (await walk(self._resolver, domain)).organization == found.organization

    async def _policy(self, found: Found, record: Record) -> str:
        """What is asked for where nothing is aligned (section 4.8)."""
        policy = record.policy
        if found.place != found.domain:
            policy = record.subdomains
            if record.nonexistent != policy and not await _exists(self._resolver, found.domain):
                policy = record.nonexistent
        return _WEAKER[policy] if record.testing else policy


def _plain(text: str, size: int) -> str:
    """What a stranger wrote, as it may stand in a row: short, and UTF-8."""
    return text[:size].encode("utf-8", "replace").decode()


def author_domains(header: bytes) -> set[str]:
    """The domains of the addresses in From, as DNS has them."""
    found = set()
    for name, value in headers.fields(header):
        if name.lower() == b"from":
            for mailbox in address_list.mailboxes(value):
                try:
                    found.add(ascii_name(mailbox.domain.decode("utf-8", "replace")))
                except ValueError:
                    found.add("")
    return found


async def organization(resolver: Resolver, domain: str) -> str:
    """Whose name the domain is part of. DnsTemporary where that is not to be known now."""
    return (await walk(resolver, domain)).organization


async def walk(resolver: Resolver, domain: str) -> Found:
    """The DNS tree walk (section 4.10): nine questions at the most. DnsTemporary where one is not answered."""
    seen: list[tuple[str, Record]] = []
    organization = ""
    for name in _steps(domain):
        record = await _record(resolver, name)
        if record is None:
            continue
        seen.append((name, record))
        if record.psd == "n":
            organization = name
            break
        if record.psd == "y" and name != domain:
            organization = _below(name, domain)
            break
    organization = organization or (seen[-1][0] if seen else domain)
    places = dict(seen)
    place = next((name for name in (domain, organization, *(name for name, _ in reversed(seen))) if name in places), "")
    return Found(domain, organization, places.get(place), place)


def _steps(domain: str) -> Iterable[str]:
    labels = domain.split(".")
    yield domain
    if len(labels) >= _LABELS:
        labels = labels[-_LABELS + 1 :]
        yield ".".join(labels)
    while len(labels) > 1:
        labels = labels[1:]
        yield ".".join(labels)


def _below(suffix: str, domain: str) -> str:
    """The name of one label more than `suffix` that `domain` is, or is below."""
    return ".".join(domain.split(".")[-len(suffix.split(".")) - 1 :])


async def _record(resolver: Resolver, name: str) -> Record | None:
    """That of one name; None where there is none, or more than one."""
    try:
        texts = await resolver.records(f"_dmarc.{name}", "TXT")
    except (NoData, NoSuchName):
        return None
    ours = [record for text in texts if (record := read(text)) is not None]
    return ours[0] if len(ours) == 1 else None


async def _exists(resolver: Resolver, domain: str) -> bool:
    """Section 3.2.11: NXDOMAIN says that it does not."""
    try:
        await resolver.records(domain, "A")
    except NoSuchName:
        return False
    except NoData:
        return True
    return True


def read(text: str) -> Record | None:
    """None for what is no DMARC record. Old ones are read as they were meant: pct below 100 was a time of trial."""
    pairs = [piece.partition("=") for piece in text.split(";")]
    tags = {name.strip().lower(): value.strip().lower() for name, equals, value in pairs if equals}
    if not pairs or pairs[0][0].strip().lower() != "v" or pairs[0][2].strip() != "DMARC1":
        return None
    policy = tags.get("p", "")
    if policy not in _POLICIES:
        if "rua" not in tags:
            return None
        policy = "none"
    subdomains = tags.get("sp", policy) if tags.get("sp", policy) in _POLICIES else policy
    nonexistent = tags.get("np", subdomains) if tags.get("np", subdomains) in _POLICIES else subdomains
    pct = tags.get("pct", "100")
    trial = "t" not in tags and pct.isdecimal() and int(pct[:4]) < 100
    psd = tags.get("psd", "u")
    return Record(
        policy, subdomains, nonexistent, tags.get("adkim") == "s", tags.get("aspf") == "s", psd if psd in "yn" else "u",
        tags.get("t") == "y" or trial, bool(tags.get("rua")),
    )  # fmt: skip
