"""Parts of dates (RFC 5260 section 4)."""

import datetime
from email.utils import parsedate_tz

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse(text: str) -> datetime.datetime | None:
    """A date-time of RFC 5322 section 3.3, with its zone."""
    found = parsedate_tz(text[:200])
    if found is None:
        return None
    try:
        zone = datetime.timezone(datetime.timedelta(seconds=found[9] or 0))
        year, month, day, hour, minute, second = found[:6]
        return datetime.datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
    except (ValueError, OverflowError):
        return None


def zone(text: str) -> datetime.timezone | None:
    """ "+0200" """
    if len(text) != 5 or text[0] not in "+-" or not text[1:].isascii() or not text[1:].isdigit():
        return None
    minutes = int(text[1:3]) * 60 + int(text[3:])
    if minutes >= 1440:
        return None
    return datetime.timezone(datetime.timedelta(minutes=-minutes if text[0] == "-" else minutes))


def shown(when: datetime.datetime, where: datetime.timezone) -> datetime.datetime | None:
    try:
        return when.astimezone(where)
    except (OverflowError, ValueError):
        return None


def part(when: datetime.datetime, name: str) -> str:
    """The part of that name; "" where there is none."""
    offset = when.strftime("%z")
    colon = f"{offset[:3]}:{offset[3:5]}"
    date, time = f"{when.year:04}-{when.month:02}-{when.day:02}", f"{when.hour:02}:{when.minute:02}:{when.second:02}"
    return {
        "year": f"{when.year:04}", "month": f"{when.month:02}", "day": f"{when.day:02}", "date": date,
        # the modified Julian day: days since 1858-11-17
        "julian": str(when.toordinal() - 678576),
        "hour": f"{when.hour:02}", "minute": f"{when.minute:02}", "second": f"{when.second:02}", "time": time,
        "iso8601": f"{date}T{time}{colon}",
        "std11": f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} {time} {offset[:5]}",
        "zone": offset[:5], "weekday": str((when.weekday() + 1) % 7),
    }.get(name.lower(), "")  # fmt: skip
