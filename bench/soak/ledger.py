"""What the server promised, what was seen of it, and what that contradicts."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

Key = tuple[int, str]  # a message's number, and its recipient
Place = tuple[str, str]  # an account, and a folder


@dataclass(slots=True)
class Fate:
    """`answered`: the client has read 250, or OK to its APPEND. `gone`: a client had it deleted: "surely" with an OK, "maybe" without."""

    answered: bool = False
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """One that the far host took. `cut`: it said so to nobody. `life`: the server's, in which the connection was made."""

    time: float
    cut: bool
    life: int = 0


@dataclass
class Ledger:
    """`wrong`: in words, what must not be. Times are those of the soak's monotonic clock."""

    fates: dict[Key, Fate] = field(default_factory=dict)
    copies: dict[Key, list[Copy]] = field(default_factory=dict)
    ends: list[float] = field(default_factory=list)  # of the server's lives
    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)  # what good clients were told while something was wrong
    wrong: list[str] = field(default_factory=list)
    _numbers: int = 0
    _uids: dict[tuple[str, str, int, int], int] = field(default_factory=dict)
    _places: dict[tuple[str, str, int], int] = field(default_factory=dict)  # of a number: its UID in a folder
    _next: dict[Place, tuple[int, int]] = field(default_factory=dict)
    _flags: dict[tuple[str, str, int], set[bytes]] = field(default_factory=dict)

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def blame(self, words: str) -> None:
        self.wrong.append(words)

    # --- what was promised -----------------------------------------------------------------------------------------------

    def sent(self, key: Key) -> None:
        self.fates[key] = Fate()
        self.counts["sent"] += 1

    def answered(self, key: Key) -> None:
        self.fates[key].answered = True
        self.counts["answered"] += 1

    def deleting(self, key: Key) -> None:
        if self.fates[key].gone != "surely":
            self.fates[key].gone = "maybe"

    def deleted(self, key: Key) -> None:
        self.fates[key].gone = "surely"
        self.counts["deleted"] += 1

    def flagged(self, place: Place, uid: int, flags: set[bytes] | None) -> None:
        """An OK to STORE; None: nobody knows what is so now."""
        if flags is None:
            self._flags.pop((*place, uid), None)
        else:
            self._flags[*place, uid] = flags

    # --- what was seen ---------------------------------------------------------------------------------------------------

    def selected(self, place: Place, validity: int, uid_next: int) -> None:
        """UIDVALIDITY stays, UIDNEXT never goes back."""
        before = self._next.get(place)
        if before is not None and (before[0] != validity or before[1] > uid_next):
            self.blame(f"{place}: UIDVALIDITY and UIDNEXT were {before}, are {(validity, uid_next)}")
        self._next[place] = (validity, uid_next)

    def seen(self, place: Place, uid: int, number: int, flags: set[bytes] | None = None) -> None:
        """No UID is another message's, no message has two; flags are those that were promised."""
        account, folder = place
        validity = self._next.get(place, (0, 0))[0]
        before = self._uids.setdefault((account, folder, validity, uid), number)
        if before != number:
            self.blame(f"{place}: UID {uid} was message {before}, is {number}")
        other = self._places.setdefault((account, folder, number), uid)
        if other != uid:
            self.blame(f"{place}: message {number} has UIDs {other} and {uid}")
        promised = self._flags.get((account, folder, uid))
        if flags is not None and promised is not None and not promised <= flags:
            self.blame(f"{place}: UID {uid} has flags {sorted(flags)}, promised were {sorted(promised)}")

    # --- the end ---------------------------------------------------------------------------------------------------------

    def close(self, found: "Counter[Key]") -> None:
        """`found`: what is in all folders. Blames what is lost, double, or back."""
        for key, fate in self.fates.items():
            there = found[key] + len(self.copies.get(key, ()))
            if fate.answered and not fate.gone and not there:
                self.counts["lost"] += 1
                self.blame(f"message {key} was answered and is lost")
            if fate.gone == "surely" and found[key]:
                self.counts["back"] += 1
                self.blame(f"message {key} was deleted and is back")
            if found[key] > 1:
                self.counts["double"] += 1
                self.blame(f"message {key} is there {found[key]} times")
        for key in found.keys() - self.fates.keys():
            self.blame(f"message {key} was never sent")
        for key, copies in self.copies.items():
            self._windows(key, copies)

    def _windows(self, key: Key, copies: list[Copy]) -> None:
        """A second copy is allowed where the reply to the one before it can not have been read: it was cut, or the server's life ended."""
        for one, next_one in pairwise(copies):
            self.counts["relayed twice"] += 1
            ended = bisect_left(self.ends, one.time) != bisect_left(self.ends, next_one.time)
            if not (one.cut or ended or one.life != next_one.life):
                self.counts["double"] += 1
                self.blame(f"message {key} was relayed twice for no reason")
