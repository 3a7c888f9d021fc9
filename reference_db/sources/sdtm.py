"""Reading clinical trials in CDISC SDTM, from SAS transport files (XPT) or CSV, one file per domain.

Days are taken from dates (``--DTC`` against the subject's reference start) or, where those are absent, from study
days (``--DY``, which have no day 0: day 1 is the reference start).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from reference_db.errors import InvalidInput
from reference_db.schema import Source
from reference_db.sources.admission import ForeignTable, admit
from reference_db.sources.files import Damage, read_csv
from reference_db.sources.rejections import Imported, ImportFailed, ImportReport, RejectedRow
from reference_db.sources.sdtm_terms import (
    AGE_UNITS,
    EDSS_DOMAINS,
    EDSS_NAME,
    EDSS_TESTS,
    LAST_CONTACT,
    LESION_TESTS,
    MRI_DOMAINS,
    SUBJECT_TESTS,
)
from reference_db.vocabulary import SourceKind

_WEEKLY_MONTH = 28.0
_CALENDAR_MONTH = 30.4375
_HEADER_BYTES = 80
_OBSERVATIONS = b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!"
_OPTIONAL_DOMAINS = (*MRI_DOMAINS, "SC", "DS", "TS")


class _Study:
    """The domains of one folder as text, with what was wrong with its files."""

    def __init__(self, folder: Path) -> None:
        self.domains: dict[str, pd.DataFrame] = {}
        self.files: dict[str, str] = {}
        self.damages: list[RejectedRow] = []
        self.notes: list[str] = []
        for path in sorted(folder.iterdir()):
            name = path.stem.upper()
            if path.suffix.lower() not in (".xpt", ".csv") or len(name) != 2:
                continue
            try:
                table = _read(path, self.notes)
            except Damage as damage:
                self.damages.append(RejectedRow(path.name, None, str(damage)))
                continue
            if name in self.domains:
                reason = f"domain {name} is also in {self.files[name]}: remove one"
                self.damages.append(RejectedRow(path.name, None, reason))
                continue
            self.domains[name], self.files[name] = table, path.name

    def first(self, names: tuple[str, ...]) -> str | None:
        """Return the first of some domains that is there."""
        return next((name for name in names if name in self.domains), None)

    def need(self, domain: str, columns: tuple[str, ...]) -> None:
        """Note a domain that is missing, or lacks columns it cannot do without."""
        if domain not in self.domains:
            reason = f"domain {domain} is missing: add {domain.lower()}.xpt or .csv"
            self.damages.append(RejectedRow(domain, None, reason))
            return
        lacking = [name for name in columns if name not in self.domains[domain]]
        if lacking:
            self.damages.append(RejectedRow(self.files[domain], None, f"variable {', '.join(lacking)} is missing"))


def _read(path: Path, notes: list[str]) -> pd.DataFrame:
    table = read_csv(path, notes) if path.suffix.lower() == ".csv" else _read_transport(path, notes)
    table.columns = [str(name).upper() for name in table.columns]
    if table.columns.empty or not len(table):
        raise Damage("holds no records")
    return table


def _read_transport(path: Path, notes: list[str]) -> pd.DataFrame:
    import pyreadstat

    problem = ""
    for encoding in ("UTF-8", "ISO-8859-1"):
        try:
            table, described = pyreadstat.read_xport(str(path), disable_datetime_conversion=True, encoding=encoding)
        except Exception as error:  # noqa: BLE001 - the reader raises whatever a damaged file provokes
            problem = type(error).__name__
            continue
        if encoding != "UTF-8":
            notes.append(f"{path.name} is not UTF-8: read as Latin-1")
        if _is_cut(path.read_bytes(), sum(described.variable_storage_width.values())):
            raise Damage("ends within a record: copy the file again, it is not whole")
        return pd.DataFrame(table)
    raise Damage(f"is not a readable SAS transport file ({problem})")


def _is_cut(content: bytes, record: int) -> bool:
    """Tell whether a transport file ends within a record: after the last one stand blanks, to a multiple of 80 bytes.

    The format counts no records, so a file cut between two of them looks whole (SAS Institute, TS-140).
    """
    start = content.find(_OBSERVATIONS)
    rest = content[start + _HEADER_BYTES :] if start >= 0 else b""
    return len(content) % _HEADER_BYTES != 0 or bool(rest[len(rest) - len(rest) % record :].strip(b" "))


def read_sdtm(
    folder: Path,
    *,
    name: str | None = None,
    label: str | None = None,
    kind: SourceKind | None = None,
    days_per_month: float | None = None,
) -> Imported:
    """Read a study and return what of it can be used, with the report of what cannot.

    Parameters
    ----------
    folder : Path
        Holding ``dm.xpt``, ``qs.xpt`` (or RS, FT), ``ce.xpt``, ``ex.xpt`` and, where there are, ``mo.xpt`` (or NV,
        FA), ``sc.xpt``, ``ds.xpt``, ``ts.xpt``; or the same as CSV.
    name, label, kind, days_per_month : optional
        Of the source, where the study itself (STUDYID; TS: TITLE, STYPE and MNTHDAYS) does not say or is wrong. A
        study is taken for a trial unless it says that it was observational; trials to see patients every 12 weeks
        (28 days a month), registries by the calendar.

    Raises
    ------
    ImportFailed
        If a domain that nothing can be done without is missing or unreadable, or no subject can be accepted; with the
        report of all that is wrong.
    InvalidInput
        If the folder cannot be read, or its description of the source is impossible.
    """
    if not folder.is_dir():
        raise InvalidInput.of("path", f"{folder} is not a folder of SDTM domains")
    study = _Study(folder)
    study.need("DM", ("USUBJID", "AGE", "SEX"))
    study.need("EX", ("USUBJID", "EXTRT"))
    study.need("CE", ("USUBJID",))
    edss = study.first(EDSS_DOMAINS)
    if edss is None:
        study.damages.append(RejectedRow("QS", None, "no domain with EDSS: add qs.xpt, rs.xpt or ft.xpt"))
    else:
        study.need(edss, ("USUBJID", f"{edss}TESTCD"))
    fatal = [damage for damage in study.damages if damage.file[:2].upper() not in _OPTIONAL_DOMAINS]
    if edss is None or fatal:
        raise ImportFailed(_failure(study))
    source = _source(study, name, label, kind, days_per_month)
    start = _reference_start(study.domains["DM"])
    foreign = {
        "patients": _patients(study, source.name, start),
        "visits": _visits(study, edss, start),
        "relapses": _relapses(study, start),
        "mri": _mri(study, start),
        "treatments": _treatments(study, start),
    }
    tables, report = admit(foreign, tuple(study.notes))
    report = ImportReport(report.read, report.accepted, (*study.damages, *report.rejected), report.notes)
    if tables.patients.empty:
        raise ImportFailed(report)
    return Imported(tables, (source,), report)


def _failure(study: _Study) -> ImportReport:
    read = {study.files[domain]: len(table) for domain, table in study.domains.items()}
    unused = [
        RejectedRow(file, None, f"its {n} record(s) were not read, since the study cannot be imported")
        for file, n in read.items()
    ]
    return ImportReport(read, dict.fromkeys(read, 0), (*study.damages, *unused), tuple(study.notes))


def _source(
    study: _Study, name: str | None, label: str | None, kind: SourceKind | None, days_per_month: float | None
) -> Source:
    said: dict[str, str] = {}
    if "TS" in study.domains and {"TSPARMCD", "TSVAL"} <= set(study.domains["TS"]):
        pairs = study.domains["TS"][["TSPARMCD", "TSVAL"]].astype(str)
        said = dict(pairs.itertuples(index=False, name=None))
    dm = study.domains["DM"]
    study_id = str(dm["STUDYID"].iloc[0]).strip() if "STUDYID" in dm else ""
    if kind is None:
        observed = said.get("STYPE", "").strip().upper() == "OBSERVATIONAL"
        kind = SourceKind.REGISTRY if observed else SourceKind.TRIAL
    usual = _WEEKLY_MONTH if kind is SourceKind.TRIAL else _CALENDAR_MONTH
    try:
        return Source.model_validate(
            {
                "name": name or study_id or "study",
                "label": label or said.get("TITLE") or study_id or "imported study",
                "kind": kind,
                "days_per_month": days_per_month or said.get("MNTHDAYS") or usual,
            }
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise InvalidInput.of(f"source.{problem['loc'][0]}", problem["msg"]) from error


def _reference_start(dm: pd.DataFrame) -> pd.Series:
    """Return each subject's reference start date, NaT where DM does not give it."""
    dates = _dates(dm["RFSTDTC"]) if "RFSTDTC" in dm else pd.Series(pd.NaT, index=dm.index, dtype="datetime64[ns]")
    subjects = dm["USUBJID"].astype(str).str.strip()
    return pd.Series(dates.to_numpy(), index=subjects)[~subjects.duplicated().to_numpy()]


def _dates(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values.astype(str).str.strip().str[:10], errors="coerce", format="%Y-%m-%d")


def _days(table: pd.DataFrame, stem: str, start: pd.Series, *, end: bool = False) -> NDArray[np.object_]:
    """Return days from the reference start: by date where both are known, else by study day, else as written."""
    moments = [f"{stem}EN"] if end else [f"{stem}ST", stem]
    subjects = table["USUBJID"].astype(str).str.strip()
    day = np.full(len(table), None, dtype=object)
    for moment in moments:
        if f"{moment}DY" in table:
            written = table[f"{moment}DY"].to_numpy(dtype=object)
            study_day = pd.to_numeric(table[f"{moment}DY"], errors="coerce").to_numpy(dtype=np.float64)
            counted = np.where(study_day >= 1, study_day - 1, study_day)
            day = np.where(pd.isna(day), np.where(np.isnan(study_day), written, counted), day)
        if f"{moment}DTC" in table:
            elapsed = _dates(table[f"{moment}DTC"]).to_numpy() - start.reindex(subjects).to_numpy()
            since = elapsed / np.timedelta64(1, "D")
            day = np.where(np.isnan(since), day, since)
    return day


def _text(table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        return pd.Series("", index=table.index)
    return table[column].fillna("").astype(str).str.strip()


def _result(table: pd.DataFrame, domain: str) -> pd.Series:
    """Return results: standardised numbers where there are, else as collected."""
    collected = _text(table, f"{domain}ORRES")
    for name in (f"{domain}STRESN", f"{domain}STRESC"):
        standard = _text(table, name)
        collected = standard.where(standard != "", collected)
    return collected


def _patients(study: _Study, source: str, start: pd.Series) -> ForeignTable:
    dm = study.domains["DM"]
    subject = _text(dm, "USUBJID")
    values = pd.DataFrame(
        {
            "patient_id": subject,
            "source": source,
            "arm": _text(dm, "ARM"),
            "sex": _text(dm, "SEX"),
            "age": _age_in_years(dm),
        }
    )
    if "SC" in study.domains and {"USUBJID", "SCTESTCD"} <= set(study.domains["SC"]):
        sc = study.domains["SC"]
        known = sc.assign(subject=_text(sc, "USUBJID"), column=_text(sc, "SCTESTCD").str.upper().map(SUBJECT_TESTS))
        known["result"] = _result(sc, "SC")
        unknown = known["column"].isna()
        _reject(study, "SC", unknown, lambda i: f"characteristic {sc['SCTESTCD'].iloc[i]!r} is not known")
        again = ~unknown & known.duplicated(["subject", "column"])
        _reject(study, "SC", again, lambda i: f"{sc['SCTESTCD'].iloc[i]} of this subject again")
        strange = ~unknown & ~again & ~known["subject"].isin(set(subject))
        _reject(study, "SC", strange, lambda i: f"subject {known['subject'].iloc[i]!r} is not in DM")
        usable = known[~unknown & ~again & ~strange]
        for column, of_column in usable.groupby("column"):
            values[str(column)] = of_column.set_index("subject")["result"].reindex(subject).to_numpy(dtype=object)
    if "phenotype" not in values:
        study.notes.append("no course of disease in SC (MSCOURSE): every subject lacks its phenotype")
    values["last_day"] = _last_contact(study, subject, start)
    return ForeignTable.of(values, study.files["DM"])


def _age_in_years(dm: pd.DataFrame) -> pd.Series:
    """Return ages in years; one in a unit that is not known keeps its unit, so that it is refused by its name."""
    age = dm["AGE"].astype(object)
    unit = _text(dm, "AGEU").str.upper()
    years = pd.to_numeric(dm["AGE"], errors="coerce") / unit.map(AGE_UNITS)
    age = age.where(~unit.isin(AGE_UNITS), years.astype(object))
    return age.where(unit.isin({"", "YEARS", *AGE_UNITS}), age.astype(str) + " " + unit)


def _last_contact(study: _Study, subject: pd.Series, start: pd.Series) -> NDArray[np.object_]:
    if "DS" not in study.domains or "USUBJID" not in study.domains["DS"]:
        study.notes.append("no disposition (DS): a subject's last record is taken as the end of observation")
        return np.full(len(subject), None, dtype=object)
    ds = study.domains["DS"]
    ends = _text(ds, "DSDECOD").str.upper().isin(LAST_CONTACT).to_numpy()
    _reject(study, "DS", ~ends, lambda i: f"disposition {_text(ds, 'DSDECOD').iloc[i]!r} does not end observation")
    day = pd.Series(_days(ds, "DS", start)[ends], index=_text(ds, "USUBJID")[ends])
    day = day[~day.index.duplicated(keep="last")]
    return np.asarray(day.reindex(subject).to_numpy(dtype=object))


def _reject(study: _Study, domain: str, rows: pd.Series | NDArray[np.bool_], reason: Callable[[int], str]) -> None:
    study.damages += [
        RejectedRow(study.files[domain], int(i) + 1, reason(int(i))) for i in np.flatnonzero(np.asarray(rows))
    ]


def _visits(study: _Study, domain: str, start: pd.Series) -> ForeignTable:
    table = study.domains[domain]
    code = _text(table, f"{domain}TESTCD").str.upper()
    named = _text(table, f"{domain}TEST").str.casefold().str.contains(EDSS_NAME, regex=False)
    is_edss = code.isin(EDSS_TESTS) | named
    _reject(study, domain, ~is_edss, lambda i: f"test {code.iloc[i]!r} is not the EDSS and is not used")
    rows = np.flatnonzero(is_edss.to_numpy())
    values = pd.DataFrame(
        {
            "patient_id": _text(table, "USUBJID"),
            "day": _days(table, domain, start),
            "edss": _result(table, domain),
        }
    ).iloc[rows]
    return ForeignTable.of(values, study.files[domain], rows.astype(np.int64) + 1)


def _relapses(study: _Study, start: pd.Series) -> ForeignTable:
    table = study.domains["CE"]
    term = (_text(table, "CEDECOD") + " " + _text(table, "CETERM") + " " + _text(table, "CECAT")).str.casefold()
    is_relapse = term.str.contains("relapse", regex=False).to_numpy()
    _reject(study, "CE", ~is_relapse, lambda i: f"event {term.iloc[i].strip()!r} is not a relapse and is not used")
    rows = np.flatnonzero(is_relapse)
    values = pd.DataFrame({"patient_id": _text(table, "USUBJID"), "day": _days(table, "CE", start)}).iloc[rows]
    return ForeignTable.of(values, study.files["CE"], rows.astype(np.int64) + 1)


def _treatments(study: _Study, start: pd.Series) -> ForeignTable:
    table = study.domains["EX"]
    values = pd.DataFrame(
        {
            "patient_id": _text(table, "USUBJID"),
            "treatment": _text(table, "EXTRT"),
            "start_day": _days(table, "EX", start),
            "end_day": _days(table, "EX", start, end=True),
        }
    )
    return ForeignTable.of(values, study.files["EX"])


def _mri(study: _Study, start: pd.Series) -> ForeignTable:
    domain = study.first(MRI_DOMAINS)
    columns = ("gd_lesions", "new_t2_lesions", "t2_lesions")
    if domain is None or "USUBJID" not in study.domains[domain]:
        study.notes.append("no lesions (MO, NV or FA): no scan is recorded")
        return ForeignTable.of(pd.DataFrame({"patient_id": [], "day": []}), "MO")
    table = study.domains[domain]
    code = _text(table, f"{domain}TESTCD").str.upper()
    column = code.map(LESION_TESTS)
    _reject(study, domain, column.isna(), lambda i: f"measurement {code.iloc[i]!r} is not known and is not used")
    records = pd.DataFrame(
        {
            "patient_id": _text(table, "USUBJID"),
            "day": _days(table, domain, start),
            "column": column,
            "result": _result(table, domain),
            "row": np.arange(1, len(table) + 1),
        }
    )[column.notna()]
    again = records.duplicated(["patient_id", "day", "column"])
    repeated = np.zeros(len(table), dtype=np.bool_)
    repeated[records.index[again]] = True
    _reject(study, domain, repeated, lambda i: f"{code.iloc[i]} of this scan again")
    records = records[~again]
    groups = records.groupby(["patient_id", "day"], sort=False, dropna=False)
    members = groups["row"].agg(tuple)
    values = members.reset_index()[["patient_id", "day"]]
    scan = groups.ngroup().to_numpy()
    for name in columns:
        of_column = (records["column"] == name).to_numpy()
        counted = pd.Series(records["result"].to_numpy()[of_column], index=scan[of_column])
        values[name] = counted.reindex(values.index).to_numpy(dtype=object)
    return ForeignTable(
        cells=values,
        file=np.full(len(values), study.files[domain], dtype=object),
        row=np.array([rows[0] for rows in members], dtype=np.int64),
        others=tuple(rows[1:] for rows in members),
    )
