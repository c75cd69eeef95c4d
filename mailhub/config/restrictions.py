"""Restriction lists as main.cf has them: words, some with an argument behind them, divided by commas or blanks. Pure.

client_restrictions = ["permit_mynetworks", "check_client_access cidr:/etc/postfix/clients", "reject"]
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import lookup, policy_service
from .near import near

TABLE, SECONDS, SERVICE = "a table", "seconds", "a policy service"

# Word: what its argument is, "" for none. What each does stands in `policy.checks`.
WORDS: Mapping[str, str] = {
    "permit": "", "reject": "", "defer": "", "defer_if_permit": "", "defer_if_reject": "", "permit_mynetworks": "", "permit_sasl_authenticated": "",
    "reject_unauth_destination": "", "defer_unauth_destination": "", "permit_auth_destination": "",
    "check_client_access": TABLE, "check_reverse_client_hostname_access": TABLE, "check_helo_access": TABLE,
    "check_sender_access": TABLE, "check_recipient_access": TABLE, "check_sasl_access": TABLE,
    "reject_unknown_client_hostname": "", "reject_unknown_reverse_client_hostname": "",
    "reject_invalid_helo_hostname": "", "reject_non_fqdn_helo_hostname": "", "reject_unknown_helo_hostname": "",
    "reject_non_fqdn_sender": "", "reject_non_fqdn_recipient": "", "reject_unknown_sender_domain": "",
    "reject_unknown_recipient_domain": "", "reject_unlisted_sender": "", "reject_unlisted_recipient": "",
    "reject_sender_login_mismatch": "", "reject_authenticated_sender_login_mismatch": "",
    "reject_unauthenticated_sender_login_mismatch": "", "reject_known_sender_login_mismatch": "",
    "reject_unauth_pipelining": "", "reject_multi_recipient_bounce": "", "reject_plaintext_session": "",
    "check_policy_service": SERVICE, "sleep": SECONDS, "warn_if_reject": "",
}  # fmt: skip
# What they were called before Postfix 2.3; those names still work there, and here.
BEFORE: Mapping[str, str] = {
    "reject_unknown_client": "reject_unknown_client_hostname", "reject_unknown_hostname": "reject_unknown_helo_hostname",
    "reject_invalid_hostname": "reject_invalid_helo_hostname", "reject_non_fqdn_hostname": "reject_non_fqdn_helo_hostname",
}  # fmt: skip
SLEEP_LIMIT = 60.0  # seconds


class Entry(NamedTuple):
    """One restriction. `warn`: what it rejects is let pass and only told in the log."""

    word: str
    argument: str = ""
    warn: bool = False


def parse(texts: Sequence[str]) -> tuple[Entry, ...]:
    """The entries of a list. lookup.Malformed says what is wrong."""
    words = [word for text in texts for word in _words(text)]
    found: list[Entry] = []
    at, warn = 0, False
    while at < len(words):
        word = words[at].lower()
        word = BEFORE.get(word, word)
        at += 1
        if word not in WORDS:
            meant = " or ".join(near(word, WORDS, 2, 0.75))
            raise lookup.Malformed(f'no restriction "{word[:100]}"' + (f": did you mean {meant}?" if meant else ""))
        if word == "warn_if_reject":
            warn = True
            continue
        argument = ""
        if WORDS[word]:
            if at >= len(words):
                raise lookup.Malformed(f"{WORDS[word]} behind {word}")
            argument = words[at]
            at += 1
            _check(word, argument)
        found.append(Entry(word, argument, warn))
        warn = False
    if warn:
        raise lookup.Malformed("a restriction behind warn_if_reject")
    return tuple(found)


def opens_to_all(texts: Sequence[str]) -> bool:
    """Whether a list permits everybody: a bare permit with nothing before it that turns strangers away, as smtpd(8) looks for."""
    for word, _, warn in parse(texts):
        if word in ("reject", "defer", "reject_unauth_destination", "defer_unauth_destination") and not warn:
            return False
        if word == "permit":
            return True
    return False


def _check(word: str, argument: str) -> None:
    if WORDS[word] == TABLE:
        lookup.spec(argument)
        return
    if WORDS[word] == SERVICE:
        policy_service.service(argument)
        return
    try:
        if not 0 <= float(argument) <= SLEEP_LIMIT:
            raise ValueError
    except ValueError:
        raise lookup.Malformed(f"{word} with 0 to {SLEEP_LIMIT:g} seconds, not {argument!r}") from None


def anchored(texts: Sequence[str], folder: str) -> tuple[str, ...]:
    """The same with the file names of tables made absolute; text that can not be read stays as it is."""
    try:
        entries = parse(texts)
    except lookup.Malformed:
        return tuple(texts)
    return tuple(
        " ".join(filter(None, ("warn_if_reject" if warn else "", word, lookup.anchor(argument, folder))))
        for word, argument, warn in entries
    )


def _words(text: str) -> list[str]:
    """Divided by commas and blanks outside of braces."""
    words, depth, start = [], 0, 0
    for at, char in enumerate(text + " "):
        depth += (char == "{") - (char == "}")
        if depth <= 0 and (char == "," or char.isspace()):
            if start < at:
                words.append(text[start:at])
            start = at + 1
    return words
