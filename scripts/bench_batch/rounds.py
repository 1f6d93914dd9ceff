"""Runs all systems in turn, round by round, checks that their results agree, and prints the table.

Run: through scripts/bench-batch, which builds the binary and generates the events.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from measure import Figures, run
from table import BASE, header, table

# The number of workers of the base system.
THREADS = "2"

# Systems that take many times as long as the others, or only serve to check results.
FIRST_ROUND_ONLY = {"velodrome batch", "Python, orjson", "Python, json"}


def commands(velodrome: str, events: str, results: Path) -> dict[str, tuple[list[str], Path]]:
    """Each system's command and result directory."""
    here = Path(__file__).parent

    def own(directory: str, *arguments: str) -> tuple[list[str], Path]:
        out = results / directory
        return [velodrome, *arguments, "--out", str(out), events], out

    def peer(directory: str, script: str, *arguments: str) -> tuple[list[str], Path]:
        out = results / directory
        return [sys.executable, str(here / script), events, str(out), *arguments], out

    return {
        "velodrome replay -w 1": own("replay-1", "replay", "-w", "1"),
        BASE: own("replay-2", "replay", "-w", THREADS),
        "velodrome batch": own("batch", "batch"),
        "DuckDB, Parquet": peer("duckdb", "duckdb_job.py", THREADS, "parquet"),
        "DuckDB, gzip JSON": peer("duckdb-json", "duckdb_job.py", THREADS, "json"),
        "Polars, Parquet": peer("polars", "polars_job.py"),
        "Python, orjson": peer("python-orjson", "python_job.py", "orjson"),
        "Python, json": peer("python-json", "python_job.py", "json"),
    }


def one_round(systems: dict[str, tuple[list[str], Path]], is_first: bool) -> dict[str, Figures]:
    figures = {}
    for name, (command, out) in systems.items():
        if is_first or name not in FIRST_ROUND_ONLY:
            # Results of an earlier run must not be taken for those of this run.
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            figures[name] = run(command, out.with_suffix(".log"))
            print(f"{name}: {figures[name].wall_s:.2f} s", file=sys.stderr)
    return figures


def agree(velodrome: str, systems: dict[str, tuple[list[str], Path]]) -> bool:
    """Whether the most recent results of all systems equal those of the base."""
    reference = str(systems[BASE][1])
    own, peers = [], []
    for name, (_, out) in systems.items():
        if name != BASE:
            (own if name.startswith("velodrome") else peers).append(str(out))
    checks = [[velodrome, "verify", reference, directory] for directory in own]
    compare = Path(__file__).with_name("compare.py")
    checks.append([sys.executable, str(compare), reference, *peers])
    is_equal = True
    for check in checks:
        done = subprocess.run(check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            is_equal = False
            print(f"'{' '.join(check)}' failed:\n{done.stdout}", file=sys.stderr)
    return is_equal


def main() -> None:
    parser = argparse.ArgumentParser()
    for option in "--velodrome", "--events", "--scratch":
        parser.add_argument(option, required=True)
    parser.add_argument("--runs", type=int, required=True)
    arguments = parser.parse_args()

    loads = [os.getloadavg()[0]]
    os.environ["POLARS_MAX_THREADS"] = THREADS
    systems = commands(arguments.velodrome, arguments.events, Path(arguments.scratch) / "results")
    rounds = [one_round(systems, is_first=i == 0) for i in range(arguments.runs)]
    loads.append(os.getloadavg()[0])

    is_equal = agree(arguments.velodrome, systems)
    events = json.loads((systems[BASE][1] / "summary.json").read_text())["events"]
    path = Path(arguments.events)
    inputs = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    kind = f"in {len(inputs)} gzip objects" if path.is_dir() else "plain"
    print(header(events, sum(f.stat().st_size for f in inputs), kind, arguments.runs, loads))
    print()
    print(table(list(systems), rounds, events))
    print()
    print("All results are equal." if is_equal else "RESULTS DIFFER, see above.")
    sys.exit(0 if is_equal else 1)


main()
