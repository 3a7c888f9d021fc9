"""Projections as they may be given out: the small-cell rule on every count and share, whatever the door.

The service, the viewer, the cards and the command line all ask the projector defined here. Whatever is computed is
computed from the patients whom the cell key of the group leaves in; then counts, shares and means are rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import NamedTuple, SupportsInt

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import ENDPOINTS, GRID
from projection.figures import Figures
from projection.projector import DEFAULT_ESTIMATOR, Projector, Question, refused
from projection.result import ClassProjection, Contrast, Contrasts, Estimate, Projection
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
from selection.eligibility import MOST_KEPT
from selection.explanation import ClassExplanation, Explanation, FeatureComparison, explain
from selection.patient import PatientOfInterest
from selection.selector import FEWEST, ClassSelection, Matches, ReferenceRelease, Selection, beyond_reach, refusal

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

EDSS_RANGE = (0.0, 10.0)

PLENTY = 1.5
"""Times as many eligible patients as are asked for, from which on their number does not show in how many are used."""

_CURVES = ("course", *ENDPOINTS)
"""Names under which counts along curves are rounded."""

_STEPS: Keys = np.arange(len(GRID), dtype=np.uint64) << np.uint64(16)
"""What makes the keys of the steps of a curve different ones."""

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
        self._kept_keys: dict[tuple[object, ...], Keys] = {}
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
        return self.project_many(
            [poi], k=k, weights=weights, classes=classes, criteria=criteria, estimator=estimator
        )[0]

    def project_many(
        self,
        pois: Sequence[PatientOfInterest],
        *,
        k: int | None = None,
        weights: Mapping[str, float] | None = None,
        classes: Sequence[Treatment | str] | None = None,
        criteria: Criteria | None = None,
        estimator: str = DEFAULT_ESTIMATOR,
    ) -> list[Projection]:
        """Project many patients of interest; arguments and figures as those of `project`."""
        return Projector.project_many(
            self.asked(criteria),
            pois,
            k=k,
            weights=weights,
            classes=classes,
            criteria=criteria,
            estimator=estimator,
        )

    def _answers(self, pois: Sequence[PatientOfInterest], question: Question) -> list[Projection]:
        matches = self._matches(pois, question)
        groups = question.groups(matches)
        exact = question.figures(np.array([poi.edss for poi in pois]), matches, groups)
        selections = [question.selection(matches, position, poi) for position, poi in enumerate(pois)]
        classes = self._classes(exact, self.sources(groups), selections)
        answers = [question.projection(of_poi) for of_poi in classes]
        if self._observe is not None:
            for shown in answers:
                self._observe(shown)
        return answers

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
        (numbers,) = self._told([selected])
        told = {part.treatment.value: one for part, one in zip(selected.classes, numbers, strict=True)}
        against = told[exact.reference]
        said = {part.treatment.value: self._refused(part, selected, told) for part in selected.classes}
        return replace(
            exact,
            n=against.used,
            contrasts=tuple(
                replace(
                    each,
                    n=told[each.treatment].used,
                    refusal=said[exact.reference] or said[each.treatment],
                )
                if each.refusal is not None
                else self._contrast(each, told[each.treatment], against)
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
        (told,), within = self._told([selected]), self.selector.rows_within(selected)
        return replace(
            exact,
            classes=tuple(
                self._explained(*of_class, selected)
                for of_class in zip(exact.classes, selected.classes, told, within, strict=True)
            ),
            balance={name: rounded(values, FINE_STEP) for name, values in exact.balance.items()},
        )

    def _matches(self, pois: Sequence[PatientOfInterest], question: Question) -> Matches:
        """Find some more patients of each class than are asked for, and leave as many out."""
        found = question.match_patients(pois, more=LEFT_OUT)
        rows = np.where(self.cells.left_out(found.rows, wanted=question.k), -1, found.rows)
        order = np.argsort(rows < 0, axis=-1, kind="stable")[..., : question.k]
        # Of all classes side by side, which takes half the time of going along an axis.
        place = order + np.arange(0, rows.size, rows.shape[-1]).reshape(*rows.shape[:-1], 1)
        rows = rows.take(place)
        missing = rows < 0
        return replace(
            found,
            rows=rows,
            distance=np.where(missing, np.inf, found.distance.take(place)),
            reached=found.reached.take(place) & ~missing,
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

    def _eligible_keys(self, selected: Selection) -> Keys:
        """Return the cell keys of the eligible patients of all classes; kept where no caliper makes one of many."""
        criteria, poi = selected.criteria, selected.poi
        classes = tuple(chosen.treatment for chosen in selected.classes)
        shared = tuple((name, str(getattr(poi, name))) for name in criteria.same)
        asked = (classes, shared, frozenset(criteria.source_kinds))
        found = None if criteria.calipers else self._kept_keys.get(asked)
        if found is None:
            found = np.array([self.cells.key(self.eligible_rows(selected, each)) for each in classes])
            if not criteria.calipers:
                if len(self._kept_keys) >= MOST_KEPT:
                    self._kept_keys.clear()
                self._kept_keys[asked] = found
        return found

    def _told(self, selections: Sequence[Selection]) -> list[list[_Told]]:
        """Return the numbers of patients of all classes, by selection, as they may be given out.

        Where a class has plenty, from how many it is described is what was asked for, and no secret. Elsewhere it
        tells how many there are.
        """
        every = [chosen for selected in selections for chosen in selected.classes]
        keys = self.cells.keys([chosen.rows for chosen in every])
        n = np.array([len(chosen.rows) for chosen in every])
        n_eligible = np.array([chosen.n_eligible for chosen in every])
        wanted = np.repeat([one.k for one in selections], [len(one.classes) for one in selections])
        eligible_keys = np.concatenate([self._eligible_keys(selected) for selected in selections])
        eligible, asked, found = _counts(
            np.array([n_eligible, wanted, n]), np.array([eligible_keys, without_deviation(keys), keys])
        )
        plenty = (n >= wanted) & (eligible >= PLENTY * wanted)
        used = np.minimum(np.where(plenty, asked, np.minimum(found, asked)), eligible)
        told = map(_Told, keys, n.tolist(), eligible.tolist(), used.tolist())
        return [list(islice(told, len(selected.classes))) for selected in selections]

    def _classes(
        self, exact: Figures, sources: Sequence[Mapping[str, int]], selections: Sequence[Selection]
    ) -> list[tuple[ClassProjection, ...]]:
        """Round every figure of all classes of all patients of interest.

        Parameters
        ----------
        exact : Figures
            Of the classes that are not refused, in the order of the selections and of their classes.
        sources : sequence of mapping of str to int
            Of the same classes.
        selections : sequence of Selection
        """
        pairs = [
            list(zip(selected.classes, told, strict=True))
            for selected, told in zip(selections, self._told(selections), strict=True)
        ]
        described = [one for of_poi in pairs for chosen, one in of_poi if chosen.refusal is None]
        keys = np.array([one.key for one in described], dtype=np.uint64)
        scale = np.array([one.scale for one in described], dtype=np.float64)
        outcomes = self._rounded(exact, keys, scale).outcomes()
        of_sources = iter(self._sources(sources, keys, scale))
        return [
            tuple(
                self._refused_class(chosen, one, selected)
                if chosen.refusal is not None
                else ClassProjection(
                    chosen.treatment.value, one.eligible, one.used, None, *next(outcomes), next(of_sources)
                )
                for chosen, one in of_poi
            )
            for selected, of_poi in zip(selections, pairs, strict=True)
        ]

    def _refused_class(self, chosen: ClassSelection, told: _Told, selected: Selection) -> ClassProjection:
        few = _eligible(chosen, told.eligible)
        too_few = _too_few(told.used, few)
        return refused(chosen.treatment, too_few, few, self._refusal(chosen, selected, too_few, few))

    def _rounded(self, exact: Figures, keys: Keys, scale: Floats) -> Figures:
        """Return figures as they may be given out.

        Parameters
        ----------
        exact : Figures
        keys : ndarray of uint64, shape (groups,)
            Cell key of each group.
        scale : ndarray, shape (groups,)
            Numbers of patients are shares of the number from which a class is said to be described: this turns one
            into the other.
        """
        of_curves = self.cells.derived_from(keys, _CURVES)
        n = np.concatenate([exact.course[3, :, None], exact.events[3]], axis=1)
        told = rounded_counts(n * scale[:, None, None], without_deviation(of_curves[:, :, None] + _STEPS))
        enough = is_shown(n)
        counts = np.where(enough, np.where(np.isnan(told), SMALL_CELL, told), 0.0)
        means = exact.course[:3]
        moved = deviated(means, self.cells.derived_from(of_curves[:, 0], ["mean"]) + _STEPS, MEAN_DEVIATION)
        # Today's value is the patient's own.
        means = np.where(GRID == 0, means, np.clip(moved, *EDSS_RANGE))
        rate_keys, count_keys = self.cells.derived_from(keys, ["rate", "relapse rate"]).T
        rates = deviated(exact.rates[:3], rate_keys, RATE_DEVIATION)
        observed = exact.rates[3]
        of_rates = np.fmax(rounded_counts(observed * scale, without_deviation(count_keys)), SMALL_CELL)
        return Figures(
            np.array([*np.where(enough[:, 0], means, np.nan), counts[:, 0]]),
            np.where(enough[:, 0], rounded(exact.quantiles, POINT_STEP), np.nan),
            np.array([*rounded_shares(exact.events[:3], n[:, 1:]), counts[:, 1:]]),
            np.array([*np.where(is_shown(observed), np.maximum(rates, 0.0), np.nan), of_rates]),
            exact.known,
        )

    def _explained(
        self,
        part: ClassExplanation,
        chosen: ClassSelection,
        told: _Told,
        rows_within: NDArray[np.intp],
        selected: Selection,
    ) -> ClassExplanation:
        n, n_eligible = told.used, told.eligible
        if part.refusal is not None:
            n_eligible = _eligible(chosen, n_eligible)
            n = _too_few(n, n_eligible)
        within = _count(len(rows_within), self.cells.key(rows_within))
        trials = None if part.from_trials is None else float(rounded_shares(part.from_trials, told.exact))
        (sources,) = self._sources([part.sources], np.array([told.key]), np.array([n / max(told.exact, 1)]))
        return replace(
            part,
            n=n,
            n_eligible=n_eligible,
            n_within_caliper=min(within, n_eligible),
            refusal=self._refusal(chosen, selected, n, n_eligible) if part.refusal is not None else None,
            distance=tuple(rounded(part.distance, FINE_STEP).tolist()),
            features=tuple(_compared(feature, told.exact) for feature in part.features),
            from_trials=trials,
            sources=sources,
        )

    def _refusal(self, chosen: ClassSelection, selected: Selection, n: int, n_eligible: int) -> str | None:
        """Say why a class is refused, with counts that may be given out and that still call for a refusal."""
        extrapolated = beyond_reach(chosen.treatment)
        if chosen.refusal == extrapolated:
            return extrapolated
        return refusal(chosen.treatment, n=n, n_eligible=n_eligible, criteria=selected.criteria, fewest=FEWEST_FOUND)

    def _refused(self, chosen: ClassSelection, selected: Selection, told: Mapping[str, _Told]) -> str | None:
        """Say why a class of a comparison is refused; None when it is not."""
        if chosen.refusal is None:
            return None
        one = told[chosen.treatment.value]
        n_eligible = _eligible(chosen, one.eligible)
        n = _too_few(_count(one.exact, one.key), n_eligible)
        return self._refusal(chosen, selected, n, n_eligible)

    def _contrast(self, exact: Contrast, told: _Told, against: _Told) -> Contrast:
        both = self.cells.derived(told.key, f"against {int(against.key)}")

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
            n=told.used,
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

    def _sources(self, exact: Sequence[Mapping[str, int]], keys: Keys, scale: Floats) -> list[dict[str, int]]:
        """Return, by class, how many come from each source.

        Counts are shares of the number from which a class is said to be described; see `_rounded`.
        """
        shown = [_shown_sources(of_class) for of_class in exact]
        names = {name: at for at, name in enumerate(sorted({name for of_class in shown for name in of_class}))}
        counts = np.array([[of_class.get(name, 0) for name in names] for of_class in shown], dtype=np.float64)
        count_keys = without_deviation(self.cells.derived_from(keys, [f"source {name}" for name in names]))
        told = np.fmax(rounded_counts(counts * scale[:, None], count_keys), SMALL_CELL).astype(np.intp).tolist()
        return [{name: row[names[name]] for name in of_class} for of_class, row in zip(shown, told, strict=True)]


class _Told(NamedTuple):
    """How many patients are behind what is told of a class.

    Attributes
    ----------
    key : uint64
        Cell key of the patients of reference.
    exact : int
        Their number.
    eligible, used : int
        How many are eligible, and from how many it is described, as it may be given out.
    """

    key: np.uint64
    exact: int
    eligible: int
    used: int

    @property
    def scale(self) -> float:
        """Factor that makes the number as it may be given out of the exact one."""
        return self.used / max(self.exact, 1)


def _shown_sources(exact: Mapping[str, int]) -> dict[str, int]:
    """Return the sources whose patients may be counted, small ones merged."""
    if all(count >= SMALL_CELL for count in exact.values()):
        return dict(exact)
    groups = merged({name: count for name, count in exact.items() if name != OTHER})
    groups[OTHER] = groups.get(OTHER, 0) + exact.get(OTHER, 0)
    return {name: count for name, count in groups.items() if count >= SMALL_CELL}


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


def _counts(exact: NDArray[np.intp], keys: Keys) -> NDArray[np.intp]:
    """Return counts as they may be given out, 0 where they are withheld."""
    told = rounded_counts(exact, keys)
    return np.where(np.isnan(told), 0.0, told).astype(np.intp)


def _count(exact: float, key: SupportsInt) -> int:
    shown = rounded_count(exact, int(key))
    return 0 if math.isnan(shown) else int(shown)
