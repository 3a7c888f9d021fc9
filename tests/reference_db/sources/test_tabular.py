"""Tables of any layout through a mapping, among them strangers that other packages ship."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from reference_db.errors import InvalidInput
from reference_db.harmonise import episodes
from reference_db.sources.rejections import ImportFailed
from reference_db.sources.tabular import read_mapping, read_tabular
from reference_db.vocabulary import Treatment

MAPPING = {
    "source": {"name": "LYON", "label": "Lyon cohort", "kind": "registry", "days_per_month": 30.4375},
    "patients": {
        "file": "patients.csv",
        "columns": {
            "patient_id": "id",
            "age": {"column": "age_months", "factor": 1 / 12},
            "sex": {"column": "gender", "values": {"1": "female", "2": "male"}},
            "phenotype": {"constant": "RRMS"},
        },
    },
    "visits": {
        "file": "visits.csv",
        "columns": {
            "patient_id": "id",
            "day": {"column": "months", "factor": 30.4375, "whole": True},
            "edss": "EDSS",
        },
    },
    "relapses": {
        "file": "events.csv",
        "where": {"type": "relapse"},
        "columns": {"patient_id": "id", "day": {"date": "date", "since": "index"}},
    },
    "treatments": {"file": "drugs.csv", "columns": {"patient_id": "id", "treatment": "drug", "start_day": "from"}},
}


@pytest.fixture
def lyon(tmp_path: Path) -> Path:
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(MAPPING), encoding="utf-8")
    (tmp_path / "patients.csv").write_text("id;age_months;gender\nA;360;1\nB;480;2\n", encoding="utf-8")
    (tmp_path / "visits.csv").write_text("id,months,EDSS\nA,0,2.0\nA,12,2.5\nB,0,4\nB,24,4.5\n", encoding="utf-8")
    (tmp_path / "events.csv").write_text(
        "id,type,date,index\nA,relapse,2020-03-01,2020-01-01\nA,fall,2020-04-01,2020-01-01\n", encoding="utf-8"
    )
    (tmp_path / "drugs.csv").write_text("id,drug,from\nA,Gilenya,0\nB,L04AG03,0\n", encoding="utf-8")
    return tmp_path


def test_units_codes_dates_and_names_are_harmonised(lyon: Path) -> None:
    imported = read_tabular(lyon)
    assert imported.report.rejected == ()
    patients = imported.tables.patients
    assert patients["age"].tolist() == [30.0, 40.0]
    assert patients["sex"].tolist() == ["female", "male"]
    assert patients["arm"].tolist() == ["all", "all"]
    assert patients["last_day"].tolist() == [365, 730]
    assert imported.tables.relapses["day"].tolist() == [60]
    assert imported.tables.treatments["treatment"].tolist() == [
        Treatment.S1P_MODULATOR.value,
        Treatment.NATALIZUMAB.value,
    ]
    table = episodes(imported.tables, imported.sources)
    assert table["edss_12"].tolist()[0] == 2.5
    assert any("1 rows left out by `where`" in note for note in imported.report.notes)


def test_rows_that_cannot_be_used_are_named(lyon: Path) -> None:
    (lyon / "visits.csv").write_text("id,months,EDSS\nA,0,2.0\nA,12,2.3\nC,0,4\nB,soon,4.5\n", encoding="utf-8")
    rejected = {r.row: r.reason for r in read_tabular(lyon).report.rejected if r.file == "visits.csv"}
    assert set(rejected) == {2, 3, 4}
    assert "use 2.0 or 2.5" in rejected[2]
    assert "not in the table of patients" in rejected[3]
    assert "'soon'" in rejected[4]


def test_a_missing_column_or_file_stops_the_import(lyon: Path) -> None:
    (lyon / "visits.csv").write_text("id,months\nA,0\n", encoding="utf-8")
    (lyon / "drugs.csv").unlink()
    with pytest.raises(ImportFailed) as failure:
        read_tabular(lyon)
    reasons = {r.file: r.reason for r in failure.value.report.rejected}
    assert reasons["visits.csv"] == "has no column EDSS"
    assert "cannot be read" in reasons["drugs.csv"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": {"name": "LYON"}}, "source.label"),
        ({"visits": {"file": "visits.csv", "columns": {"colour": "id"}}}, "visits.columns.colour"),
        ({"cakes": {}}, "cakes"),
        ({"patients": {"file": "patients.csv"}}, "patients.columns"),
    ],
)
def test_a_mapping_that_cannot_be_used_names_its_field(lyon: Path, change: dict[str, object], field: str) -> None:
    (lyon / "mapping.yaml").write_text(yaml.safe_dump(MAPPING | change), encoding="utf-8")
    with pytest.raises(InvalidInput, match=field):
        read_mapping(lyon / "mapping.yaml")


def test_a_broken_mapping_is_refused(lyon: Path) -> None:
    (lyon / "mapping.yaml").write_text("source: [", encoding="utf-8")
    with pytest.raises(InvalidInput, match="cannot be read as YAML"):
        read_tabular(lyon)


def test_the_panel_data_of_lifelines_come_in(tmp_path: Path) -> None:
    """A stranger in long form: id, month, event, and a measurement that lies on the EDSS scale."""
    from lifelines.datasets import load_panel_test

    panel = load_panel_test()
    panel.to_csv(tmp_path / "panel.csv", index=False)
    day = {"column": "t", "factor": 30.4375, "offset": -30.4375, "whole": True}
    mapping = {
        "source": {"name": "PANEL", "label": "Panel data", "kind": "registry", "days_per_month": 30.4375},
        "patients": {
            "file": "panel.csv",
            "distinct": True,
            "columns": {
                "patient_id": "id",
                "age": {"constant": 40},
                "sex": {"constant": "F"},
                "phenotype": {"constant": "relapsing-remitting"},
            },
        },
        "visits": {"file": "panel.csv", "columns": {"patient_id": "id", "day": day, "edss": "var1"}},
        "relapses": {"file": "panel.csv", "where": {"E": 1}, "columns": {"patient_id": "id", "day": day}},
        "treatments": {
            "file": "panel.csv",
            "distinct": True,
            "columns": {
                "patient_id": "id",
                "treatment": {"column": "var2", "values": {"0": "none", "1": "Avonex"}},
                "start_day": {"constant": 0},
            },
        },
    }
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping), encoding="utf-8")
    imported = read_tabular(tmp_path)
    assert len(imported.tables.patients) == panel["id"].nunique()
    assert len(imported.tables.relapses) == int((panel["E"] == 1).sum())
    on_scale = panel["var1"].between(0, 10) & (panel["var1"] * 2 % 1 == 0) & (panel["var1"] != 0.5)
    refused = [r for r in imported.report.rejected if "edss" in r.reason.casefold()]
    assert len(imported.tables.visits) == int(on_scale.sum())
    assert len(refused) == int((~on_scale).sum())


def test_the_heart_transplants_of_lifelines_come_in(tmp_path: Path) -> None:
    """A stranger in intervals: age centred at 48 years, treatment switches, and no EDSS but a constant."""
    from lifelines.datasets import load_stanford_heart_transplants

    heart = load_stanford_heart_transplants()
    heart.to_csv(tmp_path / "heart.csv", index=False)
    start = {"column": "start", "whole": True}
    mapping = {
        "source": {"name": "HEART", "label": "Heart transplants", "kind": "registry", "days_per_month": 30.4375},
        "patients": {
            "file": "heart.csv",
            "distinct": True,
            "columns": {
                "patient_id": "id",
                "age": {"column": "age", "offset": 48},
                "sex": {"constant": "male"},
                "phenotype": {"constant": "RRMS"},
            },
        },
        "visits": {
            "file": "heart.csv",
            "columns": {"patient_id": "id", "day": start, "edss": {"constant": 2}},
        },
        "relapses": {
            "file": "heart.csv",
            "where": {"event": 1},
            "columns": {"patient_id": "id", "day": {"column": "stop", "whole": True}},
        },
        "treatments": {
            "file": "heart.csv",
            "columns": {
                "patient_id": "id",
                "treatment": {"column": "transplant", "values": {"0": "none", "1": "Tysabri"}},
                "start_day": start,
                "end_day": {"column": "stop", "whole": True},
            },
        },
    }
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping), encoding="utf-8")
    imported = read_tabular(tmp_path)
    ages = heart.groupby("id")["age"].first() + 48
    too_young = int((ages < 15).sum())
    assert len(imported.tables.patients) == heart["id"].nunique() - too_young
    kept = heart[heart["id"].map(ages) >= 15]
    assert len(imported.tables.treatments) + sum(
        r.file == "heart.csv" and "treatment of this patient" in r.reason for r in imported.report.rejected
    ) == len(kept)
    assert (imported.tables.treatments["treatment"] == Treatment.NATALIZUMAB.value).sum() > 0
    table = episodes(imported.tables, imported.sources)
    assert len(table) == len(imported.tables.patients)


def test_latin_1_and_a_mark_of_order_are_read(lyon: Path) -> None:
    (lyon / "drugs.csv").write_bytes(b"\xef\xbb\xbfid,drug,from\nA,Gilenya,0\n")
    (lyon / "patients.csv").write_bytes("id;age_months;gender;né\nA;360;1;à\nB;480;2;x\n".encode("latin-1"))
    imported = read_tabular(lyon)
    assert len(imported.tables.patients) == 2
    assert any("patients.csv is not UTF-8" in note for note in imported.report.notes)
    assert pd.isna(imported.tables.patients["years_since_onset"]).all()
