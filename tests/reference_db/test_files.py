"""Folders appear whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reference_db.files import altered_files, finish, hashes, sweep_unfinished, unfinished_folder, write_whole


def test_a_finished_folder_is_complete_and_read_only(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path) as folder:
        (folder / "a.txt").write_text("a")
        finish(folder, tmp_path / "done")
    assert (tmp_path / "done" / "a.txt").read_text() == "a"
    assert (tmp_path / "done" / "a.txt").stat().st_mode & 0o222 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def write_half() -> None:
        with unfinished_folder(tmp_path) as folder:
            (folder / "a.txt").write_text("a")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    with pytest.raises(FileExistsError), unfinished_folder(tmp_path) as folder:
        finish(folder, tmp_path / "done")
    assert list((tmp_path / "done").iterdir()) == []


def test_private_folders_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path) as folder:
        (folder / "a.txt").write_text("a")
        finish(folder, tmp_path / "done", private=True)
    assert (tmp_path / "done").stat().st_mode & 0o077 == 0
    assert (tmp_path / "done" / "a.txt").stat().st_mode & 0o077 == 0


def test_what_a_killed_writer_left_is_swept_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = tmp_path / f".unfinished-{gone.pid}-x"
    dead.mkdir()
    (dead / "half.parquet").write_bytes(b"half")
    alive = tmp_path / f".unfinished-{os.getpid()}-y"
    alive.mkdir()
    sweep_unfinished(tmp_path)
    assert not dead.exists()
    assert alive.exists()


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_every_kind_of_damage_is_named(tmp_path: Path, damage: str) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    recorded = hashes(tmp_path, leave_out="inventory")
    if damage == "change":
        (tmp_path / "a").write_text("A")
    elif damage == "remove":
        (tmp_path / "a").unlink()
    else:
        (tmp_path / "c").write_text("c")
    assert altered_files(tmp_path, recorded, leave_out="inventory") == ["c" if damage == "add" else "a"]


def test_a_small_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "active", "one\n")
    write_whole(tmp_path / "deep" / "active", "two\n")
    assert (tmp_path / "deep" / "active").read_text() == "two\n"
    assert len(list((tmp_path / "deep").iterdir())) == 1
