"""What is wrong with a running hub now, in words and with what to do, for `mailhub status`, `/health` and `/metrics`.

Each room remembers its own last failure until the same thing works again; here they are asked, and told to people.
"""

from typing import TYPE_CHECKING

from mailhub import log
from mailhub.model.errors import MailError

if TYPE_CHECKING:
    from mailhub.hub import Hub

_JUMP = 60.0  # seconds by which the wall clock may drift from the other one


def no_mail(hub: "Hub") -> str:
    """Why no mail is taken now, "" where it is."""
    try:
        hub.spool.check_space()
    except MailError as error:
        return str(error)
    if cause := hub.store.troubles().get("database"):
        return f"the database can not be written: {cause}"
    return ""


def alarms(hub: "Hub") -> dict[str, str]:
    """By room; {} where all is well."""
    store, found = hub.store.troubles(), dict[str, str]()
    if cause := store.get("database"):
        found["database"] = (
            f"{cause}: all that changes something is told to come again until it can be written: make room, or see to the disk below {hub.data}"
        )
    if cause := store.get("files"):
        found["files"] = (
            f"{cause}: the mail is safe in the database and is put there once that is possible: see to that folder and its disk"
        )
    for listener in hub.listeners:
        if listener.trouble:
            found["listeners"] = (
                f"{listener.config.label}: {listener.trouble}: new connections wait: allow more open files "
                "(LimitNOFILE= in the unit, ulimit -n), or fewer sessions (sessions.limit)"
            )
    if cause := hub.resolver.trouble:
        found["dns"] = (
            f'{cause}: mail to other hosts waits, checks by DNS say "try again": see to resolver.nameservers, or /etc/resolv.conf'
        )
    lost, losing = log.lost()
    if losing:
        found["log"] = (
            f"lines do not reach the log, {lost} since the start: see to its disk, or to who reads it (log.output)"
        )
    if jumped := _jumped(hub):
        found["clock"] = jumped
    return found


def _jumped(hub: "Hub") -> str:
    drift = hub.clock.now() - hub.clock.monotonic() - hub.clock_offset
    if abs(drift) < _JUMP:
        return ""
    if drift > 0:
        return f"it was set forward by {drift:.0f} s since the start: what was due meanwhile is tried now, and nothing expires untried"
    return f"it was set back by {-drift:.0f} s since the start: what waits is due later by that; `mailhub flush` tries it now"
