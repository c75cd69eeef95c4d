"""How this program is started again."""

import os
import sys


def program() -> list[str]:
    """As it was started, by its whole path. -P: no module is taken from the folder where it is run."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "mailhub" and os.access(script, os.X_OK) and os.path.isfile(script):
        return [script]
    return [sys.executable, "-P", "-m", "mailhub"]
