"""What an attempt does with its routes: children for aliases, jobs for destinations. Pure."""

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

from mailhub.config import schema
from mailhub.delivery.routes import Expand, Local, Refuse, Relay, Route
from mailhub.delivery.sieve.decision import sent_on_by
from mailhub.delivery.transport import Job, JobRecipient
from mailhub.model import steps
from mailhub.model.address import key
from mailhub.model.envelope import Notify
from mailhub.model.reply import Reply
from mailhub.store.api import Fate, Item, NewRecipient, Outcome, QueuedRecipient

from .confidential import hidden_by

Way = Local | Relay | Expand
Routed = tuple[QueuedRecipient, Way]

EXPANDED = Reply(250, "2.1.5", "Replaced by the addresses it stands for")
TOO_DEEP = Reply(554, "5.4.6", "Aliases lead through too many others (queue.expansion_depth)")
TOO_WIDE = Reply(554, "5.4.6", "The alias stands for too many addresses (queue.expansion_limit)")
_HASH_BITS = 52  # with 1,000 levels (queue.expansion_depth's bound) a number stays below 2**62


def bounded(route: Route, recipient: QueuedRecipient, config: schema.Queue) -> Route:
    """The route, or a refusal where it is an expansion beyond the limits."""
    if isinstance(route, Expand):
        if recipient.depth >= config.expansion_depth:
            return Refuse(TOO_DEEP)
        if max(route.count, len(route.targets) + len(route.asides)) > config.expansion_limit:
            return Refuse(TOO_WIDE)
    return route


def expand(item: Item, routed: Sequence[Routed], now: float, confidential: Collection[str] = ()) -> list[Outcome]:
    """The outcomes of the recipients that are expanded, none where none is. An address that the message goes to anyway is
    left out. `confidential`: aliases whose targets the sender is not told."""
    taken = {steps.name(recipient.address, recipient.path) for recipient in item.recipients}
    leaving = [(recipient, route) for recipient, route in routed if isinstance(route, Expand)]
    taken.difference_update(steps.name(recipient.address, recipient.path) for recipient, _ in leaving)
    outcomes = []
    for recipient, route in leaving:
        alone = len(route.targets) == 1 and not route.asides and key(recipient.address) not in confidential
        asked = recipient.notify if alone else _without_success(recipient.notify)
        if (
            route.sender is not None
        ):  # RFC 3461 section 5.2.7.2: its owner is told of failures, and the sender of nothing more
            asked = int(Notify.NEVER if asked == Notify.NEVER else Notify.DEFAULT)
        children = []
        for address, path in route.children(recipient.address, recipient.path):
            if (name := steps.name(address, path)) not in taken:
                taken.add(name)
                sender = recipient.sender if route.sender is None else route.sender
                children.append(_child(recipient, address, asked, path, sender))
        outcomes.append(Outcome(recipient.n, Fate.EXPANDED, EXPANDED, due=now, children=tuple(children)))
    return outcomes


def sender_of(item: Item, recipient: QueuedRecipient) -> str:
    """The reverse-path for that recipient: the message's, or that of a list's owner."""
    return item.sender if recipient.sender is None else recipient.sender


def child_number(parent: QueuedRecipient, address: str, path: steps.Path = ()) -> int:
    """A number that no other recipient of the message has or had, also of those that are gone or not due and so cannot be
    looked at: file names derive from it. Above all of lesser depth; a parent is expanded once, and a hash of 52 bits keeps
    its children apart from others of their depth."""
    name = steps.name(address, path)
    digest = blake2b(f"{parent.n} {name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return ((parent.depth + 1) << _HASH_BITS) + (int.from_bytes(digest, "big") >> (64 - _HASH_BITS))


def _without_success(notify: int) -> int:
    """ "It has arrived" would be told of each of several children, and is therefore asked of none."""
    asked = Notify(notify)
    return int(asked & ~Notify.SUCCESS or Notify.NEVER) if Notify.SUCCESS in asked else notify


def redirected(parent: QueuedRecipient, targets: Sequence[str], *, alone: bool) -> tuple[NewRecipient, ...]:
    """The children of a recipient whose script sends the message on; `alone`: it goes to one place and nowhere else."""
    asked = parent.notify if alone else _without_success(parent.notify)
    path = (*parent.path, key(parent.address), sent_on_by(parent.address))
    return tuple(_child(parent, target, asked, path, parent.sender) for target in targets)


def _child(parent: QueuedRecipient, address: str, notify: int, path: steps.Path, sender: str | None) -> NewRecipient:
    """ORCPT and NOTIFY go along (RFC 3461 section 5.2.7). The rest of a long list stands where the list stood."""
    kind = "rfc822" if parent.address.isascii() else "utf-8"
    rest = address == parent.address and len(path) == len(parent.path) + (steps.divided(parent.path)[1] is None)
    return NewRecipient(
        n=child_number(parent, address, path),
        address=address,
        orcpt=parent.orcpt or f"{kind};{steps.shown(parent.address, parent.path)}",
        notify=notify,
        depth=parent.depth + (not rest),
        parent=parent.n,
        path=path,
        sender=sender,
    )


def jobs(item: Item, routed: Iterable[Routed], confidential: Collection[str] = ()) -> list[Job]:
    """One job for all local recipients, and one for each transport, nexthop and sender that the others leave by."""
    groups: dict[tuple[str, str, str], list[JobRecipient]] = {}
    for recipient, way in routed:
        if isinstance(way, Relay):
            group = (way.transport, way.nexthop, sender_of(item, recipient) if way.sender is None else way.sender)
        else:
            group = ("local", "", sender_of(item, recipient))
        groups.setdefault(group, []).append(
            JobRecipient(
                n=recipient.n,
                address=recipient.address,
                notify=int(Notify.NEVER) if hidden_by(recipient.path, confidential) else recipient.notify,
                orcpt=recipient.orcpt,
                path=recipient.path,
                local=way if isinstance(way, Local) else None,
            )
        )
    return [
        Job(
            queue_id=item.id,
            sender=sender,
            content=item.content,
            recipients=tuple(recipients),
            created=item.created,
            nexthop=nexthop,
            transport=transport,
            parameters=item.parameters,
            origin=item.origin,
            verdict=item.verdict,
        )
        for (transport, nexthop, sender), recipients in groups.items()
    ]
