#!/usr/bin/env python3
"""Compares the results of the oracle with those of velodrome, as parsed values.

    tests/oracle/compare.py EXPECTED ACTUAL

EXPECTED is a directory of the oracle, ACTUAL one of velodrome. Prints the first differences of each
file; the exit status is 1 if there are any.
"""

import gzip
import json
import sys
from pathlib import Path

MOST = 5  # differences printed of a file
COUNTS = ("asOf", "events", "rejected", "late", "rides", "records")


def load(directory):
    """All compared values of a result directory: file -> key -> value, in the order of the file."""
    directory = Path(directory)
    tables = {}
    for path in sorted((directory / "history").glob("class-*.gz")):
        # Pairs, not a dict: the order of the seconds and racers is part of the format.
        pairs = json.loads(gzip.decompress(path.read_bytes()), object_pairs_hook=list)
        tables[f"history/{path.name}"] = {
            (int(second), int(racer)): output for second, racers in pairs for racer, output in racers
        }
    tables["results.jsonl"] = {
        (row["classId"], row["raceId"], row["racerId"]): row for row in rows(directory / "results.jsonl")
    }
    tables["leaderboard.json"] = {
        (name, int(racer)): row
        for name, racers in json.loads((directory / "leaderboard.json").read_text()).items()
        for racer, row in racers.items()
    }
    tables["views.json"] = json.loads((directory / "views.json").read_text())
    tables["rejected.jsonl"] = {
        number: (row["file"], row["line"]) for number, row in enumerate(rows(directory / "rejected.jsonl"))
    }
    summary = json.loads((directory / "summary.json").read_text())
    tables["summary.json"] = {name: summary[name] for name in COUNTS}
    return tables


def rows(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def differences(expected, actual):
    """Lines that describe the first differences between two result directories."""
    expected, actual = load(expected), load(actual)
    found = []
    for name in sorted(expected.keys() | actual.keys()):
        left, right = expected.get(name, {}), actual.get(name, {})
        keys = [key for key in left if key not in right or not same(left[key], right[key])]
        keys += [key for key in right if key not in left]
        for key in keys[:MOST]:
            found.append(f"{name} {key}: expected {left.get(key)}, actual {right.get(key)}")
        if len(keys) > MOST:
            found.append(f"{name}: {len(keys) - MOST} further differences")
        if not keys and list(left) != list(right) and name != "views.json":
            found.append(f"{name}: the order of the rows differs")
    return found


def same(left, right):
    """Equality of values. Numbers must be equal as doubles, and -0.0 is not 0.0."""
    return left == right and repr(left) == repr(right) if isinstance(left, float) else left == right


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = differences(*sys.argv[1:])
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
