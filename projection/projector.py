"""From a patient of interest to outcomes per treatment class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from projection.contrast import contrasts
from projection.endpoints import endpoints_of
from projection.estimates import ESTIMATORS, Outcomes
from projection.figures import Figures
from projection.result import ClassProjection, Contrasts, Projection
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

    def sources(self, groups: Groups) -> list[dict[str, int]]:
        """Count the patients of each group per source, the largest first, small sources merged."""
        width = len(self._source_names)
        place = self._source.take(groups.rows) + width * np.arange(len(groups.rows))[:, None]
        counts = np.bincount(place[groups.member], minlength=width * len(groups.rows)).reshape(-1, width)
        return [merged_sources(dict(zip(self._source_names, each, strict=True))) for each in counts.tolist()]

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
        question = Question(self, k, weights, classes, criteria, estimator)
        return question.answer(np.array([poi.edss]), self._matches([poi], question))[0]

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
        return question.selection(self._matches([poi], question), 0, poi)

    def _matches(self, pois: Sequence[PatientOfInterest], question: Question) -> Matches:
        """Find the patients of reference of patients of interest."""
        return question.match_patients(pois)

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
            answers += self._answers(pois[start : start + _TOGETHER], question)
        return answers

    def _answers(self, pois: Sequence[PatientOfInterest], question: Question) -> list[Projection]:
        """Project patients of interest all at once."""
        return question.answer(np.array([poi.edss for poi in pois]), self._matches(pois, question))

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

    def selection(self, matches: Matches, position: int, poi: PatientOfInterest) -> Selection:
        """Return the selection of one of the patients of interest that were matched."""
        return self.projector.selector.selection_of(
            matches, position, poi, k=self.k, weights=self.weights, classes=self.classes, criteria=self.criteria
        )

    def groups(self, matches: Matches) -> Groups:
        """Return the groups from which outcomes may be projected."""
        member = matches.rows >= 0
        number = member.sum(axis=2)
        reached = matches.reached.sum(axis=2)
        enough = (number >= FEWEST) & is_within_reach(number, reached)
        poi, _ = np.nonzero(enough)
        return Groups(poi, np.where(member, matches.rows, 0)[enough], member[enough], number, reached, enough)

    def figures(self, own: Floats, matches: Matches, groups: Groups) -> Figures:
        """Estimate the outcomes of groups, all of them together.

        Parameters
        ----------
        own : ndarray, shape (patients,)
            EDSS of each patient of interest.
        matches : Matches
        groups : Groups
        """
        return Figures.of(
            self.projector.outcomes.estimate(
                own[groups.poi],
                matches.columns[groups.poi],
                groups.rows,
                groups.member.astype(np.float64),
                estimator=self.estimator,
            )
        )

    def answer(self, own: Floats, matches: Matches) -> list[Projection]:
        """Project each patient of interest under every class that may be projected."""
        groups = self.groups(matches)
        outcomes = self.figures(own, matches, groups).outcomes()
        sources = iter(self.projector.sources(groups))
        answers = []
        for p in range(len(own)):
            parts = []
            n_of_classes, reached, eligible = (
                each[p].tolist() for each in (groups.number, groups.reached, matches.n_eligible)
            )
            for c, treatment in enumerate(self.classes):
                n, n_eligible = n_of_classes[c], eligible[c]
                if groups.enough[p, c]:
                    parts.append(
                        ClassProjection(treatment.value, n_eligible, n, None, *next(outcomes), next(sources))
                    )
                    continue
                reason = refusal(treatment, n=n, n_eligible=n_eligible, criteria=self.criteria)
                if reason is None:
                    n, reason = reached[c], beyond_reach(treatment)
                parts.append(refused(treatment, shown_count(n), shown_count(n_eligible), reason))
            answers.append(self.projection(tuple(parts)))
        return answers

    def projection(self, classes: tuple[ClassProjection, ...]) -> Projection:
        """Return the answer that consists of these classes."""
        projector = self.projector
        return Projection(
            projector.release.version, self.k, self.weights, classes, CAVEATS, projector.selector.baselines
        )


@dataclass(frozen=True, slots=True)
class Groups:
    """The patients of reference of every patient of interest and class from whom outcomes may be projected.

    Attributes
    ----------
    poi : ndarray of int, shape (groups,)
        Number of the patient of interest; groups of one are in the order of the classes.
    rows : ndarray of int, shape (groups, k)
        Patients of reference; any row where there is no member.
    member : ndarray of bool, shape (groups, k)
    number, reached : ndarray of int, shape (patients, classes)
        Of the patients of reference found, and of those within `criteria.REACH`.
    enough : ndarray of bool, shape (patients, classes)
        Whether these make a group.
    """

    poi: Indices
    rows: Indices
    member: NDArray[np.bool_]
    number: Indices
    reached: Indices
    enough: NDArray[np.bool_]


def refused(treatment: Treatment, n: int, n_eligible: int, reason: str | None) -> ClassProjection:
    """Return a class that is not projected; numbers as they may be given out."""
    return ClassProjection(
        treatment=treatment.value,
        n_eligible=n_eligible,
        n=n,
        refusal=reason,
        edss=None,
        probabilities={},
        annualised_relapse_rate=None,
        sources={},
    )
