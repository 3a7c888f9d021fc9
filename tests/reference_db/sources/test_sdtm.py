"""SDTM: the round trip trial, SDTM, originals is lossless, and any damage gives a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from reference_db.errors import CdssError, InvalidInput
from reference_db.schema import LongTables, Source
from reference_db.sources.importing import import_to_bkp
from reference_db.sources.rejections import Imported, ImportFailed
from reference_db.sources.sdtm import read_sdtm
from reference_db.sources.sdtm_export import export_sdtm
from reference_db.sources.simulated import SimulatedSources, simulate
from reference_db.warehouse import read_bkp


@pytest.fixture(scope="module")
def simulated() -> SimulatedSources:
    return simulate(seed=8, scale=0.02)


@pytest.fixture(scope="module")
def studies(simulated: SimulatedSources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdtm")
    for source in simulated.sources:
        export_sdtm(simulated.tables, source, folder / source.name)
    return folder


def of_source(tables: LongTables, source: Source) -> LongTables:
    known = set(tables.patients.loc[tables.patients["source"] == source.name, "patient_id"])
    parts = {field.name: getattr(tables, field.name) for field in fields(LongTables)}
    return LongTables(
        **{name: table[table["patient_id"].isin(known)].reset_index(drop=True) for name, table in parts.items()}
    )


def test_round_trip_loses_nothing(simulated: SimulatedSources, studies: Path) -> None:
    for source in simulated.sources:
        imported = read_sdtm(studies / source.name, kind=source.kind)
        assert imported.sources == (source,)
        assert imported.report.rejected == ()
        original = of_source(simulated.tables, source)
        for field in fields(LongTables):
            pd.testing.assert_frame_equal(getattr(imported.tables, field.name), getattr(original, field.name))


def test_another_reader_reads_the_same(simulated: SimulatedSources, studies: Path) -> None:
    qs = pd.read_sas(studies / "CLARITY" / "qs.xpt", format="xport", encoding="utf-8")
    clarity = next(source for source in simulated.sources if source.name == "CLARITY")
    visits = of_source(simulated.tables, clarity).visits
    assert qs["USUBJID"].tolist() == visits["patient_id"].tolist()
    # pandas reads the zero of IBM floating point as 5e-79.
    np.testing.assert_allclose(qs["QSSTRESN"], visits["edss"], rtol=0, atol=1e-70)
    assert set(qs["DOMAIN"]) == {"QS"}
    assert (qs["QSDY"] != 0).all()


def test_transport_files_name_their_domain(studies: Path) -> None:
    for path in (studies / "AFFIRM").iterdir():
        _, meta = pyreadstat.read_xport(str(path), metadataonly=True)
        assert meta.table_name == path.stem.upper()
        assert all(len(name) <= 8 for name in meta.column_names)


def test_import_reaches_the_warehouse(simulated: SimulatedSources, studies: Path, tmp_path: Path) -> None:
    report = import_to_bkp(lambda: read_sdtm(studies / "AFFIRM"), tmp_path / "bkp", report=tmp_path / "rejected.csv")
    assert report.rejected == ()
    assert len(pd.read_csv(tmp_path / "rejected.csv")) == 0
    affirm = next(source for source in simulated.sources if source.name == "AFFIRM")
    pd.testing.assert_frame_equal(
        read_bkp(tmp_path / "bkp").tables.patients, of_source(simulated.tables, affirm).patients
    )


def test_dates_count_from_the_reference_start(study: Path) -> None:
    dm, qs = pd.read_csv(study / "dm.csv"), pd.read_csv(study / "qs.csv")
    dm["RFSTDTC"] = "2012-03-01"
    day = qs.pop("QSDY").to_numpy()
    qs["QSDTC"] = [
        (pd.Timestamp("2012-03-01") + pd.Timedelta(days=d - 1 if d > 0 else d)).strftime("%Y-%m-%d") for d in day
    ]
    expected = read_sdtm(study).tables.visits
    dm.to_csv(study / "dm.csv", index=False)
    qs.to_csv(study / "qs.csv", index=False)
    pd.testing.assert_frame_equal(read_sdtm(study).tables.visits, expected)


def test_drugs_are_known_by_brand_molecule_and_code(study: Path) -> None:
    ex = pd.read_csv(study / "ex.csv")
    ex["EXTRT"] = [["Tysabri", "NATALIZUMAB", "L04AG03", "Placebo"][i % 4] for i in range(len(ex))]
    ex.to_csv(study / "ex.csv", index=False)
    imported = read_sdtm(study)
    assert imported.report.rejected == ()
    assert set(imported.tables.treatments["treatment"]) == {"natalizumab", "placebo or untreated"}


def test_age_in_months_becomes_years(study: Path) -> None:
    dm = pd.read_csv(study / "dm.csv")
    years = dm["AGE"].round()
    dm["AGE"], dm["AGEU"] = years * 12, "MONTHS"
    dm.to_csv(study / "dm.csv", index=False)
    assert read_sdtm(study).tables.patients["age"].tolist() == years.tolist()


@pytest.fixture(scope="module")
def twelve(studies: Path) -> dict[str, str]:
    """Twelve subjects of AFFIRM: the text of a CSV file per domain."""
    texts = {}
    subjects: set[str] = set()
    for name in ("dm", "sc", "qs", "ce", "mo", "ex", "ds", "ts"):
        table, _ = pyreadstat.read_xport(str(studies / "AFFIRM" / f"{name}.xpt"))
        if name == "dm":
            table = table.head(12)
            subjects = set(table["USUBJID"])
        elif "USUBJID" in table:
            table = table[table["USUBJID"].isin(subjects)]
        texts[name] = table.to_csv(index=False)
    return texts


@pytest.fixture
def study(twelve: dict[str, str], tmp_path: Path) -> Path:
    """Those subjects as CSV files that a test may damage."""
    folder = tmp_path / "study"
    folder.mkdir()
    for name, text in twelve.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def edit(domain: str, column: str, value: object, row: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / f"{domain}.csv"
        table = pd.read_csv(path, dtype=object)
        table.loc[row, column] = value
        table.to_csv(path, index=False)

    return damage


def both(first: Callable[[Path], None], second: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        first(folder)
        second(folder)

    return damage


def repeat(domain: str, row: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / f"{domain}.csv"
        table = pd.read_csv(path, dtype=object)
        pd.concat([table, table.iloc[[row]]]).to_csv(path, index=False)

    return damage


def write(domain: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{domain}.csv").write_bytes(content) and None


def remove(domain: str) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{domain}.csv").unlink()


def drop_column(domain: str, column: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / f"{domain}.csv"
        pd.read_csv(path, dtype=object).drop(columns=column).to_csv(path, index=False)

    return damage


def latin_1(folder: Path) -> None:
    path = folder / "dm.csv"
    table = pd.read_csv(path, dtype=object)
    table.loc[0, "ARM"] = "placebo à long terme"
    path.write_bytes(table.to_csv(index=False).encode("latin-1"))


def broken_transport(folder: Path) -> None:
    (folder / "qs.csv").unlink()
    (folder / "qs.xpt").write_bytes(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!" + bytes(range(256)) * 3)


def truncated_transport(folder: Path) -> None:
    (folder / "dm.csv").unlink()
    (folder / "dm.xpt").write_bytes(b"HEADER RECORD*****")


def cut_transport(folder: Path) -> None:
    """Cut between the blocks of 80 bytes, where no reader objects."""
    table = pd.read_csv(folder / "qs.csv")
    (folder / "qs.csv").unlink()
    pyreadstat.write_xport(table, str(folder / "qs.xpt"), table_name="QS", file_format_version=5)
    content = (folder / "qs.xpt").read_bytes()
    (folder / "qs.xpt").write_bytes(content[: len(content) // 160 * 80 - 80])


def extra_field(folder: Path) -> None:
    path = folder / "ex.csv"
    lines = path.read_text().splitlines()
    lines[3] += ",one,two,three"
    path.write_text("\n".join(lines))


def semicolons_inside(folder: Path) -> None:
    path = folder / "qs.csv"
    path.write_text(path.read_text().replace("EDSS,", "EDSS;", 1))


REJECTED: dict[str, tuple[Callable[[Path], None], str, int | None, str]] = {
    "EDSS off the scale": (edit("qs", "QSSTRESN", 2.3), "qs.csv", 1, "use 2.0 or 2.5"),
    "EDSS of one half": (edit("qs", "QSSTRESN", 0.5), "qs.csv", 1, "use 0.0 or 1.0"),
    "EDSS above ten": (edit("qs", "QSSTRESN", 12), "qs.csv", 1, "from 0 to 10"),
    "EDSS below zero": (edit("qs", "QSSTRESN", -1), "qs.csv", 1, "from 0 to 10"),
    "EDSS in words": (edit("qs", "QSSTRESN", "mild"), "qs.csv", 1, "'mild' is not"),
    "EDSS with a comma": (edit("qs", "QSSTRESN", "2,5"), "qs.csv", 1, "'2,5' is not"),
    "EDSS infinite": (edit("qs", "QSSTRESN", "inf"), "qs.csv", 1, "'inf' is not"),
    "visit without day": (edit("qs", "QSDY", None), "qs.csv", 1, "day is missing"),
    "visit on a broken day": (edit("qs", "QSDY", 3.5), "qs.csv", 1, "whole number"),
    "visit on a day in words": (edit("qs", "QSDY", "week 12"), "qs.csv", 1, "'week 12'"),
    "visit far in the future": (edit("qs", "QSDY", 99999), "qs.csv", 1, "from -14640 to 14640"),
    "visit after the last contact": (edit("qs", "QSDY", 5000), "qs.csv", 1, "dates out of order"),
    "visit of a stranger": (edit("qs", "USUBJID", "nobody"), "qs.csv", 1, "not in the table of patients"),
    "visit of no one": (edit("qs", "USUBJID", None), "qs.csv", 1, "patient_id is missing"),
    "visit twice": (repeat("qs"), "qs.csv", None, "row 1 already has it"),
    "another test": (
        both(edit("qs", "QSTESTCD", "PASAT"), edit("qs", "QSTEST", "Serial Addition")),
        "qs.csv",
        1,
        "'PASAT' is not the EDSS",
    ),
    "subject twice": (repeat("dm"), "dm.csv", 13, "patient again: row 1"),
    "subject without identity": (edit("dm", "USUBJID", None), "dm.csv", 1, "patient_id is missing"),
    "age in words": (edit("dm", "AGE", "forty"), "dm.csv", 1, "'forty'"),
    "age in a unit of its own": (edit("dm", "AGEU", "LIGHTYEARS"), "dm.csv", 1, "LIGHTYEARS' is not a number"),
    "age of 300": (edit("dm", "AGE", 300), "dm.csv", 1, "from 15 to 90 years"),
    "age missing": (edit("dm", "AGE", None), "dm.csv", 1, "age is missing"),
    "sex unknown": (edit("dm", "SEX", "X"), "dm.csv", 1, "use one of female, male"),
    "sex missing": (edit("dm", "SEX", ""), "dm.csv", 1, "sex is missing"),
    "drug unknown": (edit("ex", "EXTRT", "aspirin"), "ex.csv", 1, "drug 'aspirin' is not known"),
    "drug missing": (edit("ex", "EXTRT", None), "ex.csv", 1, "treatment is missing"),
    "treatment ends before it starts": (edit("ex", "EXENDY", -400), "ex.csv", 1, "dates out of order"),
    "treatment without start": (edit("ex", "EXSTDY", None), "ex.csv", 1, "start_day is missing"),
    "treatment twice": (repeat("ex"), "ex.csv", 13, "row 1 already has it"),
    "relapse without day": (edit("ce", "CESTDY", None), "ce.csv", 1, "day is missing"),
    "relapse after the last contact": (edit("ce", "CESTDY", 9000), "ce.csv", 1, "dates out of order"),
    "relapse twice": (repeat("ce"), "ce.csv", None, "relapse of this patient on this day again"),
    "another event": (
        both(edit("ce", "CETERM", "HEADACHE"), edit("ce", "CEDECOD", "HEADACHE")),
        "ce.csv",
        1,
        "is not a relapse",
    ),
    "negative lesions": (edit("mo", "MOSTRESN", -3), "mo.csv", 1, "from 0 to 100"),
    "half a lesion": (edit("mo", "MOSTRESN", 1.5), "mo.csv", 1, "whole number"),
    "unknown measurement": (edit("mo", "MOTESTCD", "BRAINVOL"), "mo.csv", 1, "'BRAINVOL' is not known"),
    "measurement twice": (repeat("mo"), "mo.csv", None, "of this scan again"),
    "unknown characteristic": (edit("sc", "SCTESTCD", "HAIR"), "sc.csv", 1, "'HAIR' is not known"),
    "characteristic twice": (repeat("sc"), "sc.csv", None, "of this subject again"),
    "characteristic of a stranger": (edit("sc", "USUBJID", "nobody"), "sc.csv", 1, "is not in DM"),
    "unknown course": (edit("sc", "SCORRES", "relapsing sometimes"), "dm.csv", None, "phenotype"),
    "unknown disposition": (edit("ds", "DSDECOD", "WENT FISHING"), "ds.csv", 1, "does not end observation"),
    "lesion domain empty": (write("mo", b""), "mo.csv", None, "is empty"),
}
"""Damage, then the file, row and words that the report must hold; the rest is imported."""

FATAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "no subjects' domain": (remove("dm"), "domain DM is missing"),
    "no EDSS domain": (remove("qs"), "no domain with EDSS"),
    "no relapse domain": (remove("ce"), "domain CE is missing"),
    "no treatment domain": (remove("ex"), "domain EX is missing"),
    "empty file": (write("dm", b""), "is empty"),
    "nothing but a byte order mark": (write("dm", b"\xef\xbb\xbf"), "is empty"),
    "header alone": (write("dm", b"USUBJID,AGE,SEX\n"), "holds no records"),
    "binary rubbish": (write("dm", bytes(range(256))), "is not a text file"),
    "variable missing": (drop_column("dm", "AGE"), "variable AGE is missing"),
    "drug variable missing": (drop_column("ex", "EXTRT"), "variable EXTRT is missing"),
    "test code missing": (drop_column("qs", "QSTESTCD"), "variable QSTESTCD is missing"),
    "broken transport file": (broken_transport, "qs.xpt"),
    "transport file cut between blocks": (cut_transport, "ends within a record"),
    "truncated transport file": (truncated_transport, "dm.xpt"),
    "more fields than the header": (extra_field, "ex.csv"),
    "no course of disease": (remove("sc"), "phenotype is missing"),
}
"""Damage that leaves nothing to import, and words that the report must hold."""


@pytest.mark.parametrize("name", REJECTED)
def test_damaged_rows_are_named_and_the_rest_imported(name: str, study: Path, tmp_path: Path) -> None:
    damage, file, row, words = REJECTED[name]
    damage(study)
    report = import_to_bkp(lambda: read_sdtm(study), tmp_path / "bkp", report=tmp_path / "rejected.csv")
    named = [r for r in report.rejected if r.file == file and (row is None or r.row == row)]
    assert any(words in r.reason for r in named), [str(r) for r in report.rejected]
    listed = pd.read_csv(tmp_path / "rejected.csv")
    assert len(listed) == len(report.rejected)
    assert len(read_bkp(tmp_path / "bkp").tables.patients) >= 11


@pytest.mark.parametrize("name", FATAL)
def test_damaged_studies_leave_a_report_and_nothing_else(name: str, study: Path, tmp_path: Path) -> None:
    damage, words = FATAL[name]
    damage(study)
    with pytest.raises(InvalidInput, match="nothing was imported"):
        import_to_bkp(lambda: read_sdtm(study), tmp_path / "bkp", report=tmp_path / "rejected.csv")
    assert not (tmp_path / "bkp").exists()
    listed = pd.read_csv(tmp_path / "rejected.csv")
    assert (listed["file"].astype(str) + " " + listed["reason"]).str.contains(words, regex=False).any()


def test_every_row_is_accepted_or_named(study: Path) -> None:
    for damage in (edit("dm", "AGE", 300), edit("qs", "QSSTRESN", 2.3, row=5), edit("mo", "MOSTRESN", -1, row=40)):
        damage(study)
    report = read_sdtm(study).report
    for file in report.read:
        named = {r.row for r in report.rejected if r.file == file}
        assert report.read[file] == report.accepted[file] + len(named)


def test_a_rejected_subject_takes_his_records_along(study: Path) -> None:
    subject = pd.read_csv(study / "dm.csv")["USUBJID"].iloc[0]
    visits = int((pd.read_csv(study / "qs.csv")["USUBJID"] == subject).sum())
    edit("dm", "AGE", 300)(study)
    report = read_sdtm(study).report
    along = [r for r in report.rejected if r.file == "qs.csv" and "was rejected" in r.reason]
    assert len(along) == visits


def test_latin_1_is_read_and_noted(study: Path) -> None:
    latin_1(study)
    imported = read_sdtm(study)
    assert "placebo à long terme" in set(imported.tables.patients["arm"])
    assert any("Latin-1" in note for note in imported.report.notes)


def test_a_latin_1_transport_file_is_read_and_noted(study: Path) -> None:
    table = pd.read_csv(study / "dm.csv")
    table["ARM"] = "placebo @ long terme"
    (study / "dm.csv").unlink()
    pyreadstat.write_xport(table, str(study / "dm.xpt"), table_name="DM", file_format_version=5)
    (study / "dm.xpt").write_bytes(
        (study / "dm.xpt").read_bytes().replace(b"placebo @", "placebo à".encode("latin-1"))
    )
    imported = read_sdtm(study)
    assert set(imported.tables.patients["arm"]) == {"placebo à long terme"}
    assert any("Latin-1" in note for note in imported.report.notes)


def test_a_wrong_separator_gives_a_report(study: Path) -> None:
    semicolons_inside(study)
    try:
        outcome: Imported | ImportFailed = read_sdtm(study)
    except ImportFailed as failure:
        outcome = failure
    assert outcome.report.rejected


def test_strict_imports_nothing_when_a_row_is_rejected(study: Path, tmp_path: Path) -> None:
    edit("qs", "QSSTRESN", 2.3)(study)
    with pytest.raises(InvalidInput, match="strict"):
        import_to_bkp(lambda: read_sdtm(study), tmp_path / "bkp", report=tmp_path / "r.csv", strict=True)
    assert not (tmp_path / "bkp").exists()


def test_an_existing_folder_is_never_overwritten(study: Path, tmp_path: Path) -> None:
    (tmp_path / "bkp").mkdir()
    with pytest.raises(InvalidInput, match="already exists"):
        import_to_bkp(lambda: read_sdtm(study), tmp_path / "bkp", report=tmp_path / "r.csv")


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CdssError, match="not a folder"):
        read_sdtm(tmp_path / "absent")
