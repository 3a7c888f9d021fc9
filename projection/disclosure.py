"""Projections as they may be given out: the small-cell rule on every count and share, whatever the door.

The service, the viewer, the cards and the command line all ask the projector defined here. Whatever is computed is
computed from the patients whom the cell key of the group leaves in; then counts, shares and means are rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import SupportsInt

import numpy as np
from numpy.typing import NDArray

from projection.projector import DEFAULT_ESTIMATOR, Projector, Question
from projection.result import ClassProjection, Contrast, Contrasts, Curve, EdssCourse, Estimate, Projection
from reference_db.schema import edss_column
from reference_db.small_cells import (
    FINE_STEP,
    LEFT_OUT,
    MEAN_DEVIATION,
    OTHER,
    POINT_STEP,
    RATE_DEVIATION,
    ROUNDING,
    SHARE_STEP,
    SMALL_CELL,
    CellKeys,
    deviated,
    is_shown,
    merged,
    rounded,
    rounded_count,
    rounded_counts,
    rounded_shares,
    without_deviation,
)
from reference_db.vocabulary import SourceKind, Treatment
from selection.criteria import CALIPERS, SAME, Criteria
from selection.explanation import ClassExplanation, Explanation, FeatureComparison, explain
from selection.patient import PatientOfInterest
from selection.selector import FEWEST, ClassSelection, Matches, ReferenceRelease, Selection, beyond_reach, refusal

Floats = NDArray[np.float64]

EDSS_RANGE = (0.0, 10.0)

PLENTY = 1.5
"""Times as many eligible patients as are asked for, from which on their number does not show in how many are used."""

FEWEST_FOUND = FEWEST + LEFT_OUT
"""Patients of a class that must be found so that, without those left out, enough of them are described."""


class DisclosedProjector(Projector):
    """A projector whose answers may leave the reference database.

    Parameters
    ----------
    release : ReferenceRelease
    observe : callable, optional
        Told of every projection as it is given out, to count it.
    every_visit : bool
        Whether patients of reference may be met at every informative visit; see `asked`.

    Attributes
    ----------
    cells : CellKeys
        Keys of the rows of `selector.episodes`: rows of one patient have one key.
    """

    def __init__(
        self,
        release: ReferenceRelease,
        *,
        observe: Callable[[Projection], None] | None = None,
        every_visit: bool = False,
    ) -> None:
        super().__init__(release, every_visit=every_visit)
        self._observe = observe
        self._at_every_visit: DisclosedProjector | None = self if every_visit else None
        self._making = Lock()
        self.cells = CellKeys.of(release.version, len(release.episodes)).of_patients(self.selector.patient)
        self._eligible_keys: dict[tuple[object, ...], np.uint64] = {}
        table = self.selector.episodes.table
        self._categories = {name: table[name].to_numpy().astype(str) for name in (*SAME, "source_kind")}
        self._numbers = {
            name: table[edss_column(0) if name == "edss" else name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in CALIPERS
        }

    def asked(self, criteria: Criteria | None) -> DisclosedProjector:
        """Return the projector whose rows are the baselines that criteria ask for; that of every visit is made once.

        Whoever reads rows of a selection (`selector.episodes`, `cells`) asks for it first; the verbs ask themselves.
        """
        if (criteria or Criteria()).baselines == "start":
            return self
        with self._making:
            if self._at_every_visit is None:
                self._at_every_visit = DisclosedProjector(self.release, observe=self._observe, every_visit=True)
            return self._at_every_visit

    def project(
        self,
        poi: PatientOfInterest,
        *,
        k: int | None = None,
        weights: Mapping[str, float] | None = None,
        classes: Sequence[Treatment | str] | None = None,
        criteria: Criteria | None = None,
        estimator: str = DEFAULT_ESTIMATOR,
    ) -> Projection:
        """Project one patient of interest; arguments as `Projector.project` takes them.

        Returns
        -------
        Projection
            Counts are multiples of `ROUNDING`, 0 where they are withheld; shares are in whole per cent.
        """
        if (other := self.asked(criteria)) is not self:
            return other.project(poi, k=k, weights=weights, classes=classes, criteria=criteria, estimator=estimator)
        exact, selected = self._answer(poi, Question(self, k, weights, classes, criteria, estimator))
        shown = replace(exact, classes=self._classes(exact.classes, selected))
        if self._observe is not None:
            self._observe(shown)
        return shown

    def contrast(
        self,
        poi: PatientOfInterest,
        *,
        reference: Treatment | str = Treatment.UNTREATED,
        k: int | None = None,
        weights: Mapping[str, float] | None = None,
        classes: Sequence[Treatment | str] | None = None,
        criteria: Criteria | None = None,
        estimator: str = DEFAULT_ESTIMATOR,
    ) -> Contrasts:
        """Compare treatment classes; arguments as `Projector.contrast` takes them, counts and shares as `project`."""
        if (other := self.asked(criteria)) is not self:
            return other.contrast(
                poi,
                reference=reference,
                k=k,
                weights=weights,
                classes=classes,
                criteria=criteria,
                estimator=estimator,
            )
        exact, selected = self._compare(
            poi,
            reference=reference,
            k=k,
            weights=weights,
            classes=classes,
            criteria=criteria,
            estimator=estimator,
        )
        keys = {part.treatment.value: self.cells.key(part.rows) for part in selected.classes}
        against = keys[exact.reference]
        used = {part.treatment.value: self._used_in(part, selected) for part in selected.classes}
        said = {part.treatment.value: self._refused(part, selected) for part in selected.classes}
        return replace(
            exact,
            n=used[exact.reference],
            contrasts=tuple(
                replace(
                    each,
                    n=used[each.treatment],
                    refusal=said[exact.reference] or said[each.treatment],
                )
                if each.refusal is not None
                else self._contrast(each, keys[each.treatment], against, used[each.treatment])
                for each in exact.contrasts
            ),
        )

    def explain(
        self,
        poi: PatientOfInterest,
        *,
        k: int | None = None,
        weights: Mapping[str, float] | None = None,
        classes: Sequence[Treatment | str] | None = None,
        criteria: Criteria | None = None,
    ) -> Explanation:
        """Describe the patients of reference behind an answer; arguments, counts and shares as `project`."""
        if (other := self.asked(criteria)) is not self:
            return other.explain(poi, k=k, weights=weights, classes=classes, criteria=criteria)
        selected = self.select(poi, k=k, weights=weights, classes=classes, criteria=criteria)
        exact = explain(self.selector, selected)
        parts = zip(exact.classes, selected.classes, self.selector.rows_within(selected), strict=True)
        return replace(
            exact,
            classes=tuple(self._explained(part, chosen, within, selected) for part, chosen, within in parts),
            balance={name: rounded(values, FINE_STEP) for name, values in exact.balance.items()},
        )

    def _matches(self, poi: PatientOfInterest, question: Question) -> Matches:
        """Find some more patients of each class than are asked for, and leave as many out."""
        found = question.match_patients([poi], more=LEFT_OUT)
        rows = np.where(self.cells.left_out(found.rows, wanted=question.k), -1, found.rows)
        order = np.argsort(rows < 0, axis=-1, kind="stable")[..., : question.k]
        rows, distance = (np.take_along_axis(values, order, axis=-1) for values in (rows, found.distance))
        return replace(
            found,
            rows=rows,
            distance=np.where(rows < 0, np.inf, distance),
            reached=self.selector.reached(found.columns, rows),
        )

    def eligible_rows(self, selected: Selection, treatment: Treatment) -> NDArray[np.intp]:
        """Return the patients of a class who meet the hard criteria and calipers of a selection, one row of each."""
        rows = self.selector.episodes.rows_by_treatment[treatment]
        criteria, poi = selected.criteria, selected.poi
        kinds = {kind.value for kind in criteria.source_kinds}
        for kind in SourceKind:
            if kind.value not in kinds:
                rows = rows[self._categories["source_kind"][rows] != kind.value]
        for shared in criteria.same:
            rows = rows[self._categories[shared][rows] == str(getattr(poi, shared))]
        for name, widest in criteria.calipers.items():
            own = getattr(poi, name)
            gap = np.abs(self._numbers[name][rows] - (np.nan if own is None else own))
            rows = rows[gap <= widest + 1e-9]
        return self.selector.one_per_patient(rows)

    def _eligible_key(self, selected: Selection, treatment: Treatment) -> np.uint64:
        """Return the cell key of the eligible patients of a class; kept where no caliper makes it one of many."""
        criteria, poi = selected.criteria, selected.poi
        if criteria.calipers:
            return self.cells.key(self.eligible_rows(selected, treatment))
        shared = tuple((name, str(getattr(poi, name))) for name in criteria.same)
        known = (treatment, shared, frozenset(criteria.source_kinds))
        if known not in self._eligible_keys:
            self._eligible_keys[known] = self.cells.key(self.eligible_rows(selected, treatment))
        return self._eligible_keys[known]

    def _classes(self, parts: Sequence[ClassProjection], selected: Selection) -> tuple[ClassProjection, ...]:
        """Round every figure of all classes: figures of one kind in one pass."""
        keys = np.array([self.cells.key(chosen.rows) for chosen in selected.classes], dtype=np.uint64)
        eligible_keys = [self._eligible_key(selected, chosen.treatment) for chosen in selected.classes]
        told = rounded_counts([chosen.n_eligible for chosen in selected.classes], eligible_keys)
        eligible = np.nan_to_num(told).astype(np.intp).tolist()
        used = [
            self._used(chosen, key, n_eligible, selected.k)
            for chosen, key, n_eligible in zip(selected.classes, keys, eligible, strict=True)
        ]
        scale = np.array([n / max(len(chosen.rows), 1) for n, chosen in zip(used, selected.classes, strict=True)])
        curves, quantiles = iter(self._curves(parts, keys, scale)), iter(_quantiles(parts))
        rates = self._rates([part.annualised_relapse_rate for part in parts], keys, scale)
        shown = []
        for part, chosen, n, n_eligible, rate, key, share in zip(
            parts, selected.classes, used, eligible, rates, keys, scale.tolist(), strict=True
        ):
            if part.refusal is not None:
                few = _eligible(chosen, n_eligible)
                too_few = _too_few(n, few)
                reason = self._refusal(chosen, selected, too_few, few)
                shown.append(replace(part, n=too_few, n_eligible=few, refusal=reason))
                continue
            shown.append(
                replace(
                    part,
                    n=n,
                    n_eligible=n_eligible,
                    edss=None if part.edss is None else EdssCourse(next(curves), *next(quantiles)),
                    probabilities={name: next(curves) for name in part.probabilities},
                    annualised_relapse_rate=rate,
                    sources=self._sources(part.sources, key, share),
                )
            )
        return tuple(shown)

    def _used(self, chosen: ClassSelection, key: np.uint64, n_eligible: int, k: int) -> int:
        """Return from how many patients a class is described, as it may be given out.

        Where a class has plenty that is what was asked for, and no secret. Elsewhere it tells how many there are.
        """
        asked = _count(k, without_deviation(key))
        if len(chosen.rows) >= k and n_eligible >= PLENTY * k:
            return min(asked, n_eligible)
        return min(_count(len(chosen.rows), key), asked, n_eligible)

    def _used_in(self, chosen: ClassSelection, selected: Selection) -> int:
        n_eligible = _count(chosen.n_eligible, self._eligible_key(selected, chosen.treatment))
        return self._used(chosen, self.cells.key(chosen.rows), n_eligible, selected.k)

    def _curves(self, parts: Sequence[ClassProjection], keys: NDArray[np.uint64], scale: Floats) -> list[Curve]:
        """Return the curves of all classes as they may be given out, in order: the EDSS first, then probabilities.

        Numbers of patients are shares of the number from which a class is said to be described: `scale` turns one
        into the other.
        """
        exact: list[Curve] = []
        of_share: list[bool] = []
        first, scales = [], []
        for part, key, of_class in zip(parts, keys, scale.tolist(), strict=True):
            if part.edss is not None:
                exact.append(part.edss.expected)
            exact += part.probabilities.values()
            names = [*(["course"] if part.edss is not None else []), *part.probabilities]
            of_share += [name != "course" for name in names]
            scales += [of_class] * len(names)
            first.append(self.cells.derived_from([key], names)[0])
        if not exact:
            return []
        key = np.concatenate(first)
        n = np.array([curve.n for curve in exact])
        steps = np.arange(n.shape[1], dtype=np.uint64) << np.uint64(16)
        told = rounded_counts(n * np.array(scales)[:, None], without_deviation(key[:, None] + steps))
        counts = np.where(is_shown(n), np.nan_to_num(told, nan=SMALL_CELL), 0.0)
        values = np.array([(curve.value, curve.lower, curve.upper) for curve in exact])
        shares = np.array(of_share)
        shown = np.empty_like(values)
        shown[shares] = rounded_shares(values[shares], n[shares, None])
        means, behind = values[~shares], n[~shares, None]
        moved = self.cells.derived_from(key[~shares], ["mean"]) + steps
        deviating = np.clip(deviated(means, moved[:, None, :], MEAN_DEVIATION), *EDSS_RANGE)
        # Today's value is the patient's own.
        today = np.array([curve.months for curve, share in zip(exact, of_share, strict=True) if not share]) == 0
        shown[~shares] = np.where(is_shown(behind), np.where(today[:, None, :], means, deviating), np.nan)
        return [
            Curve(curve.months, value, lower, upper, number)
            for curve, (value, lower, upper), number in zip(exact, shown, counts, strict=True)
        ]

    def _rates(
        self, exact: Sequence[Estimate | None], keys: NDArray[np.uint64], scale: Floats
    ) -> list[Estimate | None]:
        """Return relapse rates and their limits as they may be given out; None on too few patients."""
        limits = np.array([(np.nan,) * 3 if rate is None else (rate.value, rate.lower, rate.upper) for rate in exact])
        moved = np.maximum(deviated(limits, self.cells.derived_from(keys, ["rate"]), RATE_DEVIATION), 0.0)
        count_keys = without_deviation(self.cells.derived_from(keys, ["relapse rate"])[:, 0])
        return [
            None
            if rate is None or not bool(is_shown(rate.n))
            else Estimate(value, lower, upper, max(_count(rate.n * factor, key), SMALL_CELL))
            for rate, (value, lower, upper), factor, key in zip(
                exact, moved.tolist(), scale.tolist(), count_keys, strict=True
            )
        ]

    def _explained(
        self, part: ClassExplanation, chosen: ClassSelection, rows_within: NDArray[np.intp], selected: Selection
    ) -> ClassExplanation:
        n_eligible = _count(chosen.n_eligible, self._eligible_key(selected, chosen.treatment))
        used = len(chosen.rows)
        n = self._used_in(chosen, selected)
        if part.refusal is not None:
            n_eligible = _eligible(chosen, n_eligible)
            n = _too_few(n, n_eligible)
        within = _count(len(rows_within), self.cells.key(rows_within))
        trials = None if part.from_trials is None else float(rounded_shares(part.from_trials, used))
        return replace(
            part,
            n=n,
            n_eligible=n_eligible,
            n_within_caliper=min(within, n_eligible),
            refusal=self._refusal(chosen, selected, n, n_eligible) if part.refusal is not None else None,
            distance=tuple(rounded(part.distance, FINE_STEP).tolist()),
            features=tuple(_compared(feature, used) for feature in part.features),
            from_trials=trials,
            sources=self._sources(part.sources, self.cells.key(chosen.rows), n / max(used, 1)),
        )

    def _refusal(self, chosen: ClassSelection, selected: Selection, n: int, n_eligible: int) -> str | None:
        """Say why a class is refused, with counts that may be given out and that still call for a refusal."""
        extrapolated = beyond_reach(chosen.treatment)
        if chosen.refusal == extrapolated:
            return extrapolated
        return refusal(chosen.treatment, n=n, n_eligible=n_eligible, criteria=selected.criteria, fewest=FEWEST_FOUND)

    def _refused(self, chosen: ClassSelection, selected: Selection) -> str | None:
        """Say why a class of a comparison is refused; None when it is not."""
        if chosen.refusal is None:
            return None
        n_eligible = _eligible(chosen, _count(chosen.n_eligible, self._eligible_key(selected, chosen.treatment)))
        n = _too_few(_count(len(chosen.rows), self.cells.key(chosen.rows)), n_eligible)
        return self._refusal(chosen, selected, n, n_eligible)

    def _contrast(self, exact: Contrast, key: np.uint64, against: np.uint64, n: int) -> Contrast:
        both = self.cells.derived(key, f"against {int(against)}")

        def each(estimates: Mapping[str, Estimate], what: str, step: float) -> dict[str, Estimate]:
            shown = {
                name: self._estimate(value, rounded(_limits(value), step), both, f"{what} {name}")
                for name, value in estimates.items()
            }
            return {name: value for name, value in shown.items() if value is not None}

        edss = exact.edss
        if edss is not None:
            moved = deviated(_limits(edss), self.cells.derived(both, "edss mean"), MEAN_DEVIATION)
            edss = self._estimate(edss, moved, both, "edss")
        return replace(
            exact,
            n=n,
            edss=edss,
            risks=each(exact.risks, "risk", SHARE_STEP),
            event_free_months=each(exact.event_free_months, "months", POINT_STEP),
            hazard_ratios=each(exact.hazard_ratios, "hazard", FINE_STEP),
        )

    def _estimate(self, exact: Estimate, shown: Floats, key: np.uint64, label: str) -> Estimate | None:
        """Return an estimate with its value and limits as shown; None where too few patients are behind it."""
        if not bool(is_shown(exact.n)):
            return None
        value, lower, upper = shown.tolist()
        n = _count(exact.n, self.cells.derived(key, label))
        return Estimate(value, lower, upper, max(n, SMALL_CELL))

    def _sources(self, exact: Mapping[str, int], key: np.uint64, scale: float) -> dict[str, int]:
        """Return how many come from each source: shares of the number from which a class is said to be described."""
        return {
            name: max(_count(n * scale, without_deviation(self.cells.derived(key, f"source {name}"))), SMALL_CELL)
            for name, n in _shown_sources(exact).items()
        }


def _shown_sources(exact: Mapping[str, int]) -> dict[str, int]:
    """Return the sources whose patients may be counted, small ones merged."""
    groups = merged({name: count for name, count in exact.items() if name != OTHER})
    groups[OTHER] = groups.get(OTHER, 0) + exact.get(OTHER, 0)
    return {name: count for name, count in groups.items() if count >= SMALL_CELL}


def _quantiles(parts: Sequence[ClassProjection]) -> Floats:
    """Give quantiles to the precision at which they are read, and none where the curve is withheld.

    Shape (classes with a course, quantiles, months).
    """
    courses = [part.edss for part in parts if part.edss is not None]
    if not courses:
        return np.empty((0, 5, 0))
    exact = np.array([(course.p10, course.p25, course.median, course.p75, course.p90) for course in courses])
    behind = np.array([course.expected.n for course in courses])
    return np.where(is_shown(behind)[:, None, :], rounded(exact, POINT_STEP), np.nan)


def _compared(exact: FeatureComparison, used: int) -> FeatureComparison:
    """Return a feature of the patients of reference as it may be given out."""

    def read(value: float | None, step: float) -> float | None:
        return None if value is None else float(rounded(value, step))

    return replace(
        exact,
        known=float(rounded_shares(exact.known, used)),
        mean=read(exact.mean, POINT_STEP),
        p25=read(exact.p25, POINT_STEP),
        p75=read(exact.p75, POINT_STEP),
        shares={level: float(rounded_shares(share, used)) for level, share in exact.shares.items()},
        standardised_difference=read(exact.standardised_difference, FINE_STEP),
    )


def _limits(exact: Estimate) -> Floats:
    return np.array([exact.value, exact.lower, exact.upper])


def _too_few(n: int, n_eligible: int) -> int:
    """Return how many were similar enough in a class that is refused, those left out included."""
    return min(n + LEFT_OUT, n_eligible, FEWEST_FOUND - ROUNDING) if n else 0


def _eligible(chosen: ClassSelection, n_eligible: int) -> int:
    """Return a number of eligible patients that calls for a refusal where it was the cause of one."""
    return n_eligible if chosen.n_eligible >= FEWEST_FOUND else min(n_eligible, FEWEST_FOUND - ROUNDING)


def _count(exact: float, key: SupportsInt) -> int:
    shown = rounded_count(exact, int(key))
    return 0 if math.isnan(shown) else int(shown)
