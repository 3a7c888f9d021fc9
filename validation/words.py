"""Names of variables, outcomes, metrics and attacks as a reader of the report says them."""

from __future__ import annotations

import re
from collections.abc import Callable

from reference_db.privacy.targets import ATTACK_TARGETS, FURTHER_TARGETS, TARGETS

_NAMED: dict[str, str] = {
    **{target.name: target.label for target in (*TARGETS, *FURTHER_TARGETS)},
    **{name: target.label for name, target in ATTACK_TARGETS.items()},
    "age": "age (years)",
    "years_since_onset": "time since first symptom (years)",
    "prior_treatment": "treatment before",
    "relapses_12m": "relapses in the 12 months before",
    "relapses_24m": "relapses in the 24 months before",
    "gd_lesions": "enhancing lesions at baseline",
    "t2_lesions": "T2 lesions at baseline",
    "edss_m12": "EDSS a year before",
    "edss_0": "EDSS at baseline",
    "follow_up_months": "follow-up (months)",
    "source_kind": "kind of source",
    "worsening_12w": "confirmed worsening (12 weeks)",
    "worsening_24w": "confirmed worsening (24 weeks)",
    "hazard_worsening_24w": "hazard ratio of confirmed worsening (24 weeks)",
    "relapse_rate": "relapses a year",
    "hazard_relapse": "hazard ratio of a relapse",
    "edss": "EDSS",
}

_OF_MONTHS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"edss_(\d+)"), lambda month: f"EDSS at month {month}"),
    (re.compile(r"gd_(\d+)"), lambda month: f"enhancing lesions at month {month}"),
    (re.compile(r"relapses_(\d+)"), lambda month: f"relapses in the interval to month {month}"),
    (re.compile(r"new_t2_(\d+)"), lambda month: f"new T2 lesions of the scan at month {month}"),
)


def in_words(name: str) -> str:
    """Return what the name of a column, an outcome, a metric or an attack stands for; any other as it is."""
    if name in _NAMED:
        return _NAMED[name]
    for pattern, say in _OF_MONTHS:
        found = pattern.fullmatch(name)
        if found is not None:
            return say(found[1])
    return name
