"""Measurements. `python -m bench` runs the table of cases in `__main__`, each against every target that is there, in turn
(A B A B), prints medians, spread and ratios, and writes JSON. No test asserts a time.

A case is a function of a Target (host, ports, accounts, processes). Commits are on disk on both sides. Clients share the machine
with the server, so server CPU per message is the figure that travels best.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # the server in a process, free ports
