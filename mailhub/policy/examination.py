"""What is asked about a message that is whole: tables of contents, checks, milters, in this order; and what becomes of it by them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.delivery.routes import Local
from mailhub.message import address_list, authres, headers
from mailhub.model import address
from mailhub.model.envelope import Recipient
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Action, Verdict, told
from mailhub.store.api import Body

from .alterations import Alterations, EnvelopeChanges
from .check import Statement
from .content_tables import edited
from .intake import BodyIntake
from .letter import Letter
from .visit import Visit

if TYPE_CHECKING:
    from .policy import Policy

TWO_AUTHORS = Reply(550, "5.6.0", "The message has two From fields")
NO_AUTHOR = Reply(550, "5.6.0", "A From or Sender field names no address")
AUTHOR_NOT_YOURS = Reply(553, "5.7.1", "From address rejected: not owned by user")
_AUTHORS = (b"from", b"sender", b"resent-from", b"resent-sender")


class Examined(Struct, frozen=True):
    """`body`: what is stored, with all changes; `above`: fields put before our Received."""

    refusal: Reply | None
    body: Body
    verdict: Verdict = UNJUDGED
    envelope: EnvelopeChanges | None = None
    above: bytes = b""


async def examined(policy: "Policy", visit: Visit, intake: BodyIntake, body: Body) -> Examined:
    """The message that came in by `intake` as `body`. Temporary. LMTP brings what another host has judged: the checks are not asked
    about it."""
    lmtp = visit.service == "lmtp"
    letter = _letter(policy, intake, body, intake.stored)
    tables = None if "no_header_body_checks" in policy.overrides else policy.content_tables
    stored = intake.stored
    refusal, verdict = None, UNJUDGED
    if tables is not None and tables.used and not visit.orders.discarded:
        refusal, edits = await tables.look(letter, visit.orders)
    else:
        edits = []
    if "no_checks" in policy.overrides:
        verdict = _kept(visit, intake.header)
    elif refusal is None and not visit.orders.discarded and not lmtp:
        visit.letter = letter
        verdict = await policy.inspection.judge(visit)
        refusal = policy.inspection.reply(verdict, visit)
    if refusal is None and edits:
        body = await edited(letter, edits, intake, policy.spool)
        stored += sum(len(edit.text) - (edit.end - edit.start) for edit in edits if edit.end <= intake.stored)
    found = Examined(refusal, body, verdict)
    if refusal is None and policy.milters is not None and not visit.orders.discarded:
        found = await _altered(policy, visit, intake, found, _letter(policy, intake, body, stored))
    if found.verdict.action is Action.QUARANTINE and not visit.orders.held:
        visit.orders.held = f"quarantine, {found.verdict}"
    return found


async def came_back(policy: "Policy", header: bytes, recipients: Iterable[Recipient]) -> bool:
    """Whether local delivery would refuse it. Said later, that is a report to whoever the sender is said to be."""
    seen = headers.delivered_to(header)
    for recipient in recipients if seen else ():
        known = address.key(recipient.address) in seen
        if known and isinstance(await policy.router.route(recipient.address), Local):
            return True
    return False


async def foreign_author(policy: "Policy", visit: Visit, header: bytes) -> Reply | None:
    """On submission each address in From has to be the login's (RFC 6409 section 6.1)."""
    if visit.service != "submission" or not policy.config.check_sender_login:
        return None
    found = [(name.lower(), headers.unfold(value)) for name, value in headers.fields(header)]
    if sum(name == b"from" for name, _ in found) > 1:
        return TWO_AUTHORS
    for name, value in found:
        if name not in _AUTHORS:
            continue
        authors = list(address_list.mailboxes(value))
        if not authors:
            return NO_AUTHOR
        for author in authors:
            if not await policy.owns(visit.origin.login, headers.text(author.local + b"@" + author.domain)):
                return AUTHOR_NOT_YOURS
    return None


def _kept(visit: Visit, header: bytes) -> Verdict:
    """What we found before the message went to a content filter; strangers are not believed."""
    field = headers.first(header, authres.VERDICT) if visit.trusted else None
    return UNJUDGED if field is None else told(headers.text(field).replace(";\t", "; "))


def _letter(policy: "Policy", intake: BodyIntake, body: Body, stored: int) -> Letter:
    return Letter(intake.header, stored, body, policy.spool, policy.inspection.lane)


async def _altered(policy: "Policy", visit: Visit, intake: BodyIntake, found: Examined, letter: Letter) -> Examined:
    """The same after the milters."""
    assert policy.milters is not None
    if not await policy.milters.seats(visit):
        return found
    header = await letter.read(0, max(0, letter.start - 2))
    altered = Alterations(letter, header, policy.spool, policy.config.message_size_limit)
    try:
        refusal = await policy.milters.message(visit, altered)
        verdict = _with_milters(policy, visit, altered, found.verdict)
        if refusal is not None or not altered.changed:
            return Examined(refusal, found.body, verdict, altered.envelope)
        writer, body = await altered.stored()
    finally:
        altered.abort()
    intake.replace(writer)
    return Examined(None, body, verdict, altered.envelope, b"".join(altered.draft.above))


def _with_milters(policy: "Policy", visit: Visit, altered: Alterations, before: Verdict) -> Verdict:
    if not altered.quarantine and not altered.trouble:
        return before
    action = Action.QUARANTINE if altered.quarantine else Action.ACCEPT
    word = "error" if altered.trouble else "quarantine"
    visit.statements["milter"] = Statement(word, reason="; ".join(altered.trouble) or altered.quarantine, action=action)
    return policy.inspection.verdict(visit)
