"""Sieve scripts run over a message: octets and an `Environment` in, a `Verdict` out. Pure: no clock, no store, no net.

    verdict = run(script, Mail(data), environment)

`execution` is the machine, `commands` and `tests` what its words do (a table each), `matching` how strings are compared,
`mail` the message as a script sees it, `actions` what comes out, `vacation` and `notices` the messages that scripts send.
Who calls: `filtering` (local delivery), `mailhub sieve test`. Whatever a script does, `run` ends: its steps are counted.
"""

from .actions import Verdict
from .environment import Environment, Limits
from .mail import Mail
from .running import run

__all__ = ["Environment", "Limits", "Mail", "Verdict", "run"]
