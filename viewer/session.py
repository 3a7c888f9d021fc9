"""What one consultation holds: the form, the classes shown, how similarity is weighed. It lives in the browser tab.

Nothing of it is stored by the service. A second window is told by the first; links are sealed
(`viewer.links`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reference_db.vocabulary import Treatment
from selection.patient import PatientOfInterest

UNKNOWN = "unknown"
"""Value of a choice that is not known."""

HISTORY_ROWS = 3
"""Past visits that the form takes."""

ALL_CLASSES: tuple[str, ...] = tuple(treatment.value for treatment in Treatment)


@dataclass(frozen=True, slots=True)
class Form:
    """The form's raw values: what stands in the fields, valid or not.

    Attributes
    ----------
    values : mapping of str to number, str or None
        By field of the patient of interest.
    history : tuple of (months ago, edss)
        Past visits as positive months; None where a cell is empty.
    """

    values: Mapping[str, Any]
    history: tuple[tuple[Any, Any], ...] = ()

    def as_document(self) -> dict[str, Any]:
        """Return the patient of interest as the exchange form spells it: unknown fields are left out."""
        document = {name: value for name, value in self.values.items() if value not in (None, "", UNKNOWN)}
        for name in ("relapses_12m", "gd_lesions"):
            if isinstance(document.get(name), float) and document[name].is_integer():
                document[name] = int(document[name])
        visits = [
            {"months": -months if isinstance(months, int | float) else months, "edss": edss}
            for months, edss in self.history
            if months not in (None, "") or edss not in (None, "")
        ]
        return {**document, "history": visits} if visits else document

    @classmethod
    def of_patient(cls, patient: PatientOfInterest) -> Form:
        """Return the form that shows a patient of interest; a number of T2 lesions becomes its bin."""
        plain = patient.model_dump(mode="json", exclude_none=True)
        return cls.of_document({**plain, "t2_lesions": patient.t2_load.value if patient.t2_load else UNKNOWN})

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Form:
        """Return the form that shows a patient of interest in its exchange form."""
        history = tuple((-visit.get("months", 0) or None, visit.get("edss")) for visit in document.get("history", ()))
        return cls({name: value for name, value in document.items() if name != "history"}, history[:HISTORY_ROWS])


DRAWN_PAST = 60
"""Months before today from which the patient's own visits are drawn."""

BLANK = Form({})
"""A form in which nothing is filled in yet."""


def past_visits(form: Form) -> list[tuple[float, float]]:
    """Return the patient's own EDSS in months from today, oldest first, today's last; from a valid form.

    Visits of more than `DRAWN_PAST` months ago are left out: they would leave no room for what is to come.
    """
    visits = [
        (-float(months), float(edss))
        for months, edss in form.history
        if months and months <= DRAWN_PAST and edss not in (None, "")
    ]
    return [*sorted(visits), (0.0, float(form.values["edss"]))]


EXAMPLES: dict[str, Form] = {
    "recent_active": Form(
        {
            "age": 27,
            "sex": "female",
            "phenotype": "RRMS",
            "years_since_onset": 1,
            "edss": 2.0,
            "relapses_12m": 2,
            "gd_lesions": 2,
            "t2_lesions": "10-20",
            "prior_treatment": "none",
        }
    ),
    "established": Form(
        {
            "age": 34,
            "sex": "female",
            "phenotype": "RRMS",
            "years_since_onset": 5,
            "edss": 2.5,
            "relapses_12m": 1,
            "gd_lesions": 0,
            "t2_lesions": "10-20",
            "prior_treatment": "none",
        }
    ),
    "quiet": Form(
        {
            "age": 49,
            "sex": "male",
            "phenotype": "RRMS",
            "years_since_onset": 16,
            "edss": 3.5,
            "relapses_12m": 0,
            "gd_lesions": 0,
            "t2_lesions": ">20",
            "prior_treatment": "moderate efficacy",
        },
        ((12, 3.5), (24, 3.0)),
    ),
    "secondary": Form(
        {
            "age": 52,
            "sex": "female",
            "phenotype": "SPMS",
            "years_since_onset": 20,
            "edss": 5.5,
            "relapses_12m": 0,
            "gd_lesions": None,
            "t2_lesions": UNKNOWN,
            "prior_treatment": "moderate efficacy",
        },
        ((12, 5.0),),
    ),
    "primary": Form(
        {
            "age": 46,
            "sex": "male",
            "phenotype": "PPMS",
            "years_since_onset": 7,
            "edss": 4.5,
            "relapses_12m": 0,
            "gd_lesions": 0,
            "t2_lesions": "10-20",
            "prior_treatment": "none",
        },
        ((12, 4.0),),
    ),
}
"""Types of patients to try; invented, nobody in particular."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """What the user changed about who counts as similar; empty where the release's own choice stands.

    Attributes
    ----------
    weights : mapping of str to float
        By feature.
    k : int or None
        Patients of reference per class.
    criteria : mapping
        Hard criteria and calipers, as `selection.parse_criteria` reads them.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    k: int | None = None
    criteria: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the choices as the browser keeps them."""
        return {"weights": dict(self.weights), "k": self.k, "criteria": dict(self.criteria)}


@dataclass(frozen=True, slots=True)
class Session:
    """One consultation.

    Attributes
    ----------
    form : Form
    shown : tuple of str
        Treatment classes shown, in the order of the vocabulary.
    similarity : Similarity
    """

    form: Form = field(default_factory=lambda: EXAMPLES["established"])
    shown: tuple[str, ...] = ALL_CLASSES
    similarity: Similarity = field(default_factory=Similarity)

    def showing(self, treatments: Collection[str]) -> Session:
        """Return the session with other treatment classes shown."""
        return replace(self, shown=tuple(name for name in ALL_CLASSES if name in treatments))

    def with_similarity(self, similarity: Similarity) -> Session:
        """Return the session with another notion of who is similar."""
        return replace(self, similarity=similarity)

    def as_json(self) -> dict[str, Any]:
        """Return the session as the browser keeps it."""
        return {
            "values": dict(self.form.values),
            "history": [list(visit) for visit in self.form.history],
            "shown": list(self.shown),
            "similarity": self.similarity.as_json(),
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any] | None) -> Session:
        """Return the session that the browser kept; a fresh one when there is none."""
        if not data:
            return cls()
        return cls(
            form=Form(dict(data["values"]), tuple((visit[0], visit[1]) for visit in data["history"])),
            shown=tuple(name for name in ALL_CLASSES if name in data["shown"]),
            similarity=Similarity(
                weights={str(name): float(weight) for name, weight in data["similarity"]["weights"].items()},
                k=data["similarity"]["k"],
                criteria=dict(data["similarity"]["criteria"]),
            ),
        )
