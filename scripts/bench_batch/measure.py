"""Runs one command as a child process and measures it from outside."""

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class Figures(NamedTuple):
    wall_s: float
    cpu_s: float  # user and system, all threads
    rss_mb: float  # peak, in 10^6 bytes


def run(command: list[str], log: Path) -> Figures:
    """Runs `command` to its end and writes its output to `log`. A failure ends the benchmark.

    Linux includes the parent's memory at the fork in the child's peak, so the calling process must be
    small: it must not import DuckDB or Polars.
    """
    with log.open("wb") as out:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        text = log.read_text(errors="replace")
        raise SystemExit(f"'{' '.join(command)}' ended with {child.returncode}:\n{text}")
    # Linux reports kibibytes.
    return Figures(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)
