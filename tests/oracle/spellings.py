"""Spells events as JSON text in many ways, and writes lines that are not events."""

import json


def spell(random, fields):
    """An event as JSON text, as bytes."""
    items = list(fields.items())
    if random.random() < 0.3:
        random.shuffle(items)
    if random.random() < 0.15:
        ignored = random.choice(["x", 5, None, [1, {"a": []}]])
        items.insert(random.randrange(len(items) + 1), ("output", ignored))
    space = random.choice(["", "", " ", "  "])
    ascii_only = random.random() < 0.5
    parts = []
    for name, value in items:
        parts.append(f"{json.dumps(name)}:{space}{value_text(random, name, value, ascii_only)}")
    return ("{" + ("," + space).join(parts) + "}").encode("utf-8")


def value_text(random, name, value, ascii_only):
    measured = name in ("cadence", "resistance") and isinstance(value, (int, float))
    if measured and random.random() < 0.2:
        return number(random, value)
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return json.dumps(value)
    return json.dumps(value, ensure_ascii=ascii_only)


def number(random, value):
    spellings = [f"{value!r}e0", f"{value:.17e}", f"{value:.3f}", f"{float(value)!r}", f"{value:.6E}"]
    text = random.choice(spellings)
    return text if 0 <= float(text) <= 1000 else json.dumps(value)


BAD_FIELDS = [
    ("second", 0), ("second", 301), ("second", 3601), ("second", 1.0), ("second", "1"), ("second", None),
    ("classId", 0), ("classId", 65_536), ("classId", -1), ("racerId", 2**32), ("racerId", True),
    ("raceId", 2**53), ("raceId", 1e3), ("cadence", -0.5), ("cadence", 1000.5), ("resistance", "9"),
    ("resistance", None), ("deviceTimestamp", -1), ("deviceTimestamp", 2**53), ("deviceTimestamp", 1.5),
    ("arrivalTimestamp", "x"), ("arrivalTimestamp", -1), ("name", 7), ("uuid", ["u"]), ("event", "start"),
    ("event", None),
]  # fmt: skip


def not_event(random, fields):
    """One rejected object or piece of text, made from an event, as bytes."""
    good = spell(random, fields)
    kind = random.randrange(10)
    if kind < 5 and "racerId" in fields:
        name, value = random.choice(BAD_FIELDS)
        return spell(random, dict(fields) | {name: value})
    if kind == 5:
        bad = dict(fields)
        del bad[random.choice(["event", "deviceTimestamp"])]
        return spell(random, bad)
    if kind == 6:
        return random.choice([b"{}", b"garbage", b"17", b"null", b'"text"', b"{nul}", b'{"event":nul}'])
    if kind == 7:
        return good[:-1] + random.choice([b",}", b',"x":01}', b',"x":NaN}', b',"x":"\\q"}', b',"x":"\x01"}'])
    if kind == 8:
        deep = b',"x":' + b"[" * 128 + b"]" * 128 + b"}"
        return good[:-1] + random.choice([b',"x":"\xff"}', b',"event":"view"}', deep])
    if "racerId" not in fields:
        name, value = random.choice(
            [("uuid", ""), ("uuid", "u" * 65), ("projectId", ""), ("projectId", "p" * 129), ("viewerId", 1),
             ("durationMs", -1), ("durationMs", 86_400_001), ("durationMs", 1.0)]
        )  # fmt: skip
        return spell(random, dict(fields) | {name: value})
    return spell(random, dict(fields) | {"second": 3601})


def torn(random, fields):
    """The beginning of an event: at least its brace."""
    good = spell(random, fields)
    cut = random.randint(1, len(good) - 1)
    while cut > 1 and 0x80 <= good[cut] < 0xC0:
        cut -= 1  # not inside a character
    return good[:cut]

