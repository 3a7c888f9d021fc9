"""The words of CDISC SDTM in which the long tables are written and read.

Domains and variables follow SDTMIG 3.3 and the therapeutic-area user guide for multiple sclerosis: subjects in DM and
SC, EDSS in QS (or RS, FT), relapses in CE, treatments in EX, lesions in MO (or NV, FA), the last contact in DS, the
study itself in TS.
"""

from __future__ import annotations

from collections.abc import Mapping

EDSS_DOMAINS = ("QS", "RS", "FT")
MRI_DOMAINS = ("MO", "NV", "FA")

EDSS_TESTS = frozenset({"EDSS", "EDSS01", "EDSS0101", "KFSS108", "EDSSSCOR"})
"""Codes of the EDSS score; a test whose name contains "Expanded Disability Status Scale" is also one."""

AGE_UNITS: Mapping[str, float] = {"MONTHS": 12.0, "WEEKS": 52.1775, "DAYS": 365.2425, "HOURS": 8765.82}
"""Units of age besides years (controlled terminology AGEU), and how many make a year."""

EDSS_NAME = "expanded disability status scale"

LESION_TESTS: Mapping[str, str] = {
    "GDLES": "gd_lesions",
    "GDT1LES": "gd_lesions",
    "NUMGDLES": "gd_lesions",
    "NT2LES": "new_t2_lesions",
    "NENT2LES": "new_t2_lesions",
    "NEWT2LES": "new_t2_lesions",
    "T2LES": "t2_lesions",
    "T2LOAD": "t2_lesions",
    "NUMT2LES": "t2_lesions",
}
"""Code of a count of lesions, and the column it stands for."""

SUBJECT_TESTS: Mapping[str, str] = {
    "MSCOURSE": "phenotype",
    "MSTYPE": "phenotype",
    "ONSYRS": "years_since_onset",
    "PRDMT": "prior_treatment",
    "RLPS12M": "relapses_12m",
    "RLPS24M": "relapses_24m",
}
"""Code of a subject characteristic, and the column it stands for."""

LAST_CONTACT = frozenset(
    {"LAST CONTACT", "COMPLETED", "STUDY COMPLETED", "WITHDRAWAL BY SUBJECT", "LOST TO FOLLOW-UP"}
)
"""Disposition terms that end the observation of a subject."""
