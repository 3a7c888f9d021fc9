"""The warehouse of originals on disk."""

from pathlib import Path

import pandas as pd
import pytest

from reference_db.errors import InvalidInput, InvalidTable
from reference_db.schema import LongTables
from reference_db.sources.simulated import SimulatedSources, simulate
from reference_db.warehouse import read_bkp, write_bkp


@pytest.fixture(scope="module")
def simulated() -> SimulatedSources:
    return simulate(seed=4, scale=0.02)


def test_originals_come_back_as_they_were(tmp_path: Path, simulated: SimulatedSources) -> None:
    write_bkp(
        tmp_path / "bkp",
        simulated.tables,
        simulated.sources,
        potential_outcomes=simulated.potential_outcomes,
    )
    back = read_bkp(tmp_path / "bkp")
    assert back.sources == simulated.sources
    for name in ("patients", "visits", "relapses", "mri", "treatments"):
        pd.testing.assert_frame_equal(getattr(back.tables, name), getattr(simulated.tables, name))
    assert back.potential_outcomes is not None
    pd.testing.assert_frame_equal(back.potential_outcomes, simulated.potential_outcomes)


def test_originals_are_never_overwritten(tmp_path: Path, simulated: SimulatedSources) -> None:
    write_bkp(tmp_path / "bkp", simulated.tables, simulated.sources)
    with pytest.raises(InvalidInput, match="already holds originals"):
        write_bkp(tmp_path / "bkp", simulated.tables, simulated.sources)


def test_damage_is_named(tmp_path: Path, simulated: SimulatedSources) -> None:
    write_bkp(tmp_path / "bkp", simulated.tables, simulated.sources)
    visits = tmp_path / "bkp" / "visits.parquet"
    visits.chmod(0o600)
    visits.write_bytes(visits.read_bytes()[:-1])
    with pytest.raises(InvalidInput, match=r"visits\.parquet"):
        read_bkp(tmp_path / "bkp")


def test_a_folder_without_originals_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no originals"):
        read_bkp(tmp_path)


def test_bad_tables_leave_nothing_behind(tmp_path: Path, simulated: SimulatedSources) -> None:
    tables = simulated.tables
    damaged = LongTables(
        patients=tables.patients,
        visits=tables.visits.assign(edss=0.5),
        relapses=tables.relapses,
        mri=tables.mri,
        treatments=tables.treatments,
    )
    with pytest.raises(InvalidTable, match=r"visits\.edss"):
        write_bkp(tmp_path / "bkp", damaged, simulated.sources)
    assert list(tmp_path.iterdir()) == []


def test_a_source_without_a_description_is_refused(tmp_path: Path, simulated: SimulatedSources) -> None:
    with pytest.raises(InvalidInput, match="ADVANCE"):
        write_bkp(tmp_path / "bkp", simulated.tables, simulated.sources[1:])
