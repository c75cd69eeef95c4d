"""Routes as values: what the router says of one recipient."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from mailhub.model import steps
from mailhub.model.address import key
from mailhub.model.reply import Reply

PART = 900  # children that one expansion makes at a time


class Local(Struct, frozen=True):
    """Into a Maildir of ours. `account`: its name (model.address.key); `detail`: the tag of user+tag, or None."""

    account: str
    folder: str = "INBOX"
    detail: str | None = None


class Relay(Struct, frozen=True):
    """Out of here: to a nexthop, by the transport of that name. `sender`: the reverse-path it leaves with, None where that is
    the message's own."""

    nexthop: str
    transport: str = "relay"
    sender: str | None = None


class Expand(Struct, frozen=True):
    """To others instead (alias, catch-all, list): at least one, deduplicated, in their order.

    `targets`: addresses; one with a "\\\\" before it is followed through no other alias. `asides`: what is no address, as it is
    written ("|command", "/file", ":include:/file"), and `where` it stands (steps.Mark). `sender`: the reverse-path of
    the children, None where that stays. `by`: how it was found, a word of `steps` or "". `rest`: where a long list goes on.
    `count`: of all, where these are a part of them.
    """

    targets: tuple[str, ...]
    asides: tuple[str, ...] = ()
    where: str = "alias"
    sender: str | None = None
    by: str = ""
    rest: str = ""
    count: int = 0

    def part(self, start: int) -> "Expand":
        """PART of them from `start` on; the others are the rest."""
        targets, asides = self.targets, self.asides
        whole = len(targets) + len(asides)
        if not start and whole <= PART:
            return self
        end = start + PART
        some = asides[max(0, start - len(targets)) : max(0, end - len(targets))]
        rest = str(steps.Mark(start=str(end))) if end < whole else ""
        return replace(self, targets=targets[start:end], asides=some, rest=rest, count=whole)

    def children(self, address: str, path: steps.Path) -> Iterator[tuple[str, steps.Path]]:
        """What the recipient is replaced by: addresses and their paths; the rest of a long list last."""
        before = steps.divided(path)[0]
        way = (*before, steps.name(address, path) + self.by)
        for target in self.targets:
            if target.startswith("\\"):
                yield target[1:], (*way, key(target[1:]))
            else:
                yield target, way
        for aside in self.asides:
            yield aside, (*way, str(steps.Mark(self.where)))
        if self.rest:
            yield address, (*before, self.rest)


class Hold(Struct, frozen=True):
    """Nowhere until an operator has decided."""

    reply: Reply


class Refuse(Struct, frozen=True):
    """Nowhere, or, where the reply is temporary, not now."""

    reply: Reply


Route = Local | Relay | Expand | Hold | Refuse
