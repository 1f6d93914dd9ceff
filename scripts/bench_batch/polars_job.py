"""The job in Polars: one streaming scan into a frame, then three aggregates at once, to Parquet.

Shape: one plain file of events, or a directory of gzip objects.
Run: POLARS_MAX_THREADS=2 python polars_job.py EVENTS OUT
Compares to: `velodrome replay`, through scripts/bench-batch.

Variants tried with an hour of racing, 2 threads: wall and CPU seconds of one to four runs. A dash
means that the machine was too busy for a valid wall time:
  one streaming scan to a frame, collect_all on it, streaming   2.9 to 3.1    5.3 to 5.7 (here)
  collect_all over the scan, streaming                          3.9 to 4.7    7.3 to 8.7
  the same, sink_parquet instead of write_parquet               4.0           7.5
  collect_all over the scan, in memory                          4.5           8.6
  one streaming scan to a frame, collect_all on it, in memory   -             6.0
  collect_all over a cached scan, streaming                     -             7.9
  collect_all without predicate pushdown, streaming             -             7.3 to 9.4
  three separate collects, streaming                            5.6          10.4
Polars parses the input again for each result with a different filter. A single frame is therefore
faster, especially from gzip (4.0 against 6.9 s), but uses more memory. 32-bit ids and lz4 save about
0.1 s over 64-bit ids and zstd. The JSON reader of Polars does not support 16-bit integers.
"""

import sys

import polars as pl

from inputs import files

SCHEMA = {
    "event": pl.String,
    "classId": pl.Int32,
    "second": pl.Int32,
    "racerId": pl.UInt32,
    "raceId": pl.Int64,
    "cadence": pl.Float64,
    "resistance": pl.Float64,
    "uuid": pl.String,
    "projectId": pl.String,
    "durationMs": pl.Int64,
}


def scan(events: str) -> pl.LazyFrame:
    is_tracking = pl.col("projectId").is_not_null()
    # Polars replaces division by a scalar with multiplication by its reciprocal (its issue 23741), which
    # makes one output in seven wrong in the last bit. Division by a column is exact, and no slower.
    hundred = pl.col("cadence") * 0 + 100
    output = ((pl.col("cadence") + 35) * (pl.col("resistance") + 65)) / hundred
    lines = pl.scan_ndjson(files(events), schema=SCHEMA).select(
        "event", "classId", "second", "racerId", "raceId", "projectId", "durationMs",
        output=output,
        uuid=pl.when(is_tracking).then("uuid"),
    )  # fmt: skip
    return lines.collect(engine="streaming").lazy()


def results(events: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    is_tracking = pl.col("projectId").is_not_null()
    outputs = events.filter(~is_tracking)
    finals = outputs.filter(pl.col("event") == "final").sort(
        "output", "raceId", descending=[True, False]
    )
    watched = events.filter(is_tracking).unique(subset="uuid", keep="any")
    return {
        "records": outputs.group_by("classId", "second", "racerId").agg(pl.col("output").max()),
        "leaderboard": finals.group_by("classId", "racerId").agg(
            pl.col("output", "raceId").first()
        ),
        "views": watched.group_by("projectId").agg(
            (pl.col("event") == "view").sum().alias("views"), pl.col("durationMs").sum()
        ),
    }


def main(events: str, out: str) -> None:
    queries = results(scan(events))
    frames = pl.collect_all(queries.values(), engine="streaming")
    for name, frame in zip(queries, frames):
        frame.write_parquet(f"{out}/{name}.parquet", compression="lz4")


main(*sys.argv[1:])
