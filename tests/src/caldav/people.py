"""What people do in a calendar, by a client library that nobody here wrote: they read it and change it.

One word on the command line, then a JSON object on stdin; one JSON value on stdout.
"""

import json
import sys
from datetime import datetime, timedelta

import caldav
import icalendar
import recurring_ical_events


def calendar(order):
    client = caldav.DAVClient(url=order["url"], username=order.get("user"), password=order.get("password"))
    return client.calendar(url=order["url"])


def shown(value):
    """A date or time as text, with its offset and the name of its zone."""
    if value is None:
        return None
    if isinstance(value, datetime):
        zone = getattr(value.tzinfo, "key", None) or (value.tzinfo and str(value.tzinfo))
        return value.isoformat() + (f"[{zone}]" if zone else "")
    return value.isoformat()


def each(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def event(component):
    def text(name):
        value = component.get(name)
        return None if value is None else str(value)

    def person(value):
        return {key.lower(): str(value.params[key]) for key in value.params} | {"address": str(value)}

    known = {
        "uid": text("UID"),
        "title": text("SUMMARY"),
        "description": text("DESCRIPTION"),
        "location": text("LOCATION"),
        "url": text("URL"),
        "status": text("STATUS"),
        "sequence": component.get("SEQUENCE"),
        "start": shown(component.start),
        "end": shown(component.end),
        "stamp": shown(component.get("DTSTAMP").dt),
        "modified": shown(component.get("LAST-MODIFIED") and component.get("LAST-MODIFIED").dt),
        "rule": component.get("RRULE") and component.get("RRULE").to_ical().decode(),
        "exceptions": [shown(day.dt) for line in each(component.get("EXDATE")) for day in line.dts],
        "recurrence-id": component.get("RECURRENCE-ID") and shown(component.get("RECURRENCE-ID").dt),
        "categories": [str(name) for line in each(component.get("CATEGORIES")) for name in line.cats],
        "attendees": [person(value) for value in each(component.get("ATTENDEE"))],
        "organiser": component.get("ORGANIZER") and person(component.get("ORGANIZER")),
        "alarms": [str(alarm.get("TRIGGER").to_ical().decode()) for alarm in component.walk("VALARM")],
        "version": text("X-LIAISON-VERSION"),
        "note": text("X-NOTE"),
    }
    return {name: value for name, value in known.items() if value not in (None, [], "")}


def read(order):
    events = []
    for resource in calendar(order).events():
        instance = resource.icalendar_instance
        zones = [str(zone["TZID"]) for zone in instance.walk("VTIMEZONE")]
        for component in instance.walk("VEVENT"):
            events.append(event(component) | {"href": str(resource.url), "zones": zones})
    return sorted(events, key=lambda found: (found["uid"], found.get("recurrence-id", "")))


def occurrences(order):
    found = []
    for resource in calendar(order).events():
        for one in recurring_ical_events.of(resource.icalendar_instance).between(order["from"], order["to"]):
            found.append([shown(one.start), shown(one.end), str(one.get("SUMMARY"))])
    return sorted(found)


def change(order):
    """As a person does in a program: some properties are others, and it says when."""
    resource = calendar(order).event_by_uid(order["uid"])
    instance = resource.icalendar_instance
    main = next(found for found in instance.walk("VEVENT") if "RECURRENCE-ID" not in found)
    for name, value in order.get("set", {}).items():
        main.pop(name, None)
        if value is not None:
            main.add(name, datetime.fromisoformat(value) if name in ("DTSTART", "DTEND", "LAST-MODIFIED") else value)
    for address in order.get("attendees", []):
        main.add("ATTENDEE", address)
    for when in order.get("skip", []):
        main.add("EXDATE", datetime.fromisoformat(when).replace(tzinfo=main.start.tzinfo))
    if "alarm" in order:
        alarm = icalendar.Alarm()
        alarm.add("ACTION", "DISPLAY")
        alarm.add("DESCRIPTION", "soon")
        alarm.add("TRIGGER", timedelta(minutes=-order["alarm"]))
        main.add_component(alarm)
    if "moved" in order:
        when, to = (datetime.fromisoformat(text).replace(tzinfo=main.start.tzinfo) for text in order["moved"])
        exception = icalendar.Event()
        exception.add("UID", order["uid"])
        exception.add("DTSTAMP", main["DTSTAMP"].dt)
        exception.add("RECURRENCE-ID", when)
        exception.add("DTSTART", to)
        exception.add("DTEND", to + (main.end - main.start))
        exception.add("SUMMARY", "moved")
        instance.add_component(exception)
    resource.data = instance.to_ical()
    resource.save()
    return True


def delete(order):
    calendar(order).event_by_uid(order["uid"]).delete()
    return True


WORDS = {"read": read, "occurrences": occurrences, "change": change, "delete": delete}
json.dump(WORDS[sys.argv[1]](json.load(sys.stdin)), sys.stdout, default=str)
