"""From a session to an answer: the patient of interest is read from the form, and projected."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from projection.individuals import LesionCurves, SingleCourses, lesion_curves, single_courses
from projection.result import Contrasts, Projection
from reference_db.episodes import Episodes
from reference_db.errors import FieldProblem, InvalidInput
from reference_db.small_cells import CellKeys
from selection import Explanation
from selection.criteria import parse_criteria
from selection.patient import InvalidPatient, PatientOfInterest, parse_patient
from selection.plane import FeaturePlane
from selection.selector import Selection
from viewer.session import Form, Session

if TYPE_CHECKING:
    from projection.disclosure import DisclosedProjector

ReadBundle = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a FHIR bundle to what it says of a patient of interest."""

Evidence = Callable[[], Mapping[str, Any]]
"""Gives what is known of the served release beyond its manifest."""

KEPT = 4
"""Answers held in memory, so that the parts of one page share one; a restart or four other patients forget them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The patient as read, and the projection; or what is wrong with the form or with what counts as similar.

    Attributes
    ----------
    patient : PatientOfInterest or None
    projection : Projection or None
    problems : tuple of FieldProblem
        Of the form.
    choices : tuple of FieldProblem
        Of who counts as similar: criteria or weights that nothing known of this patient answers.
    """

    patient: PatientOfInterest | None
    projection: Projection | None
    problems: tuple[FieldProblem, ...] = ()
    choices: tuple[FieldProblem, ...] = ()


class Map(NamedTuple):
    """The plane of the features, the rows that stand on it, and how their counts are rounded."""

    plane: FeaturePlane
    episodes: Episodes
    keys: CellKeys


class Answers:
    """Answers sessions with a projector.

    Parameters
    ----------
    projector : DisclosedProjector
    read_bundle : callable, optional
        Reads a FHIR bundle as a patient of interest in its exchange form, as far as the bundle goes.
    evidence : callable, optional
        Says what is known of the release beyond its manifest, as `viewer.create_viewer` takes it.
    """

    def __init__(
        self,
        projector: DisclosedProjector,
        read_bundle: ReadBundle | None = None,
        evidence: Evidence = dict,
    ) -> None:
        self.projector = projector
        self.read_bundle = read_bundle
        self.evidence = evidence
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._maps: dict[DisclosedProjector, FeaturePlane] = {}
        self._computing = Lock()

    def of(self, session: Session) -> Answer:
        """Return the answer to a session."""
        key = json.dumps([session.form.as_document(), session.similarity.as_json()], sort_keys=True, default=str)
        # The parts of a page ask at the same moment: the second waits for the answer of the first.
        with self._computing:
            answer = self._kept.get(key)
            if answer is None:
                answer = self._compute(session)
                self._kept[key] = answer
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return answer

    def contrasts(self, session: Session, *, reference: str, estimator: str) -> Contrasts | None:
        """Return every class compared with one of them; None when the form cannot be used."""
        patient = self.of(session).patient
        if patient is None:
            return None
        asked = session.similarity
        return self.projector.contrast(
            patient,
            reference=reference,
            k=asked.k,
            weights=asked.weights or None,
            criteria=parse_criteria(asked.criteria),
            estimator=estimator,
        )

    def explanation(self, session: Session) -> Explanation | None:
        """Return who the patients of reference are; None when the form cannot be used."""
        patient = self.of(session).patient
        if patient is None:
            return None
        asked = session.similarity
        return self.projector.explain(
            patient, k=asked.k, weights=asked.weights or None, criteria=parse_criteria(asked.criteria)
        )

    def single_courses(self, session: Session) -> list[SingleCourses]:
        """Return a sample of the courses of every class; none when the form cannot be used."""
        selected = self.selection(session)
        return [] if selected is None else single_courses(self._asked(session).selector.episodes, selected)

    def lesions(self, session: Session) -> Mapping[str, LesionCurves]:
        """Return what scans found over time under every class; nothing when the form cannot be used."""
        selected, asked = self.selection(session), self._asked(session)
        return {} if selected is None else lesion_curves(asked.selector.episodes, selected, asked.cells)

    def selection(self, session: Session) -> Selection | None:
        """Return the patients of reference; None when the form cannot be used."""
        patient = self.of(session).patient
        if patient is None:
            return None
        asked = session.similarity
        return self._asked(session).select(
            patient, k=asked.k, weights=asked.weights or None, criteria=parse_criteria(asked.criteria)
        )

    def map(self, session: Session) -> Map:
        """Return the map of the release with what is laid on it, made when it is first looked at."""
        asked = self._asked(session)
        if asked not in self._maps:
            self._maps[asked] = FeaturePlane.of(asked.selector.natural)
        return Map(self._maps[asked], asked.selector.episodes, asked.cells)

    def _asked(self, session: Session) -> DisclosedProjector:
        return self.projector.asked(parse_criteria(session.similarity.criteria))

    def _compute(self, session: Session) -> Answer:
        try:
            patient = read_patient(session.form)
        except InvalidPatient as error:
            return Answer(None, None, error.problems)
        asked = session.similarity
        try:
            projection = self.projector.project(
                patient, k=asked.k, weights=asked.weights or None, criteria=parse_criteria(asked.criteria)
            )
        except InvalidInput as error:
            return Answer(None, None, choices=error.problems)
        return Answer(patient, projection)


def read_patient(form: Form) -> PatientOfInterest:
    """Return the patient of interest of a form.

    Raises
    ------
    InvalidPatient
        Naming every field that cannot be used.
    """
    return parse_patient(form.as_document())
