"""What the checks think of a message: one value that goes with it, from the door to the mailbox."""

import re
from collections.abc import Mapping
from enum import IntEnum

from msgspec import Struct

_SCORE = re.compile(r"-?[0-9]{1,9}\.[0-9]")
_EVIDENCE = re.compile(r"([\w-]{1,40})=([\w-]{1,40})(?: ([+-][0-9]{1,9}\.[0-9]))?(?: \((.{0,300})\))?")


class Action(IntEnum):
    """What becomes of a message; of two that are wanted the greater one is done."""

    ACCEPT = 0
    TAG = 1  # delivered, and said so in X-Mailhub-Verdict
    JUNK = 2  # filed in the Junk folder, unless the owner's script says otherwise
    QUARANTINE = 3  # taken, and held for an operator
    TEMPFAIL = 4  # to be tried again: 451
    REJECT = 5  # 550

    @property
    def word(self) -> str:
        return self.name.lower()


class Evidence(Struct, frozen=True):
    """What one check found. `result`: its word ("pass", "fail", "none", "error"); `score`: above 0 speaks against the message;
    `reason`: for people, in plain words."""

    check: str
    result: str
    score: float = 0.0
    reason: str = ""


class Verdict(Struct, frozen=True):
    """`score`: the sum of what was found; `evidence`: in the order in which it was found."""

    action: Action = Action.ACCEPT
    score: float = 0.0
    evidence: tuple[Evidence, ...] = ()

    def __str__(self) -> str:
        """On one line, for the log, the trace and the header."""
        words = [f"{self.action.word}, score {self.score:.1f}"]
        for one in self.evidence:
            score = f" {one.score:+.1f}" if one.score else ""
            reason = f" ({one.reason})" if one.reason else ""
            words.append(f"{one.check}={one.result}{score}{reason}")
        return "; ".join(words)

    def result(self, check: str) -> str:
        """The word of that check, "" where it said nothing."""
        return next((one.result for one in self.evidence if one.check == check), "")


UNJUDGED = Verdict()


def told(text: str) -> Verdict:
    """What `str` of a verdict says, as far as it is about delivery: no more than JUNK. UNJUDGED where it is none."""
    first, *rest = text.split("; ")
    word, comma, score = first.partition(", score ")
    if not comma or word not in {action.word for action in Action}:
        return UNJUDGED
    found = [_EVIDENCE.fullmatch(one) for one in rest]
    evidence = tuple(Evidence(one[1], one[2], float(one[3] or 0), one[4] or "") for one in found if one is not None)
    return Verdict(min(Action[word.upper()], Action.JUNK), _number(score), evidence)


def _number(text: str) -> float:
    return float(text) if _SCORE.fullmatch(text) else 0.0


def action_for(score: float, thresholds: Mapping[Action, float]) -> Action:
    """The greatest action whose threshold the score reaches. A threshold of 0 is never reached."""
    reached = [action for action, threshold in thresholds.items() if threshold and score >= threshold]
    return max(reached, default=Action.ACCEPT)
