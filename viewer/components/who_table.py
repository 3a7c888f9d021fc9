"""The patient of interest beside the patients of reference of one class, feature by feature."""

from __future__ import annotations

from typing import Any

from reference_db.vocabulary import T2Load
from selection.explanation import ClassExplanation, FeatureComparison
from viewer.components.plain_table import Table, cell, row, table
from viewer.text import NOT_SHOWN, Text

DECIMALS = {"edss": 1, "edss_change_12m": 1, "relapses_12m": 1, "relapses_24m": 1, "gd_lesions": 1}
WORDS = {"sex", "phenotype", "prior_treatment"}


def who_table(explanation: ClassExplanation, text: Text) -> Table:
    """Return a row per feature: the patient, the patients of reference, and how far apart they are."""
    heads = [text(f"who.column.{name}") for name in ("feature", "poi", "por", "difference")]
    if explanation.refusal is not None:
        refused = cell(text("who.refused"), kind="refused")
        return table(heads, [row(text(f"treatment.{explanation.treatment}"), [refused])])
    return table(heads, [_row(feature, text) for feature in explanation.features])


def _row(feature: FeatureComparison, text: Text) -> dict[str, Any]:
    difference = feature.standardised_difference
    if difference is None:
        apart = NOT_SHOWN
    elif feature.feature in WORDS:
        apart = text("who.other_level", share=text.percent(difference))
    else:
        apart = text("who.deviations", value=text.signed(difference, 2))
    cells = [cell(words, kind="plain") for words in (_own(feature, text), _theirs(feature, text), apart)]
    return row(text.feature(feature.feature), cells)


def _own(feature: FeatureComparison, text: Text) -> str:
    if feature.poi is None:
        return text("form.unknown")
    if isinstance(feature.poi, str):
        return _level(feature.feature, feature.poi, text)
    if feature.feature == "t2_lesions":
        return _t2_bin(feature.poi, text)
    return text.number(feature.poi, DECIMALS.get(feature.feature, 0) if feature.feature.startswith("edss") else 0)


def _theirs(feature: FeatureComparison, text: Text) -> str:
    if feature.shares:
        return ", ".join(
            f"{_level(feature.feature, level, text)} {text.percent(share)}" for level, share in feature.shares.items()
        )
    if feature.mean is None or feature.p25 is None or feature.p75 is None:
        return NOT_SHOWN
    if feature.feature == "t2_lesions":
        return text.interval(_t2_bin(feature.p25, text), _t2_bin(feature.p75, text))
    decimals = DECIMALS.get(feature.feature, 0)
    mean, p25, p75 = (text.number(value, decimals) for value in (feature.mean, feature.p25, feature.p75))
    return f"{mean} {text.interval(p25, p75)}"


def _t2_bin(number: float, text: Text) -> str:
    """Return the bin of T2 lesions that a position on their ordered scale falls in."""
    return text(f"form.t2_lesions.{list(T2Load)[round(number)].value}")


def _level(feature: str, level: str, text: Text) -> str:
    return text(f"form.{feature}.{level}")
