"""The commands that bring source data in."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdss.cli import app
from cdss.settings import settings
from reference_db.errors import InvalidInput
from reference_db.sources.simulated import simulate
from reference_db.warehouse import read_bkp


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CDSS_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_simulated_trial_goes_out_as_sdtm_and_comes_back(home: Path, tmp_path: Path) -> None:
    out = run("export-sdtm", str(tmp_path / "studies"), "--scale", "0.01", "--seed", "3")
    assert str(tmp_path / "studies" / "CLARITY") in out
    out = run("ingest", str(tmp_path / "studies" / "CLARITY"), "--format", "sdtm", "--to", "clarity")
    assert "0 rejected" in out
    warehouse = read_bkp(home / "bkp" / "clarity")
    assert set(warehouse.tables.patients["source"]) == {"CLARITY"}
    assert len(warehouse.tables.patients) == 120


def test_a_folder_of_studies_is_one_warehouse(home: Path, tmp_path: Path) -> None:
    run("export-sdtm", str(tmp_path / "studies"), "--scale", "0.01", "--seed", "3")
    out = run("ingest", str(tmp_path / "studies"), "--format", "sdtm", "--to", "all")
    assert "OFSEP-HD/dm.xpt" in out
    back, simulated = read_bkp(home / "bkp" / "all"), simulate(seed=3, scale=0.01)
    assert {source.name: source for source in back.sources} == {source.name: source for source in simulated.sources}
    assert len(back.tables.visits) == len(simulated.tables.visits)


def test_one_bad_study_stops_the_others(home: Path, tmp_path: Path) -> None:
    run("export-sdtm", str(tmp_path / "studies"), "--scale", "0.01")
    (tmp_path / "studies" / "CLARITY" / "dm.xpt").unlink()
    with pytest.raises(InvalidInput, match="domain DM is missing"):
        run("ingest", str(tmp_path / "studies"), "--format", "sdtm", "--to", "all")
    assert not (home / "bkp" / "all").exists()
    assert "CLARITY/DM" in (home / "bkp" / "all-rejected.csv").read_text()


def test_a_folder_that_is_not_there_is_one_line(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a folder") as error:
        run("ingest", str(tmp_path / "nowhere"), "--format", "csv", "--to", "x")
    assert "\n" not in str(error.value)
    assert not (home / "bkp" / "x").exists()
