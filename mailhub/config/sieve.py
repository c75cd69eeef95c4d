"""Sieve scripts: which are run, how far they may go, and the protocol that keeps them."""

from .section import Count, Octets, Seconds, Section


class Sieve(Section, frozen=True, kw_only=True):
    # Run the scripts of accounts, and those below, at local delivery.
    enabled: bool = True
    # Files of scripts that are run before and after an account's own, in this order; and the folder of those that it may include as
    # global ones ("NAME.sieve"), "" for none.
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    global_folder: str = ""
    # Octets of one script; scripts of one account, and octets of all of them.
    script_limit: Octets = 131_072
    script_count: Count = 50
    quota: Octets = 1_048_576
    # How far a script may go: steps (300,000 take half a second), addresses it redirects to, actions, notices, scripts it includes,
    # octets of a variable, variables, octets it adds to the header.
    step_limit: Count = 300_000
    redirect_limit: Count = 4
    action_limit: Count = 32
    notice_limit: Count = 10
    include_limit: Count = 100
    variable_limit: Count = 4_000
    variable_count: Count = 255
    header_limit: Octets = 65_536


class Managesieve(Section, frozen=True, kw_only=True):
    # Octets of one line.
    line_length_limit: Count = 16_384
    # Silence allowed before and after the login (RFC 5804 section 1.2 asks for 30 minutes).
    login_timeout: Seconds = 120.0
    idle_timeout: Seconds = 1_860.0
    # Lines that are no command, after which the session ends.
    error_limit: Count = 20
