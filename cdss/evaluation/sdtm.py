"""A trial as SDTM-like tables: demographics, disposition, questionnaires, clinical events, findings.

Domains and variable names follow CDISC SDTM (Study Data Tabulation Model) as far as this trial has them; days count
from the consultation, so no calendar date appears. The rows are those of single patients: personal data, for the
sponsor and inspectors. What leaves otherwise goes through `cdss.evaluation.anonymous`, and is synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cdss.evaluation.dataset import TrialData
from cdss.evaluation.protocol import Protocol

DAYS_PER_MONTH = 30.4375
_QUESTIONNAIRES = (
    ("dcs_before", "DCS", "DCSTOT", "Decisional Conflict Scale, total", 1),
    ("dcs_after", "DCS", "DCSTOT", "Decisional Conflict Scale, total", 2),
    ("sdm_after", "SDM-Q-9", "SDMTOT", "SDM-Q-9, total", 2),
    ("sus_after", "SUS", "SUSTOT", "System Usability Scale, total", 2),
)


def sdtm_tables(protocol: Protocol, data: TrialData) -> Mapping[str, pd.DataFrame]:
    """Return the tables by domain: DM, DS, QS (the EDSS included) and CE.

    Parameters
    ----------
    protocol : Protocol
    data : TrialData
    """
    table = data.table.reset_index(drop=True)
    study = protocol.code.upper()
    subject = study + "-" + table["participant"].astype(str)
    return {
        "DM": _demographics(study, subject, table),
        "DS": _disposition(study, subject, table),
        "QS": _questionnaires(study, subject, table),
        "CE": _events(study, subject, table),
    }


def _demographics(study: str, subject: pd.Series, table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "STUDYID": study,
            "DOMAIN": "DM",
            "USUBJID": subject,
            "SITEID": table["site"],
            "INVID": table["cluster"],
            "AGE": np.floor(table["age"].astype(float)),
            "AGEU": "YEARS",
            "SEX": table["sex"].map({"female": "F", "male": "M"}).fillna("U"),
            "ARMCD": table["arm"].str.upper(),
            "ARM": table["arm"].map({"use": "With the tool", "usual": "As usual"}),
        }
    )


def _disposition(study: str, subject: pd.Series, table: pd.DataFrame) -> pd.DataFrame:
    term = np.where(table["withdrawn"], "WITHDRAWAL BY SUBJECT", "RANDOMIZED")
    return pd.DataFrame(
        {"STUDYID": study, "DOMAIN": "DS", "USUBJID": subject, "DSSEQ": 1, "DSTERM": term, "DSDECOD": term}
    )


def _questionnaires(study: str, subject: pd.Series, table: pd.DataFrame) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"USUBJID": subject, "QSCAT": cat, "QSTESTCD": code, "QSTEST": name, "QSSTRESN": table[column]})
        .assign(VISITNUM=visit, QSDY=1)
        .dropna(subset="QSSTRESN")
        for column, cat, code, name, visit in _QUESTIONNAIRES
    ]
    for column, visit, day in (("edss", 1, 1), ("edss_last", 3, round(24 * DAYS_PER_MONTH))):
        parts.append(
            pd.DataFrame({"USUBJID": subject, "QSCAT": "EDSS", "QSTESTCD": "EDSS0101", "QSSTRESN": table[column]})
            .assign(QSTEST="EDSS", VISITNUM=visit, QSDY=day)
            .dropna(subset="QSSTRESN")
        )
    joined = pd.concat(parts, ignore_index=True).sort_values(["USUBJID", "VISITNUM", "QSTESTCD"], kind="stable")
    joined.insert(0, "STUDYID", study)
    joined.insert(1, "DOMAIN", "QS")
    joined["QSSEQ"] = joined.groupby("USUBJID").cumcount() + 1
    return joined.reset_index(drop=True)


def _events(study: str, subject: pd.Series, table: pd.DataFrame) -> pd.DataFrame:
    worse = (table["worsening_event"] == 1.0).to_numpy()
    subject_of_relapse = np.repeat(subject.to_numpy(), table["relapses"].fillna(0).astype(int).to_numpy())
    terms: pd.DataFrame = pd.concat(
        [
            pd.DataFrame({"USUBJID": subject_of_relapse, "CETERM": "RELAPSE", "CEDY": np.nan}),
            pd.DataFrame(
                {
                    "USUBJID": subject[worse],
                    "CETERM": "CONFIRMED DISABILITY WORSENING, 24 WEEKS",
                    "CEDY": np.round(table.loc[worse, "worsening_months"] * DAYS_PER_MONTH),
                }
            ),
        ],
        ignore_index=True,
    ).sort_values(["USUBJID", "CETERM"], kind="stable")
    terms.insert(0, "STUDYID", study)
    terms.insert(1, "DOMAIN", "CE")
    terms["CESEQ"] = terms.groupby("USUBJID").cumcount() + 1
    return terms.reset_index(drop=True)
