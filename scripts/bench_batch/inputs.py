"""The files of an input, for every peer alike."""

from pathlib import Path


def files(events: str) -> list[str]:
    """One plain file, or the gzip objects under a directory in the order of their names."""
    path = Path(events)
    return sorted(map(str, path.rglob("*.gz"))) if path.is_dir() else [events]
