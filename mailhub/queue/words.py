"""What became of an attempt in the words of the log and the trace; Postfix's, where it has one. Pure."""

from mailhub.delivery.transport import Result
from mailhub.store.api import Fate, Outcome

CUT = "status=unknown: the server ended meanwhile; if a peer or a program had the message by then, it arrives twice"
WORDS = {
    Fate.EXPANDED: "redirected",
    Fate.DELIVERED: "sent",
    Fate.RELAYED: "sent",
    Fate.DEFERRED: "deferred",
    Fate.FAILED: "bounced",
}


def told(result: Result, outcome: Outcome, transport: str, now: float) -> str:
    """One line of the trace: how, by whom, what was said, what comes of it."""
    words = [f"status={'held' if outcome.held else WORDS[outcome.fate]}", f"relay={result.remote or transport}"]
    words += [result.tls] if result.tls else []
    words += [f"said: {outcome.reply}"]
    words += [f"before that: {result.doubt}"] if result.doubt else []
    words += [f"filed for {f.account} in {f.folder} as {f.file}" for f in outcome.filings]
    words += (
        [f"next attempt in {outcome.due - now:.0f} s"] if outcome.fate == Fate.DEFERRED and not outcome.held else []
    )
    return ", ".join(words)
