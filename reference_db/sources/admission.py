"""Which foreign rows may enter the long tables: every value checked, every refused row named with its reason.

Readers of foreign formats hand over `ForeignTable`s, whose columns already have the names of the long tables but
whose values are whatever the file held. Here they are converted (codes of sex and phenotype, names of drugs, counts,
days), checked one by one and against each other, and split into the accepted and the rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.arrays import IntegerArray

from reference_db.schema import (
    AGE_RANGE,
    DURATION_RANGE,
    EDSS_SCALE,
    GD_RANGE,
    NEW_T2_RANGE,
    RELAPSES_12M_RANGE,
    RELAPSES_24M_RANGE,
    LongTables,
    check_long_tables,
)
from reference_db.sources.rejections import ImportReport, RejectedRow
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, T2Load, Treatment, treatment_named

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]

DAY_RANGE = (-40 * 366, 40 * 366)
_T2_COUNT_RANGE = (0, 1000)

_SEXES = {"f": Sex.FEMALE, "female": Sex.FEMALE, "w": Sex.FEMALE, "m": Sex.MALE, "male": Sex.MALE}
_PHENOTYPES = {
    "cis": Phenotype.CIS,
    "clinically isolated syndrome": Phenotype.CIS,
    "rr": Phenotype.RRMS,
    "rrms": Phenotype.RRMS,
    "relapsing-remitting": Phenotype.RRMS,
    "relapsing remitting": Phenotype.RRMS,
    "relapsing-remitting multiple sclerosis": Phenotype.RRMS,
    "sp": Phenotype.SPMS,
    "spms": Phenotype.SPMS,
    "secondary progressive": Phenotype.SPMS,
    "secondary progressive multiple sclerosis": Phenotype.SPMS,
    "pp": Phenotype.PPMS,
    "ppms": Phenotype.PPMS,
    "primary progressive": Phenotype.PPMS,
    "primary progressive multiple sclerosis": Phenotype.PPMS,
}
_PRIOR = {value.value: value for value in PriorTreatment}
_NO_TREATMENT = {"placebo", "none", "no treatment", "untreated"}
_ABSENT = {"", "na", "n/a", "nan", "none", ".", "null", "<na>", "nat"}


@dataclass(frozen=True)
class ForeignTable:
    """Rows of one long table as a file held them.

    Attributes
    ----------
    cells : DataFrame
        Columns named as in the long table; any type; columns that the file does not have may be absent.
    file : ndarray of str
        File of each row.
    row : ndarray of int
        Number of the record in its file.
    others : tuple of tuple of int
        Where a row was put together from several records (the counts of one scan): the numbers of the others.
    """

    cells: pd.DataFrame
    file: NDArray[np.object_]
    row: NDArray[np.int64]
    others: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, values: pd.DataFrame, file: str, row: NDArray[np.int64] | None = None) -> ForeignTable:
        """Return the rows of one file."""
        n = len(values)
        numbers = np.arange(1, n + 1, dtype=np.int64) if row is None else row
        return cls(values.reset_index(drop=True), np.full(n, file, dtype=object), numbers)


@dataclass
class _Examination:
    """The rows of one table under examination: what was converted, and the reasons against each row."""

    table: ForeignTable
    columns: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reasons: list[list[str]] = [[] for _ in range(len(self.table.cells))]
        self.good: Mask = np.ones(len(self.table.cells), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.table.cells)

    def texts(self, column: str) -> NDArray[np.object_]:
        """Return a column as stripped text, empty where there is nothing."""
        if column not in self.table.cells:
            return np.full(len(self), "", dtype=object)
        cleaned = [_text(value) for value in self.table.cells[column].to_numpy(dtype=object)]
        return np.array(cleaned, dtype=object)

    def refuse(self, rows: Mask, reason: Callable[[int], str]) -> None:
        """Refuse rows, each with its reason."""
        for i in np.flatnonzero(rows):
            self.reasons[i].append(reason(int(i)))
        self.good &= ~rows

    def numbers(
        self, column: str, bounds: tuple[float, float], *, whole: bool = False, required: bool = False, unit: str = ""
    ) -> Array:
        """Return a column as numbers inside bounds; a row with anything else is refused."""
        text = self.texts(column)
        empty = text == ""
        number = pd.to_numeric(pd.Series(text).where(~empty), errors="coerce").to_numpy(dtype=np.float64)
        what = f"a {'whole ' if whole else ''}number from {bounds[0]:g} to {bounds[1]:g}{' ' + unit if unit else ''}"
        bad = ~empty & (~np.isfinite(number) | (number < bounds[0]) | (number > bounds[1]))
        if whole:
            bad |= ~empty & np.isfinite(number) & (number != np.floor(number))
        self.refuse(bad, lambda i: f"{column} {text[i]!r} is not {what}")
        if required:
            self.refuse(empty, lambda _: f"{column} is missing: give {what}")
        return np.where(bad, np.nan, number)

    def coded(self, column: str, codes: Mapping[str, str], *, required: bool = False) -> NDArray[np.object_]:
        """Return a column translated by codes (case ignored); None where empty, refused where unknown."""
        text = self.texts(column)
        values = np.array([codes.get(t.casefold()) for t in text], dtype=object)
        unknown = np.array([v is None and t != "" for v, t in zip(values, text, strict=True)], dtype=np.bool_)
        allowed = ", ".join(dict.fromkeys(codes.values()))
        self.refuse(unknown, lambda i: f"{column} {text[i]!r} is not known: use one of {allowed}")
        if required:
            self.refuse(text == "", lambda _: f"{column} is missing: use one of {allowed}")
        return values

    def refuse_repeats(self, keys: list[NDArray[np.object_] | Array], what: str) -> None:
        """Refuse every row whose key an earlier row already has."""
        frame = pd.DataFrame({str(i): key for i, key in enumerate(keys)})
        usable = self.good.copy()
        repeated = np.zeros(len(self), dtype=np.bool_)
        repeated[usable] = frame[usable].duplicated().to_numpy()
        if repeated.any():
            places = frame[usable].assign(place=self.table.row[usable])
            first = places.groupby(list(frame), sort=False)["place"].transform("first").reindex(frame.index)
            self.refuse(repeated, lambda i: f"{what} again: row {first.iloc[i]:.0f} already has it")

    def accept(self, columns: Mapping[str, object]) -> pd.DataFrame:
        """Return the accepted rows."""
        return pd.DataFrame(dict(columns))[self.good].reset_index(drop=True)

    def records(self, i: int) -> tuple[int, ...]:
        """Return the numbers of the records that a row was made of."""
        others = self.table.others[i] if self.table.others else ()
        return (int(self.table.row[i]), *others)

    def rejected(self) -> list[RejectedRow]:
        """Return the records of the refused rows with all their reasons."""
        return [
            RejectedRow(str(self.table.file[i]), record, "; ".join(self.reasons[i]))
            for i in np.flatnonzero(~self.good)
            for record in self.records(int(i))
        ]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return "" if text.casefold() in _ABSENT - {"none"} else text


def admit(foreign: Mapping[str, ForeignTable], notes: tuple[str, ...] = ()) -> tuple[LongTables, ImportReport]:
    """Return the long tables of all acceptable rows, and the report of the others.

    Parameters
    ----------
    foreign : mapping of str to ForeignTable
        By name of the long table; all five must be there, empty where a source has none.
    notes : tuple of str
        What the reader assumed, for the report.
    """
    exams = {name: _Examination(table) for name, table in foreign.items()}
    patients, last_day = _patients(exams["patients"])
    known = set(patients["patient_id"])
    refused = set(exams["patients"].texts("patient_id")) - known
    until = dict(zip(patients["patient_id"], last_day, strict=True))
    tables = {
        "visits": _visits(exams["visits"], known, refused, until),
        "relapses": _relapses(exams["relapses"], known, refused, until),
        "mri": _mri(exams["mri"], known, refused, until),
        "treatments": _treatments(exams["treatments"], known, refused),
    }
    patients["last_day"] = _last_days(patients["patient_id"], last_day, tables)
    accepted = check_long_tables(LongTables(patients=patients, **tables))
    return accepted, _report(exams, notes)


def _report(exams: Mapping[str, _Examination], notes: tuple[str, ...]) -> ImportReport:
    read: dict[str, int] = {}
    accepted: dict[str, int] = {}
    for exam in exams.values():
        for file in dict.fromkeys(exam.table.file):
            of_file = exam.table.file == file
            size = np.array([len(exam.records(i)) for i in range(len(exam))])
            read[str(file)] = read.get(str(file), 0) + int(size[of_file].sum())
            accepted[str(file)] = accepted.get(str(file), 0) + int(size[of_file & exam.good].sum())
    rejected = tuple(rejected for exam in exams.values() for rejected in exam.rejected())
    return ImportReport(read=read, accepted=accepted, rejected=rejected, notes=notes)


def _patients(exam: _Examination) -> tuple[pd.DataFrame, Array]:
    identity = exam.texts("patient_id")
    exam.refuse(identity == "", lambda _: "patient_id is missing")
    sex = exam.coded("sex", {code: value.value for code, value in _SEXES.items()}, required=True)
    phenotype = exam.coded("phenotype", {code: value.value for code, value in _PHENOTYPES.items()}, required=True)
    prior = exam.coded("prior_treatment", {code: value.value for code, value in _PRIOR.items()})
    age = exam.numbers("age", AGE_RANGE, required=True, unit="years")
    onset = exam.numbers("years_since_onset", DURATION_RANGE, unit="years")
    exam.refuse(onset > age, lambda i: f"years_since_onset {onset[i]:g} exceeds age {age[i]:g}")
    recent = exam.numbers("relapses_12m", RELAPSES_12M_RANGE, whole=True)
    two_years = exam.numbers("relapses_24m", RELAPSES_24M_RANGE, whole=True)
    exam.refuse(
        recent > two_years,
        lambda i: f"relapses_12m {recent[i]:g} exceeds relapses_24m {two_years[i]:g}, which holds it",
    )
    last_day = exam.numbers("last_day", (0, DAY_RANGE[1]), whole=True, unit="days after the index date")
    exam.refuse_repeats([identity], "patient")
    arm = exam.texts("arm")
    table = exam.accept(
        {
            "patient_id": identity,
            "source": exam.texts("source"),
            "arm": np.where(arm == "", "all", arm),
            "phenotype": phenotype,
            "sex": sex,
            "age": age,
            "years_since_onset": onset,
            "prior_treatment": prior,
            "relapses_12m": _integers(recent),
            "relapses_24m": _integers(two_years),
        }
    )
    return table, last_day[exam.good]


def _of_known_patient(exam: _Examination, known: set[str], refused: set[str]) -> NDArray[np.object_]:
    identity = exam.texts("patient_id")
    exam.refuse(identity == "", lambda _: "patient_id is missing")
    lost = np.array([i in refused and i != "" and i not in known for i in identity], dtype=np.bool_)
    exam.refuse(lost, lambda i: f"its patient {identity[i]!r} was rejected")
    strange = np.array([i != "" and i not in known and i not in refused for i in identity], dtype=np.bool_)
    exam.refuse(strange, lambda i: f"patient {identity[i]!r} is not in the table of patients")
    return identity


def _event_day(exam: _Examination, identity: NDArray[np.object_], until: Mapping[str, float]) -> Array:
    day = exam.numbers("day", DAY_RANGE, whole=True, required=True, unit="days from the index date")
    end = np.array([until.get(i, np.nan) for i in identity], dtype=np.float64)
    exam.refuse(
        day > end, lambda i: f"day {day[i]:g} lies after the patient's last day {end[i]:g}: dates out of order"
    )
    return day


def _visits(exam: _Examination, known: set[str], refused: set[str], until: Mapping[str, float]) -> pd.DataFrame:
    identity = _of_known_patient(exam, known, refused)
    day = _event_day(exam, identity, until)
    edss = exam.numbers("edss", (EDSS_SCALE[0], EDSS_SCALE[-1]), required=True)
    scale = np.array(EDSS_SCALE)
    off = ~np.isnan(edss) & ~np.isin(edss, scale)

    def nearest(i: int) -> str:
        below, above = scale[scale < edss[i]].max(), scale[scale > edss[i]].min()
        return f"EDSS {edss[i]:g} is not on the scale: use {below:.1f} or {above:.1f}"

    exam.refuse(off, nearest)
    exam.refuse_repeats([identity, day], "visit of this patient on this day")
    return _dated(exam.accept({"patient_id": identity, "day": day, "edss": edss}))


def _relapses(exam: _Examination, known: set[str], refused: set[str], until: Mapping[str, float]) -> pd.DataFrame:
    identity = _of_known_patient(exam, known, refused)
    day = _event_day(exam, identity, until)
    exam.refuse_repeats([identity, day], "relapse of this patient on this day")
    return _dated(exam.accept({"patient_id": identity, "day": day}))


def _mri(exam: _Examination, known: set[str], refused: set[str], until: Mapping[str, float]) -> pd.DataFrame:
    identity = _of_known_patient(exam, known, refused)
    day = _event_day(exam, identity, until)
    gd = exam.numbers("gd_lesions", GD_RANGE, whole=True, unit="lesions")
    new = exam.numbers("new_t2_lesions", NEW_T2_RANGE, whole=True, unit="lesions")
    text = exam.texts("t2_lesions")
    count = pd.to_numeric(pd.Series(text), errors="coerce").to_numpy(dtype=np.float64)
    bins = {load.value for load in T2Load}
    is_count = (count >= _T2_COUNT_RANGE[0]) & (count <= _T2_COUNT_RANGE[1]) & (count == np.floor(count))
    is_bin = np.array([t in bins for t in text], dtype=np.bool_)
    exam.refuse(
        ~is_count & ~is_bin & (text != ""),
        lambda i: f"t2_lesions {text[i]!r} is neither a count nor one of {', '.join(sorted(bins))}",
    )
    load = [
        t if b else T2Load.of_count(int(c)).value if k else None
        for t, c, b, k in zip(text, count, is_bin, is_count, strict=True)
    ]
    exam.refuse_repeats([identity, day], "scan of this patient on this day")
    return _dated(
        exam.accept(
            {
                "patient_id": identity,
                "day": day,
                "gd_lesions": _integers(gd),
                "new_t2_lesions": _integers(new),
                "t2_lesions": np.array(load, dtype=object),
            }
        )
    )


def _treatments(exam: _Examination, known: set[str], refused: set[str]) -> pd.DataFrame:
    identity = _of_known_patient(exam, known, refused)
    text = exam.texts("treatment")
    exam.refuse(text == "", lambda _: "treatment is missing: give a molecule, a brand, a class or an ATC code")
    named = [Treatment.UNTREATED if t.casefold() in _NO_TREATMENT else treatment_named(t) for t in text]
    unknown = np.array([n is None and t != "" for n, t in zip(named, text, strict=True)], dtype=np.bool_)
    exam.refuse(unknown, lambda i: f"drug {text[i]!r} is not known: use a molecule, a brand, a class or an ATC code")
    start = exam.numbers("start_day", DAY_RANGE, whole=True, required=True, unit="days from the index date")
    end = exam.numbers("end_day", DAY_RANGE, whole=True, unit="days from the index date")
    exam.refuse(end < start, lambda i: f"end_day {end[i]:g} lies before start_day {start[i]:g}: dates out of order")
    exam.refuse_repeats([identity, start], "treatment of this patient from this day")
    table = exam.accept(
        {
            "patient_id": identity,
            "treatment": np.array([n.value if n else None for n in named], dtype=object),
            "start_day": start,
            "end_day": _integers(end),
        }
    )
    table["start_day"] = table["start_day"].astype("int64")
    return table.sort_values(["patient_id", "start_day"], kind="stable", ignore_index=True)


def _dated(table: pd.DataFrame) -> pd.DataFrame:
    table["day"] = table["day"].astype("int64")
    return table.sort_values(["patient_id", "day"], kind="stable", ignore_index=True)


def _integers(values: Array) -> IntegerArray:
    missing = np.isnan(values)
    whole = np.where(missing | (values != np.floor(values)), 0.0, values)
    return IntegerArray(whole.astype(np.int64), missing)


def _last_days(identity: pd.Series, given: Array, tables: Mapping[str, pd.DataFrame]) -> NDArray[np.int64]:
    """Return the last day of observation: as given, else the last recorded visit, relapse or scan."""
    seen = pd.concat([tables[name][["patient_id", "day"]] for name in ("visits", "relapses", "mri")])
    latest = seen.groupby("patient_id")["day"].max().reindex(identity).fillna(0).clip(lower=0)
    return np.where(np.isnan(given), latest.to_numpy(dtype=np.float64), given).astype(np.int64)
