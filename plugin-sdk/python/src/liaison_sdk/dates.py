"""Dates as HTTP has them (RFC 9110, 5.6.7), in their three forms and no other."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS: Final = [
    re.compile(rf"(?P<name>[A-Z][a-z]{{2}}), (?P<day>[0-9]{{2}}) (?P<month>[A-Z][a-z]{{2}}) (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"(?P<name>[A-Z][a-z]+day), (?P<day>[0-9]{{2}})-(?P<month>[A-Z][a-z]{{2}})-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"(?P<name>[A-Z][a-z]{{2}}) (?P<month>[A-Z][a-z]{{2}}) (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
]


def http_date(text: str) -> datetime | None:
    """The moment; `None` where it is no date, or its day of the week is another."""
    found = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if found is None or found["month"] not in _MONTHS:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 2000 if year < 70 else 1900
    month = _MONTHS.index(found["month"]) + 1
    try:
        day, hour, minute, second = (int(found[part]) for part in ("day", "hour", "minute", "second"))
        date = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    name = _DAYS[date.weekday()]
    return date if found["name"] in (name, name[:3]) else None
