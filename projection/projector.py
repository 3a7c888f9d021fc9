"""From a patient of interest to outcomes per treatment class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from projection.contrast import contrasts
from projection.endpoints import ENDPOINTS, GRID, endpoints_of
from projection.estimates import ESTIMATORS, Estimates, Outcomes
from projection.result import ClassProjection, Contrasts, Curve, EdssCourse, Estimate, Projection
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Treatment
from selection.criteria import Criteria
from selection.distance import checked_weights
from selection.explanation import merged_sources, shown_count
from selection.features import columns_of_patients
from selection.patient import PatientOfInterest
from selection.selector import (
    FEWEST,
    Matches,
    ReferenceRelease,
    Selection,
    Selector,
    beyond_reach,
    checked_classes,
    checked_k,
    is_within_reach,
    refusal,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

CAVEATS: tuple[str, ...] = (
    "Research prototype, not a medical device: it must not be used to choose a treatment.",
    "Descriptive, not causal: patients of different classes were not assigned to them at random.",
    "Computed from an anonymous synthetic replica of the reference patients, not from the patients themselves.",
)

DEFAULT_ESTIMATOR = "corrected"

_TOGETHER = 16
"""Patients of interest computed at once: enough to amortise the calls, few enough to stay in the cache."""


_ANCHORS = 200
"""Patients of the database whose neighbourhoods tell how far neighbourhoods depart from what features tell."""


class Projector:
    """Projections from a release.

    Parameters
    ----------
    release : ReferenceRelease
        Anything with ``version``, ``episodes`` and ``attachment(name)``.
    every_visit : bool
        Whether every informative visit is a baseline, or only the start of the treatment.
    avatars : float
        Synthetic patients per original: 1 in every release that is served, 0 where patients are originals. Intervals
        of corrected estimates are then wider than those of as many patients, the more so the more there are.

    Attributes
    ----------
    release : ReferenceRelease
    selector : Selector
    """

    def __init__(self, release: ReferenceRelease, *, every_visit: bool = False, avatars: float = 1.0) -> None:
        self.release = release
        self.selector = Selector(release, every_visit=every_visit)
        episodes = self.selector.episodes
        self.endpoints = endpoints_of(episodes)
        self.outcomes = Outcomes(
            self.endpoints, self.selector.columns, episodes, avatars=avatars, patient=self.selector.patient
        )
        names, codes = np.unique(episodes.table["source"].to_numpy().astype(str), return_inverse=True)
        self._source_names: list[str] = names.tolist()
        self._source = codes
        self._edss = episodes.edss[:, 0]
        self._learn_departure()

    def _learn_departure(self) -> None:
        """Learn how far neighbourhoods depart, from patients of the database spread over its sources and classes."""
        rows = np.unique(np.linspace(0, len(self._edss) - 1, _ANCHORS).astype(np.intp))
        matches = Question(self, None, None, None, None, DEFAULT_ESTIMATOR).match_rows(rows)
        member = matches.rows >= 0
        enough = member.sum(axis=2) >= FEWEST
        poi, _ = np.nonzero(enough)
        self.outcomes.learn_departure(
            self._edss[rows][poi],
            matches.columns[poi],
            np.where(member, matches.rows, 0)[enough],
            member[enough].astype(np.float64),
            poi,
        )

    def sources(self, rows: Indices) -> dict[str, int]:
        """Count patients per source, the largest first, small sources merged."""
        counts = np.bincount(self._source[rows], minlength=len(self._source_names)).tolist()
        return merged_sources(dict(zip(self._source_names, counts, strict=True)))

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
        """Project one patient of interest under each treatment class.

        Parameters
        ----------
        poi : PatientOfInterest
        k : int, optional
            Patients of reference per class, 30 to 5000.
        weights : mapping of str to float, optional
            Weights that replace the default ones, by feature, 0 to 1000; 0 ignores the feature.
        classes : sequence of Treatment or str, optional
            Classes, molecules, brands or ATC codes; all nine classes by default.
        criteria : Criteria, optional
            Hard criteria and calipers; by default the same phenotype.
        estimator : {"corrected", "local", "plain"}
            How outcomes are corrected for what the patients of reference still differ in; see
            `projection.estimates.ESTIMATORS`.

        Raises
        ------
        InvalidInput
            For an argument that cannot be used, with what is allowed.
        """
        return self._answer(poi, Question(self, k, weights, classes, criteria, estimator))[0]

    def select(
        self,
        poi: PatientOfInterest,
        *,
        k: int | None = None,
        weights: Mapping[str, float] | None = None,
        classes: Sequence[Treatment | str] | None = None,
        criteria: Criteria | None = None,
    ) -> Selection:
        """Return the patients of reference from whom `project` answers; arguments as it takes them."""
        question = Question(self, k, weights, classes, criteria, DEFAULT_ESTIMATOR)
        return question.selection(self._matches(poi, question), poi)

    def _matches(self, poi: PatientOfInterest, question: Question) -> Matches:
        """Find the patients of reference of one patient of interest."""
        return question.match_patients([poi])

    def _answer(self, poi: PatientOfInterest, question: Question) -> tuple[Projection, Selection]:
        """Project one patient of interest, and tell from whom."""
        matches = self._matches(poi, question)
        (answer,) = question.answer(np.array([poi.edss]), matches)
        return answer, question.selection(matches, poi)

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
        """Compare treatment classes with one of them for one patient of interest, over 24 months.

        Parameters
        ----------
        poi, k, weights, classes, criteria
            As `project` takes them.
        reference : Treatment or str
            The class that the others are compared with; placebo or untreated by default.
        estimator : {"corrected", "plain", "overlap"}
            Corrected by regression for what patients of reference differ in; plain; or each pair of groups weighed
            to the patients that both have in common.

        Raises
        ------
        InvalidInput
            For an argument that cannot be used.
        """
        return self._compare(
            poi, reference=reference, k=k, weights=weights, classes=classes, criteria=criteria, estimator=estimator
        )[0]

    def _compare(
        self,
        poi: PatientOfInterest,
        *,
        reference: Treatment | str,
        k: int | None,
        weights: Mapping[str, float] | None,
        classes: Sequence[Treatment | str] | None,
        criteria: Criteria | None,
        estimator: str,
    ) -> tuple[Contrasts, Selection]:
        """Compare treatment classes, and tell from whom; arguments as `contrast` takes them."""
        (against,) = checked_classes([reference])
        wanted = tuple(t for t in Treatment if t is against or t in checked_classes(classes))
        selection = self.select(poi, k=k, weights=weights, classes=wanted, criteria=criteria)
        chosen = {part.treatment: part for part in selection.classes}
        if chosen[against].refusal is not None:
            chosen = {t: replace(part, refusal=chosen[against].refusal) for t, part in chosen.items()}
        columns = self.selector.scaling.apply(columns_of_patients([poi]))[0]
        compared = contrasts(self.outcomes, poi.edss, columns, chosen, reference=against, estimator=estimator)
        n = 0 if chosen[against].refusal else len(chosen[against].rows)
        answer = Contrasts(
            self.release.version, against.value, n, estimator, compared, CAVEATS, self.selector.baselines
        )
        return answer, selection

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
        """Project many patients of interest; arguments as `project` takes them."""
        question = Question(self, k, weights, classes, criteria, estimator)
        answers: list[Projection] = []
        for start in range(0, len(pois), _TOGETHER):
            part = pois[start : start + _TOGETHER]
            own = np.array([poi.edss for poi in part])
            answers += question.answer(own, question.match_patients(part))
        return answers

    def project_rows(
        self,
        rows: Sequence[int] | Indices,
        *,
        k: int | None = None,
        weights: Mapping[str, float] | None = None,
        classes: Sequence[Treatment | str] | None = None,
        criteria: Criteria | None = None,
        estimator: str = DEFAULT_ESTIMATOR,
    ) -> Iterator[Projection]:
        """Project patients who are in the reference database themselves, each from all the others.

        Parameters
        ----------
        rows : sequence of int
            Rows of ``selector.episodes``.
        k, weights, classes, criteria, estimator
            As `project` takes them.

        Yields
        ------
        Projection
            In the order of the rows.
        """
        question = Question(self, k, weights, classes, criteria, estimator)
        rows = np.asarray(rows, dtype=np.intp)
        for start in range(0, len(rows), _TOGETHER):
            part = rows[start : start + _TOGETHER]
            yield from question.answer(self._edss[part], question.match_rows(part))


class Question:
    """What is asked of a projector, checked once for all patients of interest."""

    def __init__(
        self,
        projector: Projector,
        k: int | None,
        weights: Mapping[str, float] | None,
        classes: Sequence[Treatment | str] | None,
        criteria: Criteria | None,
        estimator: str,
    ) -> None:
        if estimator not in ESTIMATORS:
            raise InvalidInput.of("estimator", f"{estimator!r} is not known", ", ".join(ESTIMATORS))
        self.projector = projector
        self.k = checked_k(k)
        self.weights = checked_weights(weights or {}, projector.selector.default_weights)
        self.classes = checked_classes(classes)
        self.criteria = criteria or Criteria()
        self.estimator = estimator

    def match_patients(self, pois: Sequence[PatientOfInterest], *, more: int = 0) -> Matches:
        """Find the patients of reference of patients of interest, some more of each class than are asked for."""
        return self.projector.selector.matches(
            pois, k=self.k + more, weights=self.weights, classes=self.classes, criteria=self.criteria
        )

    def match_rows(self, rows: Indices) -> Matches:
        """Find those of patients of the database themselves."""
        return self.projector.selector.matches_of_rows(
            rows, k=self.k, weights=self.weights, classes=self.classes, criteria=self.criteria
        )

    def selection(self, matches: Matches, poi: PatientOfInterest) -> Selection:
        """Return the selection of the only patient of interest that was matched."""
        return self.projector.selector.selection_of(
            matches, 0, poi, k=self.k, weights=self.weights, classes=self.classes, criteria=self.criteria
        )

    def answer(self, own: Floats, matches: Matches) -> list[Projection]:
        """Estimate the outcomes of every class that may be projected, all of them together."""
        member = matches.rows >= 0
        number = member.sum(axis=2)
        reached = matches.reached.sum(axis=2)
        enough = (number >= FEWEST) & is_within_reach(number, reached)
        poi, position = np.nonzero(enough)
        rows = np.where(member, matches.rows, 0)[enough]
        estimates = self.projector.outcomes.estimate(
            own[poi], matches.columns[poi], rows, member[enough].astype(np.float64), estimator=self.estimator
        )
        group_of = {(int(p), int(c)): group for group, (p, c) in enumerate(zip(poi, position, strict=True))}
        reader = _Reader(estimates)
        answers = []
        for p in range(len(own)):
            parts = []
            for c, treatment in enumerate(self.classes):
                n, n_eligible = int(number[p, c]), int(matches.n_eligible[p, c])
                group = group_of.get((p, c))
                if group is None:
                    reason = refusal(treatment, n=n, n_eligible=n_eligible, criteria=self.criteria)
                    if reason is None:
                        n, reason = int(reached[p, c]), beyond_reach(treatment)
                    parts.append(_refused(treatment, n, n_eligible, reason))
                else:
                    sources = self.projector.sources(rows[group, :n])
                    parts.append(reader.read(group, treatment, n, n_eligible, sources))
            version, baselines = self.projector.release.version, self.projector.selector.baselines
            answers.append(Projection(version, self.k, self.weights, tuple(parts), CAVEATS, baselines))
        return answers


class _Reader:
    """Cuts one group's outcomes out of the arrays of all groups."""

    def __init__(self, estimates: Estimates) -> None:
        self.estimates = estimates
        self.lower, self.upper = estimates.courses.interval()
        known = np.asarray((~np.isnan(estimates.probabilities.value[:, :, 1:])).any(axis=2))
        self.endpoints = [[ENDPOINTS[e] for e in np.flatnonzero(of_group)] for of_group in known]

    def read(
        self, group: int, treatment: Treatment, n: int, n_eligible: int, sources: Mapping[str, int]
    ) -> ClassProjection:
        courses, events, rates = self.estimates.courses, self.estimates.probabilities, self.estimates.rates
        p10, p25, median, p75, p90 = courses.quantiles[:, group]
        expected = Curve(GRID, courses.value[group], self.lower[group], self.upper[group], courses.number[group])
        arrays = (events.value, events.lower, events.upper, events.number)
        value, lower, upper, number = (array[group] for array in arrays)
        curves = {}
        for name in self.endpoints[group]:
            e = ENDPOINTS.index(name)
            curves[name] = Curve(GRID, value[e], lower[e], upper[e], number[e])
        rate = None
        if not np.isnan(rates.value[group]):
            rate = Estimate(
                float(rates.value[group]),
                float(rates.lower[group]),
                float(rates.upper[group]),
                int(rates.number[group]),
            )
        return ClassProjection(
            treatment=treatment.value,
            n_eligible=n_eligible,
            n=n,
            refusal=None,
            edss=EdssCourse(expected, p10, p25, median, p75, p90),
            probabilities=curves,
            annualised_relapse_rate=rate,
            sources=sources,
        )


def _refused(treatment: Treatment, n: int, n_eligible: int, reason: str | None) -> ClassProjection:
    return ClassProjection(
        treatment=treatment.value,
        n_eligible=shown_count(n_eligible),
        n=shown_count(n),
        refusal=reason,
        edss=None,
        probabilities={},
        annualised_relapse_rate=None,
        sources={},
    )
