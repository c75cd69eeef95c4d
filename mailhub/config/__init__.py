"""config.toml as frozen values; each room gets its own section, never the whole.

Comes from: the operator's file. Gives to: `hub`, which hands the sections out. May import: nothing of ours.
Invariant: a value that reached a section has the right type and lies within its bounds.
"""

from .schema import Config as Config
