"""Folders of files that appear whole or not at all.

Both the warehouse of originals and the releases are folders that must never be seen half-written, whatever kills the
process that writes them. They are written to a hidden folder beside their final place, flushed to disk, and renamed
in one step; what a killed process left behind is swept by the next writer.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

_UNFINISHED = ".unfinished-"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path, *, leave_out: str) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder by its name, but for one; in the order of the names."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != leave_out}


def altered_files(folder: Path, recorded: Mapping[str, str], *, leave_out: str) -> list[str]:
    """Return the names of files that are missing, added or changed with respect to recorded hashes."""
    present = hashes(folder, leave_out=leave_out)
    return sorted(name for name in recorded.keys() | present.keys() if recorded.get(name) != present.get(name))


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, the same bytes for the same table."""
    table.to_parquet(path, engine="pyarrow", index=False, compression="zstd")


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """Give a hidden folder to write into; it is gone after the block unless `finish` has given it its name."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep_unfinished(parent)
    folder = Path(mkdtemp(prefix=f"{_UNFINISHED}{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder)


def finish(folder: Path, target: Path, *, private: bool = False) -> None:
    """Make an unfinished folder read-only, flush it to disk and give it its name, in one step.

    Parameters
    ----------
    folder : Path
        From `unfinished_folder`, in the parent of `target`.
    target : Path
        Its final place.
    private : bool
        Readable by its owner only, as personal data must be.

    Raises
    ------
    FileExistsError
        If `target` already exists: a finished folder is never overwritten.
    """
    if target.exists():
        raise FileExistsError(target)
    for path in folder.iterdir():
        path.chmod(0o400 if private else 0o444)
        _flush(path)
    folder.chmod(0o700 if private else 0o755)
    _flush(folder)
    folder.rename(target)
    _flush(target.parent)


def write_whole(path: Path, content: str) -> None:
    """Write a small text file in one step: a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{_UNFINISHED}{os.getpid()}-{path.name}")
    unfinished.write_text(content, encoding="utf-8")
    _flush(unfinished)
    unfinished.replace(path)


def sweep_unfinished(parent: Path) -> None:
    """Remove what killed processes left behind; what a living process is still writing stays."""
    for path in parent.glob(f"{_UNFINISHED}*"):
        writer = path.name.removeprefix(_UNFINISHED).partition("-")[0]
        if writer.isdecimal() and not _is_alive(int(writer)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
