"""Compares the results of the peers with velodrome's, key by key. Numbers must be equal as doubles.

Shape: result directories, either in the form of `velodrome replay`, or with three tables, each as
Parquet or as gzip JSON lines.
Run: python compare.py REFERENCE DIRECTORY...
Prints the first differing rows and exits with 1 if any results differ.
"""

import gzip
import sys
from pathlib import Path

import orjson
import polars as pl

KEYS = {
    "records": ["classId", "second", "racerId"],
    "leaderboard": ["classId", "racerId"],
    "views": ["projectId"],
}
VALUES = {
    "records": {"output": pl.Float64},
    "leaderboard": {"output": pl.Float64, "raceId": pl.Int64},
    "views": {"views": pl.Int64, "durationMs": pl.Int64},
}


def from_json(directory: Path) -> dict[str, pl.DataFrame]:
    boards = []
    for path in sorted((directory / "history").glob("class-*.gz")):
        class_id = int(path.stem.removeprefix("class-"))
        for second, outputs in orjson.loads(gzip.decompress(path.read_bytes())).items():
            board = pl.DataFrame({"racerId": list(outputs), "output": list(outputs.values())})
            boards.append(board.with_columns(classId=class_id, second=int(second)))
    leaderboard = orjson.loads((directory / "leaderboard.json").read_bytes())
    bests = [
        {"classId": int(name.removeprefix("class-")), "racerId": racer, **best}
        for name, racers in leaderboard.items()
        for racer, best in racers.items()
    ]
    views = orjson.loads((directory / "views.json").read_bytes())
    return {
        "records": pl.concat(boards, how="vertical_relaxed"),
        "leaderboard": pl.DataFrame(bests, infer_schema_length=None),
        "views": pl.DataFrame([{"projectId": p, **v} for p, v in views.items()]),
    }


def from_parquet(directory: Path) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(directory / f"{name}.parquet") for name in KEYS}


def from_json_lines(directory: Path) -> dict[str, pl.DataFrame]:
    files = {name: gzip.open(directory / f"{name}.json.gz").read() for name in KEYS}
    return {name: pl.read_ndjson(lines) for name, lines in files.items()}


def load(directory: Path) -> dict[str, pl.DataFrame]:
    if (directory / "records.parquet").exists():
        tables = from_parquet(directory)
    elif (directory / "records.json.gz").exists():
        tables = from_json_lines(directory)
    else:
        tables = from_json(directory)
    for name, keys in KEYS.items():
        types = {key: pl.String if key == "projectId" else pl.Int64 for key in keys} | VALUES[name]
        tables[name] = tables[name].select(*types).cast(types)
    return tables


def differences(name: str, expected: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The rows that exist on one side only, or differ in their values."""
    both = expected.join(found, on=KEYS[name], how="full", coalesce=True, suffix=" found")
    differs = [pl.col(value).ne_missing(pl.col(f"{value} found")) for value in VALUES[name]]
    return both.filter(pl.any_horizontal(differs))


def main(reference: str, *directories: str) -> None:
    expected = load(Path(reference))
    is_equal = True
    for directory in directories:
        found = load(Path(directory))
        for name, table in expected.items():
            # The join hides duplicate keys, so the heights are compared, too.
            wrong = differences(name, table, found[name])
            if wrong.height or table.height != found[name].height or not table.height:
                is_equal = False
                heights = f"{found[name].height} rows against {table.height}"
                print(f"{directory}: {name} differ from {reference}: {heights}, {wrong.head(5)}")
    sys.exit(0 if is_equal else 1)


main(*sys.argv[1:])
