"""The one call: scripts over a message."""

from collections.abc import Sequence

from mailhub.wire.sieve import Script

from .actions import Verdict
from .commands import COMMANDS
from .environment import Environment
from .execution import Run, finish
from .mail import Mail
from .tests import TESTS


def run(scripts: Sequence[Script], mail: Mail, environment: Environment) -> Verdict:
    """Run them one after the other; each goes on where the mail would still be kept (a `stop` or an action that cancels the
    implicit keep ends the row)."""
    return finish(Run(mail, environment, COMMANDS, TESTS), scripts)
