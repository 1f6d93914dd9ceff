"""The job in plain Python: one pass, dictionaries, one thread. Writes the same files as velodrome.

Shape: one plain file of events, or a directory of gzip objects.
Run: python python_job.py EVENTS OUT json|orjson
Compares to: `velodrome replay`, through scripts/bench-batch.
"""

import gzip
import importlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from inputs import files


class Tally:
    def __init__(self) -> None:
        # Outputs by racer, by class and second.
        self.records = defaultdict(lambda: defaultdict(dict))
        # The best (output, -raceId) by racer, by class: the smaller raceId wins a tie.
        self.leaderboard = defaultdict(dict)
        # [views, durationMs] by project.
        self.views = defaultdict(lambda: [0, 0])
        self.uuids = set()

    def race(self, event: dict) -> None:
        output = ((event["cadence"] + 35) * (event["resistance"] + 65)) / 100
        class_id, racer = event["classId"], event["racerId"]
        outputs = self.records[class_id][event["second"]]
        if output > outputs.get(racer, -1.0):
            outputs[racer] = output
        if event["event"] == "final":
            bests = self.leaderboard[class_id]
            best = (output, -event["raceId"])
            bests[racer] = max(bests.get(racer, best), best)

    def tracking(self, event: dict) -> None:
        uuid = event["uuid"]
        if uuid not in self.uuids:
            self.uuids.add(uuid)
            counts = self.views[event["projectId"]]
            counts[0] += event["event"] == "view"
            counts[1] += event.get("durationMs", 0)


def read(events: str, loads: Callable[[bytes], dict], tally: Tally) -> None:
    for path in files(events):
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as lines:
            for line in lines:
                event = loads(line)
                if "projectId" in event:
                    tally.tracking(event)
                else:
                    tally.race(event)


def write(tally: Tally, out: Path) -> None:
    (out / "history").mkdir()
    for class_id, seconds in tally.records.items():
        history = {s: dict(sorted(seconds[s].items())) for s in sorted(seconds)}
        text = json.dumps(history, separators=(",", ":"))
        with gzip.open(out / "history" / f"class-{class_id}.gz", "wt", compresslevel=1) as file:
            file.write(text)
    leaderboard = {
        f"class-{class_id}": {
            racer: {"output": output, "raceId": -race} for racer, (output, race) in bests.items()
        }
        for class_id, bests in tally.leaderboard.items()
    }
    (out / "leaderboard.json").write_text(json.dumps(leaderboard))
    views = {project: {"views": v, "durationMs": d} for project, (v, d) in tally.views.items()}
    (out / "views.json").write_text(json.dumps(views))


def main(events: str, out: str, parser: str) -> None:
    tally = Tally()
    read(events, importlib.import_module(parser).loads, tally)
    write(tally, Path(out))


main(*sys.argv[1:])
