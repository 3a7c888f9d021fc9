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

HISTORY_ROWS = 4
"""Earlier visits that the form has fields for; others come with a record and are carried along."""

VISIT = ("months", "edss", "gd_lesions", "new_t2_lesions", "relapse")
"""What a row of earlier visits holds, in its order; months before today, as a positive number."""

Visit = tuple[Any, ...]
"""Values of `VISIT`, None where a cell is empty; what is left out at the end is empty too."""

ALL_CLASSES: tuple[str, ...] = tuple(treatment.value for treatment in Treatment)


@dataclass(frozen=True, slots=True)
class Form:
    """The form's raw values: what stands in the fields, valid or not.

    Attributes
    ----------
    values : mapping of str to number, str or None
        By field of the patient of interest.
    history : tuple of Visit
        Earlier visits, scans and relapses, the latest first.
    """

    values: Mapping[str, Any]
    history: tuple[Visit, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """Return the patient of interest as the exchange form spells it: unknown fields are left out."""
        document = {name: value for name, value in self.values.items() if value not in (None, "", UNKNOWN)}
        for name in ("relapses_12m", "gd_lesions"):
            if name in document:
                document[name] = _whole(document[name])
        visits = [visit for visit in map(_as_earlier_visit, self.history) if visit]
        return {**document, "history": visits} if visits else document

    @classmethod
    def of_patient(cls, patient: PatientOfInterest) -> Form:
        """Return the form that shows a patient of interest; a number of T2 lesions becomes its bin."""
        plain = patient.model_dump(mode="json", exclude_none=True)
        return cls.of_document({**plain, "t2_lesions": patient.t2_load.value if patient.t2_load else UNKNOWN})

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Form:
        """Return the form that shows a patient of interest in its exchange form."""
        visits = sorted(document.get("history", ()), key=lambda visit: -visit.get("months", 0))
        history = tuple(
            (-visit.get("months", 0) or None, *map(visit.get, VISIT[1:-1]), visit.get("relapse") or None)
            for visit in visits
        )
        return cls({name: value for name, value in document.items() if name != "history"}, history)


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever stands in a field
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _stands(value: Any) -> bool:  # noqa: ANN401 - whatever stands in a field
    """Tell whether a cell says something; a count of 0 does."""
    return value is not False and value not in (None, "")


def _as_earlier_visit(visit: Visit) -> dict[str, Any]:
    """Return an earlier visit as the exchange form spells it; nothing of a row without content."""
    known = {name: value for name, value in zip(VISIT, visit, strict=False) if _stands(value)}
    for name in ("months", "gd_lesions", "new_t2_lesions"):
        if name in known:
            known[name] = _whole(known[name])
    if isinstance(known.get("months"), int | float):
        known["months"] = -known["months"]
    return known


DRAWN_PAST = 60
"""Months before today from which the patient's own visits are drawn."""

BLANK = Form({})
"""A form in which nothing is filled in yet."""


def past_visits(form: Form) -> list[tuple[float, float]]:
    """Return the patient's own EDSS in months from today, oldest first, today's last; from a valid form.

    Visits of more than `DRAWN_PAST` months ago are left out: they would leave no room for what is to come.
    """
    return [*_past(form, "edss"), (0.0, float(form.values["edss"]))]


def past_scans(form: Form, kind: str) -> list[tuple[float, float]]:
    """Return what the patient's own scans found in months from today, oldest first; from a valid form.

    Parameters
    ----------
    form : Form
    kind : str
        ``gd_lesions``, with today's scan last where it is known, or ``new_t2_lesions``.
    """
    today = form.values.get("gd_lesions") if kind == "gd_lesions" else None
    return [*_past(form, kind), *([(0.0, float(today))] if today not in (None, "") else [])]


def past_relapses(form: Form) -> list[float]:
    """Return the patient's own relapses in months from today, oldest first; from a valid form."""
    return [months for months, _ in _past(form, "relapse")]


def _past(form: Form, name: str) -> list[tuple[float, float]]:
    at = VISIT.index(name)
    return sorted(
        (-float(visit[0]), float(visit[at]))
        for visit in form.history
        if len(visit) > at and visit[0] and visit[0] <= DRAWN_PAST and _stands(visit[at])
    )


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
        },
        ((2, None, None, None, True), (6, 1.5, 3, 2), (10, None, None, None, True)),
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
        ((12, 3.5, 0, 0), (24, 3.0, 0, 1), (40, None, None, None, True)),
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
            "history": [[*visit, *[None] * (len(VISIT) - len(visit))] for visit in self.form.history],
            "shown": list(self.shown),
            "similarity": self.similarity.as_json(),
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any] | None) -> Session:
        """Return the session that the browser kept; a fresh one when there is none."""
        if not data:
            return cls()
        return cls(
            form=Form(dict(data["values"]), tuple(tuple(visit) for visit in data["history"])),
            shown=tuple(name for name in ALL_CLASSES if name in data["shown"]),
            similarity=Similarity(
                weights={str(name): float(weight) for name, weight in data["similarity"]["weights"].items()},
                k=data["similarity"]["k"],
                criteria=dict(data["similarity"]["criteria"]),
            ),
        )
