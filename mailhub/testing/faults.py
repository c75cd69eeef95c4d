"""Faults by script: at which moment of a session what goes wrong, and how often.

    hub.faults.smtp.after("DATA").reply(451).times(2)
    hub.faults.smtp.on("RCPT", nth=3).reply(550, "5.1.1", "Nobody")
    hub.faults.smtp.connect().stall()
    hub.faults.imap.during("FETCH", octets=100).bye("Server is restarting")
    hub.faults.pop3.on("PASS").reply("-ERR [IN-USE] Locked")

A rule works once where nothing else is said, counts in all sessions of that protocol, and holds for those already open.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from mailhub.model.clock import Clock
from mailhub.model.reply import Reply

_USUAL = {  # enhanced code and text of a code that is given alone
    421: ("4.3.2", "Service not available"),
    450: ("4.2.0", "Mailbox busy"),
    451: ("4.3.0", "Local trouble"),
    452: ("4.3.1", "No room"),
    454: ("4.7.0", "TLS not available"),
    550: ("5.1.1", "No such mailbox here"),
    552: ("5.2.2", "Mailbox full"),
    554: ("5.0.0", "Refused"),
}


@dataclass
class Rule:
    """One fault, and the words that make it. `verb`: "" is the beginning of a session; `nth`: 0 is each one of a session."""

    where: str  # "on", "after", "during"
    verb: str
    nth: int = 0
    octets: int = 0
    left: int = 1
    answer: Reply | str | None = None
    act: str = ""  # "reply", "cut", "stall", "bye", "delay"
    seconds: float = 0.0
    allowed: Callable[[], bool] | None = None  # a rate that is kept to lets the command pass

    # --- what goes wrong ---

    def reply(self, reply: int | str, status: str = "", text: str = "") -> Self:
        """Answer so, and do nothing. SMTP: a code, with enhanced code and text of your own or the usual ones; other protocols: the line
        ("NO [UNAVAILABLE] Later", "-ERR [SYS/TEMP] Later")."""
        self.act = "reply"
        if isinstance(reply, int):
            usual = _USUAL.get(reply, (f"{reply // 100}.0.0", "As the test wants it"))
            self.answer = Reply(reply, status or usual[0], text or usual[1])
        else:
            self.answer = reply
        return self

    def cut(self) -> Self:
        """The connection is gone. `after("DATA").cut()`: with the message taken and the reply lost."""
        self.act = "cut"
        return self

    def stall(self) -> Self:
        """Nothing is said, while the connection stands."""
        self.act = "stall"
        return self

    def bye(self, text: str = "Server shutting down") -> Self:
        """The server says goodbye (IMAP's BYE, SMTP's 421) and hangs up."""
        self.act, self.answer = "bye", text
        return self

    def delay(self, seconds: float) -> Self:
        """As usual, but so much real time later."""
        self.act, self.seconds = "delay", seconds
        return self

    # --- how often ---

    def times(self, count: int) -> Self:
        """So often, then all is well."""
        self.left = count
        return self

    def always(self) -> Self:
        """Until `faults.clear()`."""
        self.left = -1
        return self


@dataclass
class Seen:
    """What one session has done so far: `count` of each verb."""

    count: dict[str, int] = field(default_factory=dict)


class DoorFaults:
    """Of one protocol. Each of its words begins a rule."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.rules: list[Rule] = []
        self.hidden: set[str] = set()

    def on(self, verb: str, nth: int = 0) -> Rule:
        """At a command, instead of it; `nth` of its session."""
        return self._rule(Rule("on", verb.upper(), nth))

    def after(self, verb: str, nth: int = 0) -> Rule:
        """When all is done but the answer: after("DATA") is the answer to the final dot. A reply there means it was not done."""
        return self._rule(Rule("after", verb.upper(), nth))

    def during(self, verb: str, octets: int = 1) -> Rule:
        """In the middle of a message that comes (DATA, BDAT) or of an answer that goes (FETCH, RETR), after so many octets."""
        return self._rule(Rule("during", verb.upper(), octets=octets))

    def connect(self) -> Rule:
        """Instead of the greeting."""
        return self._rule(Rule("on", ""))

    def hide(self, *keywords: str) -> None:
        """Do not offer these extensions: hide("STARTTLS") is a stripped one. For sessions that begin later."""
        self.hidden |= {keyword.upper() for keyword in keywords}

    def rate(self, messages: int, seconds: float) -> Rule:
        """421 for each message beyond so many in so much time on the server's clock."""
        times: list[float] = []

        def allowed() -> bool:
            now = self._clock.monotonic()
            times[:] = [then for then in times if then > now - seconds]
            if len(times) < messages:
                times.append(now)
                return True
            return False

        rule = self.on("MAIL").reply(421, "4.7.0", "Too many messages").always()
        rule.allowed = allowed
        return rule

    def clear(self) -> None:
        """No faults any more."""
        self.rules.clear()
        self.hidden.clear()

    def _rule(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    # --- what taps ask ---

    def due(self, where: str, verb: str, seen: Seen) -> Rule | None:
        """The rule that works now; it is used up by one."""
        for rule in self.rules:
            if rule.where != where or rule.verb != verb or not rule.act or not rule.left:
                continue
            if rule.nth and rule.nth != seen.count.get(verb, 0):
                continue
            if rule.allowed is not None and rule.allowed():
                continue
            rule.left -= 1
            return rule
        return None
