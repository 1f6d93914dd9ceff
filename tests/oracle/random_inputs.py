#!/usr/bin/env python3
"""Writes seeded random inputs in which the edges of reading, time and results happen.

    tests/oracle/random_inputs.py SEED DIR

DIR/inputs has files to read in order, DIR/partitions/1, 2, ... the same rides in partitions that overlap
in time, and DIR/rules.toml rules to use in some runs. Prints times for --as-of that are worth a test, one
a line.
"""

import gzip
import random as randoms
import sys
from pathlib import Path

from events import racing
from oracle import run
from spellings import not_event, spell, torn

BOM = b"\xef\xbb\xbf"


def write_files(random, events, folder):
    """Writes events to a few files, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    cuts = sorted(random.randrange(len(events) + 1) for _ in range(random.randint(0, 3)))
    arrivals = random.choice([0, 0, 1, 0.5])  # the share of files with arrivals
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(events)], strict=True)):
        part = events[start:end]
        if random.random() < arrivals:
            part = [(true, fields | {"arrivalTimestamp": true}) for true, fields in part]
        if random.random() < 0.15:
            data = array(random, part)
        else:
            data = lines(random, part)
        name = random.choice([f"{number}.jsonl", f"{number}/a.gz", f"{number}-x"])
        write_file(random, folder / name, data)


def write_file(random, path, data):
    path.parent.mkdir(exist_ok=True)
    kind = random.choice([0, 0, 0, 1, 1, 2, 2, 3])
    if path.suffix == ".gz" and not data.startswith((b"{", b"[", BOM)):
        kind = max(kind, 1)  # velodrome expects gzip where the name says so and no JSON begins the file
    if kind == 1:
        data = gzip.compress(data, 1)
    elif kind == 2:
        cut = random.randrange(len(data) + 1)
        data = gzip.compress(data[:cut], 1) + gzip.compress(data[cut:], 1)
    elif kind == 3:
        data = gzip.compress(gzip.compress(data, 1), 1)
    path.write_bytes(data)


def lines(random, events):
    """Lines of objects, with rejected and torn ones and with bytes between them that are ignored."""
    pieces = [BOM] if random.random() < 0.3 else []
    joined = random.choice([0, 0, 0.3, 1])  # the share of objects that share a line with the next one
    dirty = random.choice([0, 0.02, 0.1])
    for _, fields in events:
        if random.random() < dirty:
            bad = not_event if random.random() < 0.7 else torn
            text = bad(random, fields)
            # Of text without an object, only the part before the next object is rejected with its line.
            pieces.append(b"" if text.startswith(b"{") else b"\n")
            pieces.append(text + random.choice([b"\n", b"", b" "]))
        pieces.append(spell(random, fields))
        if random.random() < dirty:
            pieces.append(random.choice([b"\0", b"\0\0 ", b"\n\n", b" \t", b"\r\n", BOM, b"\n" + BOM]))
        if random.random() >= joined:
            pieces.append(random.choice([b"\n", b"\n", b"\n", b"\r\n"]))
    if random.random() < dirty * 4 and events:
        pieces.append(torn(random, events[-1][1]))
    # UTF-16 is recognised by NUL bytes near the beginning of a file, so there are none there.
    return b"".join(pieces)


def array(random, events):
    pieces = []
    for _, fields in events:
        if random.random() < 0.03:
            bad = spell(random, fields | {"event": "no"})
            pieces.append(random.choice([b"{}", b"5", b"null", b'"x"', bad]))
        pieces.append(spell(random, fields))
    separator = random.choice([b",", b",\n", b" ,\n  "])
    begin, end = random.choice([(b"[", b"]"), (b"[\n", b"\n]\n"), (BOM + b"\n[", b"]")])
    return begin + separator.join(pieces) + end


def write_partitions(random, events, folder):
    """Spreads the same events over partitions that overlap in time, each in order."""
    count = random.choice([2, 3])
    by_racer = random.random() < 0.6
    parts = [[] for _ in range(count)]
    for true, fields in events:
        place = hash_of(fields) if by_racer else random.randrange(count)
        parts[place % count].append((true, fields))
    for number, part in enumerate(parts, start=1):
        write_files(random, part, folder / str(number))


def hash_of(fields):
    return sum(str(fields.get("racerId", fields["uuid"] if "uuid" in fields else 0)).encode())


def write_rules(random, path):
    rules = []
    if random.random() < 0.6:
        rules.append(f"race_seconds = {random.choice([10, 60, 299, 600])}")
    if random.random() < 0.5:
        rules.append(f"grace_seconds = {random.choice([0, 1, 600])}")
    if random.random() < 0.3:
        rules.append("cadence_offset = 30.5\nresistance_offset = 60\ndivisor = 97")
    if random.random() < 0.4:
        rules.append(f"excluded_racers = [{random.randint(0, 9)}, {random.randint(10, 39)}]")
        rules.append("excluded_races = [{ class_id = 2, race_id = 5400801 }]")
    if random.random() < 0.4:
        rules.append(f"corrected_racers.{random.randint(1, 39)}.cadence = 0.9")
        rules.append("corrected_devices.'bike 1' = { cadence = 1.1, resistance = 0.3 }")
    path.write_text("\n".join(rules) + "\n")


def write(seed, folder):
    """Writes the inputs of a seed. Returns times for --as-of."""
    random = randoms.Random(seed)
    folder = Path(folder)
    events = racing(random)
    write_files(random, events, folder / "inputs")
    write_partitions(random, events, folder / "partitions")
    write_rules(random, folder / "rules.toml")
    clocks = sorted(set(run(folder / "clocks", [str(folder / "inputs")])))
    chosen = random.sample(clocks, min(2, len(clocks)))
    times = [clock + random.choice([-1, 0, 0, 1, 500]) for clock in chosen]
    # Around the end of a ride, and of the repair window.
    edge = (clocks[0] // 1000 + random.choice([359, 360, 361, 3960])) * 1000
    return [max(0, time) for time in [*times, edge + random.choice([-1, 0, 1])]]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for time in write(int(sys.argv[1]), sys.argv[2]):
        print(time)


if __name__ == "__main__":
    main()
