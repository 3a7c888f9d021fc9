"""A selection that explains itself: who the patients of reference are, and how they differ.

Differences from the patient of interest say how far the answer is stretched; differences between classes say how far
the classes are from comparable. Figures that rest on too few patients are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.small_cells import SMALL_CELL, is_shown
from reference_db.vocabulary import SourceKind
from selection.features import COLUMN_FEATURE, FEATURES, Feature, columns_of_patients
from selection.selector import ClassSelection, Selection, Selector

Floats = NDArray[np.float64]

QUARTILES: tuple[float, ...] = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class FeatureComparison:
    """One feature of the patient of interest beside those of the patients of reference.

    Attributes
    ----------
    feature, label, unit : str
    poi : float, str or None
        Value of the patient of interest, in natural units; None when unknown.
    known : float
        Share of the patients of reference in whom it is known.
    mean, p25, p75 : float or None
        Of the patients of reference, for numbers.
    shares : mapping of str to float
        Share of each level, for categories; levels of too few patients are left out.
    standardised_difference : float or None
        Patients of reference minus patient of interest, in standard deviations of the reference database; for
        categories the share of patients of reference with another level.
    """

    feature: str
    label: str
    unit: str
    poi: float | str | None
    known: float
    mean: float | None
    p25: float | None
    p75: float | None
    shares: Mapping[str, float]
    standardised_difference: float | None


@dataclass(frozen=True, slots=True)
class ClassExplanation:
    """The patients of reference of one class.

    Attributes
    ----------
    treatment : str
    n_eligible, n_within_caliper, n : int
        Patients that met the hard criteria, of these the ones within the caliper on the distance, and of these the
        ones used. 0 stands for fewer than the small-cell threshold.
    refusal : str or None
    distance : tuple of float
        Mean of the `SMALL_CELL` nearest, quartiles, and mean of the `SMALL_CELL` furthest, in standard deviations
        per feature; empty when refused. The distance of a single patient would tell what that patient is like.
    features : tuple of FeatureComparison
        Empty when refused.
    from_trials : float or None
        Share that comes from trials; the others come from registries.
    sources : mapping of str to int
        Patients per source; small ones merged under ``other``.
    """

    treatment: str
    n_eligible: int
    n_within_caliper: int
    n: int
    refusal: str | None
    distance: tuple[float, ...]
    features: tuple[FeatureComparison, ...]
    from_trials: float | None
    sources: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who the patients of reference of one patient of interest are.

    Attributes
    ----------
    release : str
    k : int
    weights : mapping of str to float
    classes : tuple of ClassExplanation
    compared : tuple of str
        Classes between which differences are given: those not refused.
    balance : mapping of str to ndarray, shape (compared, compared)
        Per feature, the standardised mean difference of the row's class minus the column's; for categories the
        largest over the levels, in size. Beyond 0.1 classes are usually called unbalanced in that feature.
    baselines : str
        When patients of reference were compared, as `criteria.BASELINES` names it.
    """

    release: str
    k: int
    weights: Mapping[str, float]
    classes: tuple[ClassExplanation, ...]
    compared: tuple[str, ...]
    balance: Mapping[str, Floats]
    baselines: str = "start"


def explain(selector: Selector, selection: Selection) -> Explanation:
    """Describe the patients of reference that a selector found.

    References
    ----------
    Standardised differences: Austin, Stat Med 2009, doi 10.1002/sim.3697.
    """
    poi = columns_of_patients([selection.poi])[0]
    within = selector.rows_within(selection)
    classes = tuple(
        _class(selector, part, poi, len(rows)) for part, rows in zip(selection.classes, within, strict=True)
    )
    used = [part for part in selection.classes if part.refusal is None]
    return Explanation(
        release=selection.release,
        k=selection.k,
        weights=selection.weights,
        classes=classes,
        compared=tuple(part.treatment.value for part in used),
        balance=_balance(selector, used),
        baselines=selector.baselines,
    )


def _class(selector: Selector, part: ClassSelection, poi: Floats, within: int) -> ClassExplanation:
    if part.refusal is not None:
        eligible, near, n = (shown_count(number) for number in (part.n_eligible, within, len(part.rows)))
        return ClassExplanation(part.treatment.value, eligible, near, n, part.refusal, (), (), None, {})
    table = selector.episodes.table.iloc[part.rows]
    trials = float((table["source_kind"] == SourceKind.TRIAL.value).mean())
    return ClassExplanation(
        treatment=part.treatment.value,
        n_eligible=part.n_eligible,
        n_within_caliper=within,
        n=len(part.rows),
        refusal=None,
        distance=_distances(part.distance),
        features=tuple(_comparison(selector, number, feature, poi, part) for number, feature in enumerate(FEATURES)),
        from_trials=trials if bool(is_shown(min(trials, 1 - trials) * len(table)) | (trials in (0.0, 1.0))) else None,
        sources=sources_of(table["source"].to_numpy().astype(str)),
    )


def _distances(nearest_first: Floats) -> tuple[float, ...]:
    ends = float(nearest_first[:SMALL_CELL].mean()), float(nearest_first[-SMALL_CELL:].mean())
    return (ends[0], *np.quantile(nearest_first, QUARTILES).tolist(), ends[1])


def _comparison(
    selector: Selector, number: int, feature: Feature, poi: Floats, part: ClassSelection
) -> FeatureComparison:
    columns = np.flatnonzero(number == COLUMN_FEATURE)
    values = selector.natural[np.ix_(part.rows, columns)]
    known = ~np.isnan(values[:, 0])
    own = poi[columns]
    unknown = bool(np.isnan(own[0]))
    enough = bool(is_shown(known.sum()))
    difference: float | None = None
    if feature.levels:
        counts = values[known].sum(axis=0)
        shares = {
            str(level): float(count / known.sum())
            for level, count in zip(feature.levels, counts, strict=True)
            if enough and bool(is_shown(count))
        }
        if not unknown and enough:
            difference = float(1.0 - values[known][:, int(own.argmax())].mean())
        level = None if unknown else str(feature.levels[int(own.argmax())])
        return FeatureComparison(
            feature.name,
            feature.label,
            feature.unit,
            level,
            float(known.mean()),
            None,
            None,
            None,
            shares,
            difference,
        )
    scale = np.expm1 if feature.name == "gd_lesions" else (lambda value: value)
    mean = p25 = p75 = None
    if enough:
        natural = scale(values[known, 0])
        mean, (p25, p75) = float(natural.mean()), np.quantile(natural, (0.25, 0.75)).tolist()
        if not unknown:
            difference = float((values[known, 0].mean() - own[0]) / selector.scaling.spread[columns[0]])
    return FeatureComparison(
        feature.name,
        feature.label,
        feature.unit,
        None if unknown else float(scale(own[0])),
        float(known.mean()),
        mean,
        p25,
        p75,
        {},
        difference,
    )


def _balance(selector: Selector, used: list[ClassSelection]) -> dict[str, Floats]:
    if not used:
        return {}
    mean = np.empty((len(used), len(COLUMN_FEATURE)))
    variance = np.empty_like(mean)
    for at, part in enumerate(used):
        values = selector.columns[part.rows]
        known = ~np.isnan(values)
        count = known.sum(axis=0)
        shown = is_shown(count)
        mean[at] = np.where(shown, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
        variance[at] = np.where(known, (values - mean[at]) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
    gap = mean[:, None] - mean[None]
    pooled = np.sqrt((variance[:, None] + variance[None]) / 2.0)
    difference = np.divide(gap, pooled, out=np.where(np.isnan(gap), np.nan, 0.0), where=pooled > 0)
    balance = {}
    for number, feature in enumerate(FEATURES):
        part_of = difference[:, :, number == COLUMN_FEATURE]
        one = part_of[:, :, 0] if not feature.levels else np.abs(part_of).max(axis=2)
        balance[feature.name] = np.ascontiguousarray(one)
    return balance


def shown_count(count: int) -> int:
    """Return a number of patients, 0 where it is too small to be given out."""
    return count if bool(is_shown(count)) else 0


def sources_of(names: NDArray[np.str_]) -> dict[str, int]:
    """Count patients per source, the largest first; small sources are merged until none can be told."""
    return merged_sources(dict(Counter(names.tolist())))


def merged_sources(numbers: Mapping[str, int]) -> dict[str, int]:
    """Order sources by their patients and merge the small ones, as `sources_of` does."""
    counts = sorted([(-count, name) for name, count in numbers.items() if count])
    shown = [(name, -count) for count, name in counts if -count >= SMALL_CELL]
    other = sum(numbers.values()) - sum(count for _, count in shown)
    while 0 < other < SMALL_CELL and shown:
        other += shown.pop()[1]
    return dict(shown) | ({"other": other} if other else {})
