"""Writing long tables as CDISC SDTM in SAS transport files, one folder per study.

No calendar date exists in the long tables, so that timing is by study day (``--DY``; there is no day 0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.errors import InvalidInput
from reference_db.files import finish, unfinished_folder
from reference_db.schema import LongTables, Source
from reference_db.vocabulary import Sex, SourceKind

_SEX = {Sex.FEMALE.value: "F", Sex.MALE.value: "M"}
_SUBJECT = {
    "phenotype": ("MSCOURSE", "Course of Multiple Sclerosis"),
    "years_since_onset": ("ONSYRS", "Years Since Onset"),
    "prior_treatment": ("PRDMT", "Strongest Prior Treatment"),
    "relapses_12m": ("RLPS12M", "Relapses in the Last 12 Months"),
    "relapses_24m": ("RLPS24M", "Relapses in the Last 24 Months"),
}
_LESIONS = {
    "gd_lesions": ("GDLES", "Number of Gd-Enhancing Lesions"),
    "new_t2_lesions": ("NENT2LES", "Number of New or Enlarging T2 Lesions"),
    "t2_lesions": ("T2LOAD", "Number of T2 Lesions"),
}


def export_sdtm(tables: LongTables, source: Source, folder: Path) -> None:
    """Write the patients of one source as a study in SDTM.

    Parameters
    ----------
    tables : LongTables
        May hold other sources too.
    source : Source
        The source to write; its name is the study identifier.
    folder : Path
        Created; written whole or not at all.

    Raises
    ------
    InvalidInput
        If the source has no patient, or the folder exists.
    """
    patients = tables.patients[tables.patients["source"] == source.name]
    if patients.empty:
        raise InvalidInput.of("source", f"{source.name} has no patient")
    known = set(patients["patient_id"])

    def mine(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["patient_id"].isin(known)].reset_index(drop=True)

    domains = {
        "DM": _dm(patients.reset_index(drop=True)),
        "SC": _sc(patients),
        "QS": _qs(mine(tables.visits)),
        "CE": _ce(mine(tables.relapses)),
        "MO": _mo(mine(tables.mri)),
        "EX": _ex(mine(tables.treatments)),
        "DS": _ds(patients.reset_index(drop=True)),
        "TS": _ts(source),
    }
    try:
        with unfinished_folder(folder.parent) as writing:
            for domain, table in domains.items():
                _write(table, domain, source.name, writing / f"{domain.lower()}.xpt")
            finish(writing, folder, private=True)
    except FileExistsError as error:
        raise InvalidInput.of("folder", f"{folder} already exists: choose another name") from error


def _write(table: pd.DataFrame, domain: str, study: str, path: Path) -> None:
    import pyreadstat

    table.insert(0, "STUDYID", study)
    table.insert(1, "DOMAIN", domain)
    if "USUBJID" in table and domain != "DM":
        table.insert(3, f"{domain}SEQ", table.groupby("USUBJID").cumcount() + 1.0)
    pyreadstat.write_xport(table, str(path), file_label=domain, table_name=domain, file_format_version=5)


def _study_day(day: pd.Series) -> NDArray[np.float64]:
    value = day.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(value >= 0, value + 1.0, value)


def _dm(patients: pd.DataFrame) -> pd.DataFrame:
    arms = {arm: f"ARM{number}" for number, arm in enumerate(patients["arm"].unique(), start=1)}
    return pd.DataFrame(
        {
            "USUBJID": patients["patient_id"],
            "SUBJID": patients["patient_id"],
            "AGE": patients["age"],
            "AGEU": "YEARS",
            "SEX": patients["sex"].map(_SEX),
            "ARMCD": patients["arm"].map(arms),
            "ARM": patients["arm"],
        }
    )


def _sc(patients: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for column, (code, name) in _SUBJECT.items():
        known = patients[patients[column].notna()]
        number = pd.to_numeric(known[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "USUBJID": known["patient_id"],
                    "SCTESTCD": code,
                    "SCTEST": name,
                    "SCORRES": known[column].astype(str),
                    "SCSTRESN": number,
                }
            )
        )
    return pd.concat(parts).sort_values(["USUBJID", "SCTESTCD"], kind="stable", ignore_index=True)


def _qs(visits: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": visits["patient_id"],
            "QSTESTCD": "EDSS",
            "QSTEST": "Expanded Disability Status Scale",
            "QSCAT": "KURTZKE EDSS",
            "QSORRES": visits["edss"].map("{:.1f}".format),
            "QSSTRESN": visits["edss"],
            "QSDY": _study_day(visits["day"]),
        }
    )


def _ce(relapses: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": relapses["patient_id"],
            "CETERM": "MULTIPLE SCLEROSIS RELAPSE",
            "CEDECOD": "MULTIPLE SCLEROSIS RELAPSE",
            "CESTDY": _study_day(relapses["day"]),
        }
    )


def _mo(mri: pd.DataFrame) -> pd.DataFrame:
    """Every scan has a record of its enhancing lesions, also where they were not counted: that it was held counts."""
    parts = []
    for column, (code, name) in _LESIONS.items():
        kept = mri if column == "gd_lesions" else mri[mri[column].notna()]
        number = pd.to_numeric(kept[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "USUBJID": kept["patient_id"],
                    "MOTESTCD": code,
                    "MOTEST": name,
                    "MOMETHOD": "MRI",
                    "MOORRES": kept[column].astype(object).where(kept[column].notna(), "").astype(str),
                    "MOSTRESN": number,
                    "MOSTAT": np.where(kept[column].isna(), "NOT DONE", ""),
                    "MODY": _study_day(kept["day"]),
                }
            )
        )
    return pd.concat(parts).sort_values(["USUBJID", "MODY", "MOTESTCD"], kind="stable", ignore_index=True)


def _ex(treatments: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": treatments["patient_id"],
            "EXTRT": treatments["treatment"],
            "EXSTDY": _study_day(treatments["start_day"]),
            "EXENDY": _study_day(treatments["end_day"]),
        }
    )


def _ds(patients: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": patients["patient_id"],
            "DSTERM": "LAST CONTACT",
            "DSDECOD": "LAST CONTACT",
            "DSSTDY": _study_day(patients["last_day"]),
        }
    )


def _ts(source: Source) -> pd.DataFrame:
    kind = "INTERVENTIONAL" if source.kind is SourceKind.TRIAL else "OBSERVATIONAL"
    return pd.DataFrame(
        {
            "TSPARMCD": ["TITLE", "STYPE", "MNTHDAYS"],
            "TSPARM": ["Trial Title", "Study Type", "Days in a Month of the Schedule"],
            "TSVAL": [source.label, kind, repr(source.days_per_month)],
        }
    )
