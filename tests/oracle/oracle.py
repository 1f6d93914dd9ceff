#!/usr/bin/env python3
"""Computes the results of `velodrome replay` from the documents alone, slowly and plainly.

    tests/oracle/oracle.py --out DIR [--as-of MS] [--merge] [--rules FILE] PATH...

It shares no code with velodrome and was written without reading velodrome's code.
"""

import argparse
import gzip
import json
from pathlib import Path

from clock import clocks
from compute import Results, Rules
from read import units
from validate import Rejected, event


class Line:
    """One object of the input, with its event or the reason of its rejection."""

    def __init__(self, file, line, unit, rules):
        self.file = file
        self.line = line
        self.event = self.reason = self.vote = None
        try:
            checked = event(unit)
        except Rejected as rejected:
            self.reason = str(rejected)
            return
        arrival = checked["arrivalTimestamp"]
        time = checked["deviceTimestamp"] if arrival is None else arrival
        racer = checked.get("racerId")
        # Events without a viewer, or with an empty one, are of one device.
        device = ("viewer", checked["viewerId"] or None) if racer is None else ("racer", racer)
        self.vote = (time, device, arrival is not None)
        # A second after the end of the race is rejected, but its time counts for the clock.
        if checked.get("second", 0) > rules.race_seconds:
            self.reason = "second"
        else:
            self.event = checked


def partition(paths, rules):
    """The lines of some inputs with one event clock, as (clock, line)."""
    lines = [Line(*unit, rules) for path in paths for unit in units(path)]
    return list(zip(clocks([line.vote for line in lines]), lines, strict=True))


def merged(paths, rules):
    """The lines of partitions, in the order of their clocks, then of the paths, then in a path."""
    keyed = []
    for index, path in enumerate(paths):
        for position, (clock, line) in enumerate(partition([path], rules)):
            keyed.append((clock, index, position, line))
    keyed.sort(key=lambda key: key[:3])
    return [(clock, line) for clock, _, _, line in keyed]


def write(out, results, rejected, events, as_of):
    out.mkdir(parents=True, exist_ok=True)
    (out / "history").mkdir(exist_ok=True)
    for old in (out / "history").iterdir():
        old.unlink()
    rides = results.finished(as_of)
    histories = results.histories(as_of)
    for class_id, history in histories.items():
        with gzip.open(out / "history" / f"class-{class_id}.gz", "wt") as file:
            json.dump(history, file, separators=(",", ":"))
    rows = [ride.row(*key) for key, ride in rides]
    (out / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (out / "leaderboard.json").write_text(json.dumps(results.leaderboard()))
    views = {
        project: {"views": views, "durationMs": ms}
        for project, (views, ms) in sorted(results.views.items())
    }
    (out / "views.json").write_text(json.dumps(views))
    rows = [{"file": line.file, "line": line.line, "reason": line.reason} for line in rejected]
    (out / "rejected.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    records = sum(len(racers) for history in histories.values() for racers in history.values())
    summary = {
        "asOf": as_of,
        "events": events,
        "rejected": len(rejected),
        "late": results.late,
        "rides": len(rides),
        "records": records,
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=2))


def run(out, paths, as_of=None, merge=False, rules=None):
    """Computes the results of some inputs and writes them. Returns the clock of each line."""
    rules = Rules(rules)
    lines = merged(paths, rules) if merge else partition(paths, rules)
    results = Results(rules)
    rejected = []
    events = 0
    for clock, line in lines:
        if as_of is not None and clock > as_of:
            continue
        if line.event is None:
            rejected.append(line)
        else:
            events += 1
            results.add(line.event, clock)
    write(Path(out), results, rejected, events, as_of)
    return [clock for clock, _ in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--as-of", type=int, metavar="MS")
    parser.add_argument("--merge", action="store_true", help="each PATH is a partition")
    parser.add_argument("--rules", metavar="FILE")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    arguments = parser.parse_args()
    run(arguments.out, arguments.paths, arguments.as_of, arguments.merge, arguments.rules)


if __name__ == "__main__":
    main()
