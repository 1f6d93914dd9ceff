"""Formats the figures of a run as a Markdown table, below a line with the machine and the versions."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import median

from measure import Figures

Rounds = list[dict[str, Figures]]

# The system that all wall times are compared to.
BASE = "velodrome replay -w 2"


def machine() -> str:
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = models[0] if models else platform.machine()
    return f"{model}, {os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB"


def header(events: int, events_bytes: int, kind: str, runs: int, loads: list[float]) -> str:
    peers = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "orjson"))
    start, end = loads
    return (
        f"{machine()}, load {start:.1f} at the start and {end:.1f} at the end. "
        f"Python {platform.python_version()}, {peers}. "
        f"{events:,} events, {events_bytes / 1e6:,.0f} MB {kind}, {runs} runs."
    )


def row(name: str, rounds: Rounds, events: int) -> str:
    own = [r for r in rounds if name in r]
    walls = [r[name].wall_s for r in own]
    wall = median(walls)
    span = f" ({min(walls):.2f} to {max(walls):.2f})" if len(walls) > 1 else " (one run)"
    cpu = median(r[name].cpu_s for r in own)
    rss = median(r[name].rss_mb for r in own)
    # Ratios are taken within a round, where drift of the machine affects both sides equally.
    ratio = median(r[name].wall_s / r[BASE].wall_s for r in own)
    rate = f"{events / wall / 1e6:.2f} M"
    return f"| {name} | {wall:.2f}{span} | {cpu:.2f} | {rss:,.0f} | {rate} | {ratio:.2f} |"


def table(names: list[str], rounds: Rounds, events: int) -> str:
    head = f"| system | wall s | CPU s | peak RSS MB | events/s | times {BASE} |"
    rows = (row(name, rounds, events) for name in names)
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])
