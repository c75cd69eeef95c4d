"""What a script may know besides its message, gathered before it runs; and how far it may go."""

from collections.abc import Mapping

from msgspec import Struct, field

from mailhub.wire.sieve import Script


class Limits(Struct, frozen=True):
    """`steps`: of comparing, matching and commands, half a million a second. `variable`: octets."""

    steps: int = 300_000
    redirects: int = 4
    actions: int = 32
    notices: int = 10
    variable: int = 4_000
    variables: int = 255
    includes: int = 100
    include_depth: int = 10
    header: int = 65_536  # octets that a script may add to the header
    text: int = 1 << 20  # octets of a body part that are looked through


class Environment(Struct, frozen=True):
    """`sender`, `recipient`: of the envelope, as delivered; `original`: the recipient before aliases. `now`: wall time; `zone`: minutes
    east of UTC. `folders`: name -> special use; `metadata`: (folder, entry) -> value, "" the server. `scripts`: those that
    `include` may name, as ("personal" or "global", name). `seen`: ids of `duplicate` that are remembered."""

    sender: str = ""
    recipient: str = ""
    original: str = ""
    login: str = ""
    now: float = 0.0
    zone: int = 0
    delimiter: str = "+"
    folders: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[tuple[str, str], str] = field(default_factory=dict)
    scripts: Mapping[tuple[str, str], Script] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    items: Mapping[str, str] = field(default_factory=dict)  # of the test `environment` (RFC 5183)
    protected: frozenset[str] = frozenset(
        {"received", "auto-submitted"}
    )  # fields that no script may change (RFC 5293 section 5)
    limits: Limits = Limits()
