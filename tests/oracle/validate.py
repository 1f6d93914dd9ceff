"""Accepts or rejects one unit of text as an event, and says why."""

import json

LONGEST_RACE = 3600
MOST_LEVELS = 128
MOST_INTEGER = 2**53 - 1
FIELDS = {
    "event", "raceId", "classId", "racerId", "second", "cadence", "resistance", "deviceTimestamp",
    "arrivalTimestamp", "uuid", "name", "projectId", "viewerId", "durationMs",
}  # fmt: skip


class Rejected(Exception):
    """The text is not an event; the message is the reason."""


class Number(str):
    """A number as it is spelled."""


class Fields(list):
    """The fields of an object, in order."""


def event(unit):
    """Returns the fields of an event as a dict with checked values, or raises Rejected."""
    fields = known_fields(parse(unit))
    kind = fields.get("event")
    if isinstance(kind, Number) or kind not in ("update", "final", "view", "watch"):
        raise Rejected("event")
    checked = {"event": kind}
    if kind in ("update", "final"):
        checked["classId"] = integer(fields, "classId", 1, 65535)
        checked["raceId"] = integer(fields, "raceId", 0, MOST_INTEGER)
        checked["racerId"] = integer(fields, "racerId", 0, 2**32 - 1)
        checked["second"] = integer(fields, "second", 1, LONGEST_RACE)
        checked["cadence"] = measure(fields, "cadence")
        checked["resistance"] = measure(fields, "resistance")
        checked["uuid"] = string(fields, "uuid", 0, None, optional=True)
        name = string(fields, "name", 0, None, optional=True)
        checked["name"] = None if name is None else cut(name, 128)
    else:
        checked["uuid"] = string(fields, "uuid", 1, 64)
        checked["projectId"] = string(fields, "projectId", 1, 128)
        checked["viewerId"] = string(fields, "viewerId", 0, 128, optional=True)
        checked["durationMs"] = integer(fields, "durationMs", 0, 86_400_000, optional=True) or 0
    checked["deviceTimestamp"] = integer(fields, "deviceTimestamp", 0, MOST_INTEGER)
    checked["arrivalTimestamp"] = integer(fields, "arrivalTimestamp", 0, MOST_INTEGER, optional=True)
    return checked


def parse(unit):
    if len(unit) > 1 << 20:
        raise Rejected("longer than 1 MiB")
    if not unit.startswith(b"{"):
        raise Rejected("not a JSON object")
    try:
        text = unit.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("not valid UTF-8") from error
    if levels(text) > MOST_LEVELS:
        raise Rejected("deeper than 128 levels")
    try:
        return json.loads(
            text,
            object_pairs_hook=Fields,
            parse_int=Number,
            parse_float=Number,
            parse_constant=no_constant,
        )
    except ValueError as error:
        raise Rejected("not a valid JSON object") from error


def no_constant(_):
    raise ValueError("NaN and Infinity are not JSON")


def levels(text):
    depth = deepest = at = 0
    while at < len(text):
        if text[at] == '"':
            at += 1
            while at < len(text) and text[at] != '"':
                at += 2 if text[at] == "\\" else 1
        elif text[at] in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif text[at] in "}]":
            depth -= 1
        at += 1
    return deepest


def known_fields(pairs):
    fields = {}
    for name, value in pairs:
        if name in FIELDS:
            if name in fields:
                raise Rejected(f"duplicate field {name}")
            fields[name] = value
    return fields


def integer(fields, name, least, most, optional=False):
    value = fields.get(name)
    if value is None and optional:
        return None
    # Only digits: no sign, fraction or exponent.
    if not isinstance(value, Number) or not value.isdigit() or not least <= int(value[:20]) <= most:
        raise Rejected(name)
    return int(value)


def measure(fields, name):
    value = fields.get(name)
    if not isinstance(value, Number) or not 0 <= float(value) <= 1000:
        raise Rejected(name)
    return float(value)


def string(fields, name, least, most, optional=False):
    value = fields.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, str) or isinstance(value, Number):
        raise Rejected(name)
    value = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
    if len(value.encode()) < least or (most is not None and len(value.encode()) > most):
        raise Rejected(name)
    return value


def cut(name, most):
    """The longest beginning of a name with at most so many bytes."""
    return name.encode()[:most].decode("utf-8", "ignore")
