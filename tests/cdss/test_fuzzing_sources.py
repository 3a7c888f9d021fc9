"""Studies with anything wrong in them: read, row by row, or refused with a reason; never an accident or a hang."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_db.errors import CdssError
from reference_db.sources.rejections import Imported
from reference_db.sources.sdtm import read_sdtm
from reference_db.sources.sdtm_export import export_sdtm
from reference_db.sources.simulated import simulate
from reference_db.sources.tabular import read_tabular

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SUBJECTS = 20

CELLS = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", "NaN", "-1", "1e999", "2020-13-45", "9999-12-31", "T10:00", "\x00", "=cmd()", "🙂" * 20, "P5Y"]
    ),
)


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial in transport files."""
    simulated = simulate(seed=3, scale=0.01)
    source = next(one for one in simulated.sources if one.name == "CLARITY")
    folder = tmp_path_factory.mktemp("study") / "CLARITY"
    export_sdtm(simulated.tables, source, folder)
    return folder


@pytest.fixture(scope="module")
def tables(transport: Path) -> dict[str, pd.DataFrame]:
    """The first subjects of it, as texts."""
    read = {path.stem: pyreadstat.read_xport(path)[0] for path in transport.glob("*.xpt")}
    subjects = list(read["dm"]["USUBJID"][:SUBJECTS])
    return {
        name: (table[table["USUBJID"].isin(subjects)] if "USUBJID" in table else table).astype(str)
        for name, table in read.items()
    }


def read_or_refused(read: Callable[[], Imported]) -> None:
    with suppress(CdssError):
        assert len(read().tables.patients) > 0


def spoiled(data: st.DataObject, table: pd.DataFrame) -> pd.DataFrame:
    """Alter, remove or double some parts of a table."""
    table = table.copy()
    for _ in range(data.draw(st.integers(0, 6))):
        if not len(table) or not len(table.columns):
            break
        row, column = data.draw(st.integers(0, len(table) - 1)), data.draw(st.sampled_from(list(table.columns)))
        kind = data.draw(st.sampled_from(["cell", "cell", "cell", "column", "name", "rows", "double", "fill"]))
        if kind == "cell":
            table.iloc[row, table.columns.get_loc(column)] = data.draw(CELLS)
        elif kind == "fill":
            table[column] = data.draw(CELLS)
        elif kind == "column":
            table = table.drop(columns=column)
        elif kind == "name":
            table = table.rename(columns={column: data.draw(st.text(min_size=1, max_size=8))})
            table = table.loc[:, ~table.columns.duplicated()]
        elif kind == "rows":
            table = table.iloc[:row]
        else:
            table = pd.concat([table, table.iloc[[row]]], ignore_index=True)
    return table


def written(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, table in tables.items():
        (folder / f"{name}.csv").write_bytes(table.to_csv(index=False).encode("utf-8", "replace"))


@given(data=st.data())
@QUICK
def test_any_change_in_the_cells_of_a_study(
    tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "spoiled-study"
    chosen = set(data.draw(st.lists(st.sampled_from(sorted(tables)), min_size=1, max_size=3)))
    written(folder, {name: spoiled(data, table) if name in chosen else table for name, table in tables.items()})
    read_or_refused(lambda: read_sdtm(folder))


@given(data=st.data())
@QUICK
def test_any_change_in_the_bytes_of_a_transport_file(
    transport: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "spoiled-bytes"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(transport, folder)
    path = folder / f"{data.draw(st.sampled_from(['dm', 'qs', 'ce', 'ex', 'mo', 'ts']))}.xpt"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        # The header says how the rest is read: most changes go there.
        place = data.draw(st.integers(0, min(2000, len(content) - 1)) | st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path.write_bytes(bytes(content[:cut]))
    read_or_refused(lambda: read_sdtm(folder))


@given(content=st.binary(max_size=400))
@QUICK
def test_any_bytes_in_the_place_of_a_domain(
    tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "spoiled-domain"
    for name in ("dm.csv", "qs.xpt"):
        written(folder, tables)
        (folder / name).with_suffix(".csv").unlink()
        (folder / name).write_bytes(content)
        read_or_refused(lambda: read_sdtm(folder))


MAPPING = """\
source: {name: LYON, label: Lyon cohort, kind: registry, days_per_month: 30.4375}
patients:
  file: patients.csv
  columns: {patient_id: id, age: age, sex: {column: sex, values: {F: female}}, phenotype: {constant: RRMS}}
visits: {file: visits.csv, columns: {patient_id: id, day: day, edss: edss}}
relapses: {file: relapses.csv, columns: {patient_id: id, day: day}}
treatments: {file: drugs.csv, columns: {patient_id: id, treatment: drug, start_day: day}}
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "patients.csv").write_text("id,age,sex\n1,30,F\n2,40,F\n")
    (folder / "visits.csv").write_text("id,day,edss\n1,0,2.0\n2,0,3.0\n")
    (folder / "relapses.csv").write_text("id,day\n1,10\n")
    (folder / "drugs.csv").write_text("id,drug,day\n1,Gilenya,0\n2,L04AG03,0\n")
    (folder / "mapping.yaml").write_text(MAPPING)
    assert len(read_tabular(folder).tables.patients) == 2
    return folder


@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
@QUICK
def test_any_text_as_a_mapping(cohort: Path, text: str) -> None:
    words = text[:20].replace("\n", " ")
    for mapping in (
        text,
        MAPPING + text,
        MAPPING.replace("registry", words),
        MAPPING.replace("age: age", f"age: {words}"),
    ):
        (cohort / "mapping.yaml").write_text(mapping, encoding="utf-8", errors="replace")
        read_or_refused(lambda: read_tabular(cohort))


@given(data=st.data())
@QUICK
def test_any_change_in_the_tables_of_a_cohort(cohort: Path, data: st.DataObject) -> None:
    (cohort / "mapping.yaml").write_text(MAPPING)
    originals = {path: path.read_bytes() for path in cohort.glob("*.csv")}
    try:
        for path in data.draw(st.lists(st.sampled_from(sorted(originals)), min_size=1, max_size=3, unique=True)):
            table = spoiled(data, pd.read_csv(path, dtype=str, keep_default_na=False))
            path.write_bytes(table.to_csv(index=False).encode("utf-8", "replace"))
        read_or_refused(lambda: read_tabular(cohort))
    finally:
        for path, content in originals.items():
            path.write_bytes(content)


def test_a_mapping_that_unfolds_without_end_is_refused(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    (tmp_path / "mapping.yaml").write_text(bomb)
    with pytest.raises(CdssError):
        read_tabular(tmp_path)


def test_numbers_beyond_every_measure_are_rejected_and_not_computed_with(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    for value in ("1e308", "-1e308", "9" * 400, "inf", "nan"):
        altered = {name: table.copy() for name, table in tables.items()}
        for name, column in (("dm", "AGE"), ("ex", "EXSTDY"), ("qs", "QSSTRESN"), ("ce", "CESTDY")):
            if column in altered[name]:
                altered[name][column] = value
        written(tmp_path / "huge", altered)
        read_or_refused(lambda: read_sdtm(tmp_path / "huge"))
