"""Lists the files of an input, in the same way for all peers."""

from pathlib import Path


def files(events: str) -> list[str]:
    """One plain file, or the gzip objects below a directory, ordered by name."""
    path = Path(events)
    return sorted(map(str, path.rglob("*.gz"))) if path.is_dir() else [events]
