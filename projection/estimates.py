"""All outcomes of groups of patients of reference, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from projection.activity import RateParts, Rates, composed_rates, departure_of_rates, rate_parts, relapse_rates
from projection.class_outcomes import ClassOutcomes, class_outcomes
from projection.composite import EDSS, EVENTS, RATE, Composition, Departure, forms_along
from projection.endpoints import ENDPOINTS, GRID, HORIZON, NEDA3, NEDA3_PARTS, Endpoints
from projection.event_curves import EventParts, composed_events, departure_of_events, event_parts
from projection.heterogeneity import NONE, Heterogeneity
from projection.local_regression import LocalRegression
from projection.outcome_model import fit_outcome_model
from projection.probabilities import Probabilities, at_least_parts, probabilities
from projection.standardised import SourceMix, Standardised, source_weights
from projection.survival import code, tally
from projection.trajectories import Courses, Levels, composed_courses, departure_of_courses, edss_courses, levels
from projection.within_sources import PHENOTYPES, REGRESSED, not_known, terms
from reference_db.episodes import Episodes

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ESTIMATORS = ("corrected", "local", "plain")
"""Corrected for the features and sources in which patients of reference differ from the patient of interest and from
patients like this one, and composed with what the whole class tells of such patients; corrected for features by a
regression among the patients of reference alone, which needs nothing but sums over them; or their plain means and
Kaplan-Meier curves."""

_AT = int(np.searchsorted(GRID, HORIZON))

_TOGETHER = 90
"""Groups from which departures are learned at once."""

RIDGE = 100.0
"""Penalty of the regression among patients of reference, in patients (decision 0009)."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """Outcomes of groups: one group is the patients of reference of one patient of interest under one class.

    Attributes
    ----------
    courses : Courses
    probabilities : Probabilities
    rates : Rates
    composition : Composition, optional
        What the estimates of different groups have in common; where the estimator looks at it.
    course_weight, event_weight : ndarray, shapes (groups,) and (groups, endpoints), optional
        Of the patients of reference in it.
    """

    courses: Courses
    probabilities: Probabilities
    rates: Rates
    composition: Composition | None = None
    course_weight: Floats | None = None
    event_weight: Floats | None = None


class Outcomes:
    """What is needed of every patient of the reference database to estimate outcomes, laid out once.

    Parameters
    ----------
    endpoints : Endpoints
    columns : ndarray, shape (patients, columns)
        Standardised features, NaN where unknown.
    episodes : Episodes
        Whose outcomes these are; tells sources and classes apart.
    avatars : float
        Synthetic patients per original, whose estimates are less certain than those of as many patients; 0 where
        patients are originals.
    patient : ndarray of int, shape (patients,), optional
        Whose row each is, where a patient has one for every visit.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        columns: Floats,
        episodes: Episodes,
        *,
        avatars: float,
        patient: Indices | None = None,
    ) -> None:
        self._change = endpoints.change
        self._codes = code(endpoints.step, endpoints.event)
        self._relapses, self._years = endpoints.relapses, endpoints.years
        features = columns[:, REGRESSED]
        self._known = (~np.isnan(features)).astype(np.float64)
        self._features = np.nan_to_num(features)
        names, source = np.unique(episodes.table["source"].to_numpy().astype(str), return_inverse=True)
        self._source, self._one_of_sources = source, np.eye(len(names))
        sources = self._one_of_sources[source]
        phenotype = _phenotype(columns)
        treatment = np.zeros(len(columns), dtype=np.intp)
        for number, rows in enumerate(episodes.rows_by_treatment.values()):
            treatment[rows] = number
        predictors = terms(columns, episodes.edss[:, 0])
        self.model = fit_outcome_model(
            endpoints,
            predictors,
            source,
            treatment,
            phenotype,
            len(episodes.rows_by_treatment),
            avatars=avatars,
        )
        self._mix = SourceMix.of(sources, predictors, phenotype, len(PHENOTYPES))
        classes = len(episodes.rows_by_treatment)
        self._classes = class_outcomes(
            self._codes,
            self._relapses,
            self._years,
            self.model,
            phenotype,
            sources,
            self._mix.overall,
            classes,
            patient,
        )
        nothing = np.zeros(len(ENDPOINTS)), np.zeros(len(GRID))
        self._departure = Departure(*nothing, 0.0, *nothing)

    def learn_departure(self, own: Floats, pois: Floats, rows: Indices, weights: Floats, poi: Indices) -> None:
        """Learn how far neighbourhoods depart from what features tell, from groups of many patients of interest.

        Until then they are taken not to: the whole class tells nearly everything.

        Parameters
        ----------
        own, pois, rows, weights
            As `estimate` takes them.
        poi : ndarray of int, shape (groups,)
            Number of the patient of interest of each group.
        """
        # Piece by piece: what estimates are made from takes far more memory than what is learned from.
        pieces = [slice(at, at + _TOGETHER) for at in range(0, len(rows), _TOGETHER)]
        prepared = (self._prepared(own[at], pois[at], rows[at], weights[at]) for at in pieces)
        found = [
            (
                one.events,
                one.levels,
                one.rates,
                one.whole.level,
                one.whole.level_variance,
                *one.composition.of_step(),
            )
            for one in prepared
        ]
        level, variance, taken, worth = (np.concatenate([one[at] for one in found]) for at in range(3, 7))
        # Avatars of one original are near each other: how far those few originals are from others is sampling too.
        counted = max(self.model.sampling - 1.0, 1.0)
        between = self.model.heterogeneity.of(_phenotype(pois))
        by_event = between.events[:, :, _AT] * taken[:, None] + worth[:, EVENTS]
        events, shared_events = departure_of_events(_joined([one[0] for one in found]), counted, by_event, poi)
        levels_of_groups = _joined([one[1] for one in found])
        by_month = worth[:, EDSS] * self.model.change.variance
        edss, shared_edss = departure_of_courses(levels_of_groups, level, variance, counted, by_month, poi)
        by_rate = between.rate * taken + worth[:, RATE][:, 0]
        rate = departure_of_rates(_joined([one[2] for one in found]), counted, by_rate, poi)
        self._departure = Departure(events, edss, rate, shared_events, shared_edss)

    def regression(self, pois: Floats, rows: Indices, weights: Floats, ridge: float) -> LocalRegression:
        """Prepare the regressions of groups.

        Parameters
        ----------
        pois : ndarray, shape (groups, columns)
            Standardised features of the patient of interest of each group, NaN where unknown.
        rows : ndarray of int, shape (groups, k)
            Patients of reference; any row where the weight is 0.
        weights : ndarray, shape (groups, k)
        ridge : float
            Infinite for plain means.
        """
        poi = pois[:, REGRESSED]
        differences = self._features[rows]
        differences -= np.nan_to_num(poi)[:, None, :]
        known = self._known[rows]
        known *= (weights > 0)[:, :, None]
        differences *= known
        # An unknown feature of a patient of reference is taken as the mean of the others: it pulls nowhere. One of
        # the patient of interest is left out of the regression.
        mean = differences.sum(axis=1) / np.maximum(known.sum(axis=1), 1.0)
        np.subtract(1.0, known, out=known)
        known *= mean[:, None, :]
        differences += known
        differences *= ~np.isnan(poi)[:, None, :]
        return LocalRegression.around(differences, self._sources_of(rows), weights, ridge)

    def _sources_of(self, rows: Indices) -> Floats:
        """Return 1 in the column of each patient's source: shape (groups, k, sources)."""
        sources: Floats = self._one_of_sources.take(self._source.take(rows), axis=0)
        return sources

    def heterogeneity_for(self, poi: Floats) -> Heterogeneity:
        """Return how much sources differ for a patient of interest with these standardised features."""
        return self.model.heterogeneity.of(_phenotype(poi[None])[0])

    def tally(self, rows: Indices, endpoint: int) -> Floats:
        """Count patients by step and kind of end: shape (grid, 2), as `survival.tally`."""
        group = np.zeros(len(rows), dtype=np.intp)
        counts: Floats = tally(self._codes[rows, endpoint], group, (1,), len(GRID), None)[0]
        return counts

    def known_features(self, rows: Indices) -> Floats:
        """Return the features of the regression, unknown ones as their mean over the reference database."""
        known: Floats = self._features[rows]
        return known

    def estimate(
        self,
        own: Floats,
        pois: Floats,
        rows: Indices,
        weights: Floats,
        *,
        estimator: str = "corrected",
        restricted_to: int | None = None,
    ) -> Estimates:
        """Estimate every outcome of groups.

        Parameters
        ----------
        own : ndarray, shape (groups,)
            EDSS of the patient of interest of each group.
        pois, rows, weights
            As `regression` takes them; the patients of one group are of one class.
        estimator : {"corrected", "local", "plain"}
            See `ESTIMATORS`.
        restricted_to : int, optional
            Step of the grid up to which the error of restricted mean times is wanted.

        Returns
        -------
        Estimates
            NEDA-3 is lost at least as often as each of its parts happens (`probabilities.at_least_parts`).
        """
        found = self._estimated(own, pois, rows, weights, estimator, restricted_to)
        return replace(found, probabilities=at_least_parts(found.probabilities, NEDA3, NEDA3_PARTS))

    def _estimated(
        self,
        own: Floats,
        pois: Floats,
        rows: Indices,
        weights: Floats,
        estimator: str,
        restricted_to: int | None,
    ) -> Estimates:
        if estimator == "corrected":
            return self._standardised(own, pois, rows, weights, restricted_to)
        regression = self.regression(pois, rows, weights, RIDGE if estimator == "local" else np.inf)
        local = estimator == "local"
        between = (
            NONE
            if not local and bool(np.isin(weights, (0.0, 1.0)).all())
            else self.model.heterogeneity.of(_phenotype(pois))
        )
        change = self._change[rows].transpose(0, 2, 1)
        return Estimates(
            courses=edss_courses(own, change, regression, between.edss),
            probabilities=probabilities(
                self._codes[rows],
                regression,
                GRID,
                between=between.events,
                between_event_free=between.event_free,
                corrected=local,
                restricted_to=restricted_to,
            ),
            rates=relapse_rates(self._relapses[rows], self._years[rows], regression, between.rate),
        )

    def _prepared(self, own: Floats, pois: Floats, rows: Indices, weights: Floats) -> _Prepared:
        """Lay out what the standardised estimates of groups rest on."""
        model, sources = self.model, self._sources_of(rows)
        phenotype = _phenotype(pois)
        at, unknown = terms(pois, own), not_known(pois)
        mix = self._mix.of_patients(at, phenotype)
        balanced = source_weights((weights > 0).astype(np.float64), sources, mix, model.ratio[phenotype])
        share = balanced / np.maximum(balanced.sum(axis=1), 1e-12)[:, None]
        mean = np.matmul(share[:, None, :], model.predictors.take(rows, axis=0))[:, 0]
        # A feature that is not known of the patient of interest is what it is in the patients of reference.
        gap = np.where(unknown, 0.0, at - mean)
        group = Standardised(balanced, sources, mix)
        treatment = model.treatment[rows[:, 0]]
        whole = self._classes.of(treatment, phenotype)
        class_gap = np.where(unknown, 0.0, at - whole.predictors)
        near_shift, class_shift = self._worth(np.stack([gap, class_gap], axis=1), treatment)
        rate = _of_classes(model.rate, treatment)
        return _Prepared(
            group,
            treatment,
            np.matmul((mean + gap)[:, None, :], _of_classes(model.change.coefficients, treatment))[:, 0],
            levels(rows, group, model.change),
            whole,
            event_parts(self._codes.take(rows, axis=0), group, near_shift, whole, class_shift),
            rate_parts(
                self._relapses[rows],
                self._years[rows],
                group,
                (gap * rate).sum(axis=1),
                whole,
                (class_gap * rate).sum(axis=1),
            ),
            Composition(
                self._departure,
                model.sampling,
                forms_along(_of_classes(model.uncertainty, treatment), gap, class_gap),
                model.shared,
                gap,
                class_gap,
                np.matmul(share[:, None, :], sources)[:, 0] - mix,
                whole.share - mix,
                model.heterogeneity.of(phenotype),
            ),
        )

    def _standardised(
        self, own: Floats, pois: Floats, rows: Indices, weights: Floats, restricted_to: int | None
    ) -> Estimates:
        model, ready = self.model, self._prepared(own, pois, rows, weights)
        group, by = ready.group, ready.composition
        events, event_weight = composed_events(ready.events, by, restricted_to=restricted_to)
        courses, course_weight = composed_courses(
            own,
            ready.predicted,
            ready.levels,
            group,
            ready.whole.level,
            ready.whole.level_variance,
            by,
            model.change.variance,
        )
        return Estimates(
            courses=courses,
            probabilities=events,
            rates=composed_rates(ready.rates, by),
            composition=by,
            course_weight=course_weight,
            event_weight=event_weight,
        )

    def _worth(self, gaps: Floats, treatment: Indices) -> Floats:
        """Return what features are worth over gaps, as logarithms of ratios of cumulative hazards.

        From shape (groups, gaps, terms) to (gaps, groups, endpoints, grid).
        """
        shift: Floats = np.matmul(gaps, _of_classes(self.model.events, treatment))
        return shift.transpose(1, 0, 2).reshape(gaps.shape[1], len(gaps), len(ENDPOINTS), len(GRID))


def _of_classes(learned: Floats, treatment: Indices) -> Floats:
    """Return what was learned of the class of each group: as it stands (up to a megabyte) for all in order."""
    every = len(treatment) == len(learned) and bool((treatment == np.arange(len(learned))).all())
    return learned if every else learned[treatment]


_Laid = TypeVar("_Laid", EventParts, Levels, RateParts)


def _joined(pieces: list[_Laid]) -> _Laid:
    """Put arrays of groups together."""
    kind = type(pieces[0])
    return kind(*(np.concatenate([getattr(one, field.name) for one in pieces]) for field in fields(kind)))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the standardised estimates of groups rest on.

    `treatment` is the class of each group, `predicted` the change of EDSS that features predict, (groups, grid).
    """

    group: Standardised
    treatment: Indices
    predicted: Floats
    levels: Levels
    whole: ClassOutcomes
    events: EventParts
    rates: RateParts
    composition: Composition


def _phenotype(columns: Floats) -> Indices:
    """Return the number of the phenotype of each row of features."""
    phenotype: Indices = columns[:, PHENOTYPES].argmax(axis=1)
    return phenotype
