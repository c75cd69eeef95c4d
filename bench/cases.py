"""The table of cases: what is measured of which target under which loads."""

from bench import (
    filters,
    growth,
    hostile,
    imap,
    imap_idle,
    imap_mixed,
    imap_search,
    million,
    pop3,
    relay,
    rest,
    smtp,
    web,
)
from bench.bounds import MEASURE
from bench.peers import exim, haraka, postfix, postfix_lmtp, pymap
from bench.target import mailhub
from bench.turns import Case


def _search(sizes: tuple[int, ...], short: tuple[int, ...] = ()) -> Case:
    loads = imap_search.loads(sizes)
    return Case(
        loads, imap_search.loads(short), imap_search.measure,
        {"mailhub": lambda: imap_search.mailhub(loads), "dovecot": lambda: imap_search.dovecot(loads)},
        tuple(f"{name}{when}_ms" for name in imap_search.QUESTIONS for when in ("_first", "")),
    )  # fmt: skip


def _folder(messages: int, *, short: bool = False, alone: bool = False) -> Case:
    """A server of its own for each size: it may take in a whole account when it first sees it."""
    loads = imap_search.loads((messages,))
    targets = {"mailhub": lambda: imap_search.mailhub(loads), "dovecot": lambda: imap_search.dovecot(loads)}
    if alone:
        del targets["dovecot"]
    elif short:  # it takes minutes for more
        targets["pymap"] = lambda: pymap.pymap(imap_search.fill(loads))
    limit = max(MEASURE, messages / 500)
    return Case(loads, loads if short else (), imap.measure, targets, imap.COMPARED, limit)


def _idle(connections: int) -> Case:
    """A server of its own for each number: memory that was given back is not all the system's again."""
    return Case(
        (imap_idle.Idle(connections),), imap_idle.SHORT if connections == imap_idle.SIZES[0] else (), imap_idle.measure,
        {"mailhub": imap_idle.mailhub, "dovecot": imap_idle.dovecot}, ("kib_each", "opened_per_second"),
    )  # fmt: skip


CASES = {
    "smtp": Case(
        smtp.FULL, smtp.SHORT, smtp.measure,
        {"mailhub": mailhub, "postfix": postfix.postfix, "postfix+lmtp": postfix_lmtp.postfix_lmtp, "exim": exim.exim,
         "haraka": haraka.haraka},
        ("delivered_per_second", "server_cpu_ms_each"), together=True,
    ),
    "relay": Case(
        relay.FULL, relay.SHORT, relay.measure,
        {"mailhub": lambda: relay.to_sink(relay.mailhub), "postfix": lambda: relay.to_sink(relay.postfix)},
        ("relayed_per_second", "server_cpu_ms_each"), together=True,
    ),
    "relay-million": Case(
        relay.FULL, (), relay.measure,
        {"mailhub": lambda: relay.to_sink(relay.crowded)}, ("relayed_per_second",),
    ),
    "filters": Case(
        filters.FULL, filters.SHORT, filters.measure,
        {"no checks": filters.unchecked, "SPF, DKIM, DMARC": filters.checked, "signing": filters.signing}, (),
    ),
    "hostile": Case(
        hostile.FULL, hostile.SHORT, hostile.measure,
        {"mailhub": lambda: mailhub(hostile.CONFIG)}, ("message_p50_ms",),
    ),
    "imap-search": _search(imap_search.SIZES, imap_search.SIZES[:1]),
    "imap-search-large": _search(imap_search.LARGE),
    "imap-1000": _folder(1_000, short=True),
    "imap-10000": _folder(10_000),
    "imap-100000": _folder(100_000),
    "imap-1000000": _folder(1_000_000, alone=True),
    **{f"imap-idle-{count}": _idle(count) for count in imap_idle.SIZES},
    "imap-mixed": Case(
        imap_mixed.FULL, imap_mixed.SHORT, imap_mixed.measure,
        {"mailhub": imap_mixed.mailhub, "dovecot": imap_mixed.dovecot}, imap_mixed.COMPARED,
    ),
    "rest": Case(rest.FULL, rest.FULL, rest.measure, {"mailhub": rest.mailhub}, ()),
    "accounts": Case(growth.FULL, growth.SHORT, growth.measure, {"mailhub": growth.mailhub}, ()),
    "million": Case(
        million.FULL, million.SHORT, million.measure,
        {"mailhub": lambda: relay.to_sink(relay.mailhub)}, (),
    ),
    "web": Case(web.FULL, web.SHORT, web.measure, {"mailhub": lambda: web.mailhub(web.FULL)}, ()),
    "pop3": Case(
        pop3.loads(10_000), (), pop3.measure,
        {"mailhub": lambda: pop3.mailhub(10_000), "dovecot": lambda: pop3.dovecot(10_000)},
        ("uidl_first_ms", "uidl_second_ms", "retr_per_second"),
    ),
    "pop3-short": Case(
        (), pop3.loads(1_000), pop3.measure,
        {"mailhub": lambda: pop3.mailhub(1_000), "dovecot": lambda: pop3.dovecot(1_000)},
        ("uidl_first_ms", "uidl_second_ms", "retr_per_second"),
    ),
}  # fmt: skip
