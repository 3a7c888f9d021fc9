"""The patient of interest: what may be said about one, and what is answered when it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError, model_validator
from pydantic.functional_validators import AfterValidator
from pydantic_core import ErrorDetails, PydanticCustomError

from reference_db.errors import FieldProblem, InvalidInput
from reference_db.schema import (
    AGE_RANGE,
    DURATION_RANGE,
    EDSS_SCALE,
    GD_RANGE,
    RELAPSES_12M_RANGE,
    RELAPSES_24M_RANGE,
)
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, T2Load

MOST_T2_LESIONS = 1000
"""Largest count of T2 lesions that is taken as meant."""

HISTORY_MONTHS = (-240, -1)
"""Months before the visit that an earlier EDSS may stand."""

YEAR_BEFORE = (-18, -6)
"""Months in which an earlier EDSS counts as the one of a year ago."""


EXAMPLE: dict[str, Any] = {
    "age": 34,
    "sex": "female",
    "phenotype": "RRMS",
    "years_since_onset": 5,
    "edss": 2.5,
    "relapses_12m": 1,
    "gd_lesions": 0,
    "t2_lesions": "10-20",
    "prior_treatment": "none",
    "history": [{"months": -12, "edss": 2.0}],
}
"""A patient of interest, as documents show one."""


class InvalidPatient(InvalidInput):
    """A patient of interest breaks its model; names every field and its allowed range."""


def _on_scale(edss: float) -> float:
    if edss in EDSS_SCALE:
        return edss
    if not EDSS_SCALE[0] <= edss <= EDSS_SCALE[-1]:
        raise PydanticCustomError("edss", "EDSS {edss} is not on the scale", {"edss": f"{edss:g}"})
    below = max(step for step in EDSS_SCALE if step < edss)
    above = min(step for step in EDSS_SCALE if step > edss)
    raise PydanticCustomError(
        "edss",
        "EDSS {edss} is not on the scale: use {below} or {above}",
        {"edss": f"{edss:g}", "below": below, "above": above},
    )


def _number(value: object) -> object:
    # Pydantic would read true as 1 and "34" as 34; in a record of a patient both are mistakes.
    if isinstance(value, bool | str):
        raise PydanticCustomError("number", "{value} is not a number", {"value": _shown(value)})
    return value


def _unit(name: str) -> dict[str, JsonValue]:
    """Say the unit of a field in its schema."""
    return {"x-unit": name}


def _within(bounds: tuple[float, float]) -> Any:  # noqa: ANN401 - what pydantic calls a field
    """Bound a field that may be missing; bounds on the whole field would not stand in its schema."""
    return Field(ge=bounds[0], le=bounds[1], allow_inf_nan=False)


Number = BeforeValidator(_number)
Edss = Annotated[
    float,
    Number,
    Field(allow_inf_nan=False, json_schema_extra={"enum": list(EDSS_SCALE), **_unit("points")}),
    AfterValidator(_on_scale),
]


class EarlierVisit(BaseModel):
    """What is known of one moment before the visit: an EDSS, what a scan found, a relapse.

    An EDSS of about a year ago counts for the similarity; the rest is the patient's own course, to be shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    months: Annotated[int, Number] = Field(
        ge=HISTORY_MONTHS[0], le=HISTORY_MONTHS[1], description="Before the visit.", json_schema_extra=_unit("months")
    )
    edss: Edss | None = None
    gd_lesions: Annotated[int, _within(GD_RANGE), Number] | None = Field(
        default=None, description="Gadolinium-enhancing lesions on a scan.", json_schema_extra=_unit("lesions")
    )
    new_t2_lesions: Annotated[int, _within((0, MOST_T2_LESIONS)), Number] | None = Field(
        default=None,
        description="New or enlarging T2 lesions on a scan since the scan before.",
        json_schema_extra=_unit("lesions"),
    )
    relapse: Annotated[bool, Field(strict=True)] | None = Field(default=None, description="A relapse began then.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(one is None for one in (self.edss, self.gd_lesions, self.new_t2_lesions, self.relapse)):
            raise _disagreement("history", "an earlier visit says nothing but its month")
        return self


class PatientOfInterest(BaseModel):
    """One patient as a neurologist records them at a visit; all but age, phenotype and EDSS may be missing.

    A missing feature plays no part in the similarity. Build it from untrusted data with `parse_patient`, whose errors
    are meant for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    age: Annotated[float, Number] = Field(
        ge=AGE_RANGE[0],
        le=AGE_RANGE[1],
        allow_inf_nan=False,
        description="Years at the visit.",
        json_schema_extra=_unit("years"),
    )
    phenotype: Phenotype = Field(description="Clinical course.")
    edss: Edss = Field(description="Expanded Disability Status Scale: 0, then 1.0 to 10.0 by 0.5.")
    sex: Sex | None = None
    years_since_onset: Annotated[float, _within(DURATION_RANGE), Number] | None = Field(
        default=None, description="Years since the first symptom.", json_schema_extra=_unit("years")
    )
    relapses_12m: Annotated[int, _within(RELAPSES_12M_RANGE), Number] | None = Field(
        default=None, description="Relapses in the last 12 months.", json_schema_extra=_unit("relapses")
    )
    relapses_24m: Annotated[int, _within(RELAPSES_24M_RANGE), Number] | None = Field(
        default=None, description="Relapses in the last 24 months.", json_schema_extra=_unit("relapses")
    )
    gd_lesions: Annotated[int, _within(GD_RANGE), Number] | None = Field(
        default=None,
        description="Gadolinium-enhancing lesions on the last scan.",
        json_schema_extra=_unit("lesions"),
    )
    t2_lesions: T2Load | Annotated[int, Field(strict=True, ge=0, le=MOST_T2_LESIONS)] | None = Field(
        default=None,
        description="T2 lesions on the last scan: a bin, or their number.",
        json_schema_extra=_unit("lesions"),
    )
    prior_treatment: PriorTreatment | None = Field(
        default=None, description="The strongest disease-modifying treatment taken so far."
    )
    history: tuple[EarlierVisit, ...] = Field(
        default=(), max_length=100, description="Earlier visits, scans and relapses."
    )

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if self.years_since_onset is not None and self.years_since_onset > self.age:
            raise _disagreement("years_since_onset", f"{self.years_since_onset:g} is more than the age")
        first, second = self.relapses_12m, self.relapses_24m
        if first is not None and second is not None and first > second:
            raise _disagreement("relapses_12m", f"{first} is more than the {second} relapses of the last 24 months")
        listed = sum(bool(past.relapse) for past in self.history if past.months >= -12)
        if first is not None and first < listed:
            raise _disagreement("relapses_12m", f"{first} is less than the {listed} relapses of the history")
        return self

    @property
    def t2_load(self) -> T2Load | None:
        """The T2 lesions as a bin, whichever way they were given."""
        if self.t2_lesions is None or isinstance(self.t2_lesions, T2Load):
            return self.t2_lesions
        return T2Load.of_count(self.t2_lesions)

    @property
    def edss_a_year_ago(self) -> float | None:
        """The earlier EDSS nearest to 12 months before the visit, if one stands 6 to 18 months before it."""
        near = [
            (abs(past.months + 12), past.edss)
            for past in self.history
            if past.edss is not None and YEAR_BEFORE[0] <= past.months <= YEAR_BEFORE[1]
        ]
        return min(near, key=lambda found: found[0])[1] if near else None


def _disagreement(field: str, message: str) -> PydanticCustomError:
    return PydanticCustomError("disagreement", "{message}", {"field": field, "message": message})


def _range(bounds: tuple[float, float], unit: str = "") -> str:
    return f"{bounds[0]:g} to {bounds[1]:g} {unit}".rstrip()


def _values(words: type[Sex | Phenotype | T2Load | PriorTreatment]) -> str:
    return ", ".join(word.value for word in words)


_EDSS_RANGE = "0, then 1.0 to 10.0 by 0.5"

ALLOWED: Mapping[str, str] = {
    "age": _range(AGE_RANGE, "years"),
    "phenotype": _values(Phenotype),
    "edss": _EDSS_RANGE,
    "sex": _values(Sex),
    "years_since_onset": _range(DURATION_RANGE, "years"),
    "relapses_12m": _range(RELAPSES_12M_RANGE, "relapses"),
    "relapses_24m": _range(RELAPSES_24M_RANGE, "relapses"),
    "gd_lesions": _range(GD_RANGE, "lesions"),
    "t2_lesions": f"{_values(T2Load)}, or a number from 0 to {MOST_T2_LESIONS}",
    "prior_treatment": _values(PriorTreatment),
    "history": 'a list of at most 100 {"months": ..., "edss", "gd_lesions", "new_t2_lesions" or "relapse": ...}',
    "months": _range(HISTORY_MONTHS, "months"),
    "new_t2_lesions": _range((0, MOST_T2_LESIONS), "lesions"),
    "relapse": "true or false",
}
"""What each field of a patient of interest may hold, in words."""


def parse_patient(data: object) -> PatientOfInterest:
    """Read a patient of interest from untrusted data, such as parsed JSON.

    Parameters
    ----------
    data : object
        A mapping of the fields of `PatientOfInterest`; anything else is refused.

    Raises
    ------
    InvalidPatient
        With one problem per field that cannot be used.

    Examples
    --------
    >>> parse_patient({"age": 34, "phenotype": "RRMS", "edss": 2.5}).edss
    2.5
    >>> parse_patient({"age": 34, "phenotype": "RRMS", "edss": 2.3})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    selection.patient.InvalidPatient: edss: EDSS 2.3 is not on the scale: use 2.0 or 2.5 (allowed: ...)
    """
    if not isinstance(data, Mapping):
        raise InvalidPatient(
            [FieldProblem("patient", "must be an object of named fields", ", ".join(ALLOWED_FIELDS))]
        )
    try:
        return PatientOfInterest.model_validate({str(name): value for name, value in data.items()})
    except ValidationError as error:
        problems: dict[str, FieldProblem] = {}
        for details in error.errors(include_url=False):
            problem = _problem(details)
            problems.setdefault(problem.field, problem)
        raise InvalidPatient(list(problems.values())) from error


ALLOWED_FIELDS: tuple[str, ...] = tuple(PatientOfInterest.model_fields)


def _problem(details: ErrorDetails) -> FieldProblem:
    context: dict[str, Any] = details.get("ctx", {})
    names = [part for part in details["loc"] if isinstance(part, int) or part in ALLOWED]
    kind, given = details["type"], details["input"]
    if kind == "extra_forbidden":
        known = EarlierVisit.model_fields if len(details["loc"]) > 1 else ALLOWED_FIELDS
        return FieldProblem(_path(details["loc"]), "is not a known field", ", ".join(known))
    field = str(context["field"]) if kind == "disagreement" else _path(tuple(names))
    allowed = ALLOWED.get(field.rpartition(".")[2].partition("[")[0], "")
    if kind == "missing":
        return FieldProblem(field, "is required", allowed)
    if kind in ("edss", "number", "disagreement"):
        return FieldProblem(field, details["msg"], allowed)
    if kind in ("greater_than_equal", "less_than_equal"):
        return FieldProblem(field, f"{_shown(given)} is out of range", allowed)
    return FieldProblem(field, f"{_shown(given)} cannot be used", allowed)


def _path(location: tuple[int | str, ...]) -> str:
    """Write a location as ``history[0].edss``; what stands after it inside a choice of types is left out."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else f"{value}"
    return text if len(text) <= 40 else f"{text[:37]}..."
