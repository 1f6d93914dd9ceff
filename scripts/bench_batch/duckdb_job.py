"""The job in DuckDB: one scan into a temporary table, then three aggregates to files.

Shape: one plain file of events, or a directory of gzip objects.
Run: python duckdb_job.py EVENTS OUT THREADS FORM, where FORM is parquet or json (compressed with gzip)
Compares to: `velodrome replay`, through scripts/bench-batch.

Variants tried with an hour of racing, 2 threads, on an otherwise idle machine: wall and CPU seconds
of one or two runs (differences of less than a tenth are noise):
  one scan, uuid kept for tracking events only   1.8   3.6   (this file)
  the same with every uuid kept                  1.9   3.7
  the same, insertion order preserved            2.0   3.9
  the same, uncompressed or lz4 Parquet          1.8   3.6
  json_transform over read_ndjson_objects        2.2   4.4
  columns detected instead of given              2.3   4.5
  reduced to the records while scanning          2.4   4.8
  json_extract_string over read_ndjson_objects   2.4   4.8
  three scans, one per result                    3.3   6.5
"""

import sys

import duckdb

from inputs import files

COLUMNS = {
    "event": "VARCHAR",
    "classId": "USMALLINT",
    "second": "USMALLINT",
    "racerId": "UINTEGER",
    "raceId": "BIGINT",
    "cadence": "DOUBLE",
    "resistance": "DOUBLE",
    "uuid": "VARCHAR",
    "projectId": "VARCHAR",
    "durationMs": "BIGINT",
}

SCAN = """
CREATE TEMP TABLE events AS
SELECT event, classId, second, racerId, raceId, projectId, durationMs,
       ((cadence + 35) * (resistance + 65)) / 100 AS output,
       CASE WHEN projectId IS NOT NULL THEN uuid END AS uuid
FROM read_ndjson($files, columns = $columns)
"""

RECORDS = """
SELECT classId, second, racerId, max(output) AS output
FROM events WHERE projectId IS NULL GROUP BY ALL
"""

LEADERBOARD = """
SELECT classId, racerId, max(output) AS output, arg_max(raceId, (output, -raceId)) AS raceId
FROM events WHERE event = 'final' GROUP BY ALL
"""

VIEWS = """
SELECT projectId, count(*) FILTER (event = 'view') AS views, sum(durationMs)::BIGINT AS durationMs
FROM (
    SELECT any_value(projectId) AS projectId, any_value(event) AS event,
           coalesce(any_value(durationMs), 0) AS durationMs
    FROM events WHERE projectId IS NOT NULL GROUP BY uuid
)
GROUP BY projectId
"""


FORMS = {"parquet": ("parquet", "FORMAT parquet"), "json": ("json.gz", "FORMAT json, COMPRESSION gzip")}


def main(events: str, out: str, threads: str, form: str) -> None:
    database = duckdb.connect(config={"threads": int(threads), "preserve_insertion_order": False})
    database.execute(SCAN, {"files": files(events), "columns": COLUMNS})
    for name, query in ("records", RECORDS), ("leaderboard", LEADERBOARD), ("views", VIEWS):
        ending, options = FORMS[form]
        database.execute(f"COPY ({query}) TO '{out}/{name}.{ending}' ({options})")


main(*sys.argv[1:])
