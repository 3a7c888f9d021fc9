"""Who may be a patient of reference at all: hard criteria and calipers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reference_db.errors import FieldProblem, InvalidInput
from reference_db.vocabulary import SourceKind

SAME = ("phenotype", "sex", "prior_treatment")
"""Features that patients of reference may be asked to share."""

CALIPERS = ("age", "years_since_onset", "edss", "relapses_12m", "relapses_24m")
"""Features whose difference from the patient of interest may be bounded."""

LARGEST_DISTANCE = 2.0
"""Default caliper on the distance, in standard deviations per feature: as far as left-out patients are projected
without a larger error (decision 0009). It bounds the sum over features; each of `REACH` is bounded by itself."""

REACH = {"age": 20.0, "edss": 2.0}
"""Years and points within which most patients of reference must be: beyond, a projection would be extrapolated."""

BASELINES = ("start", "every_visit")
"""When patients of reference may resemble the patient of interest: as they begin the treatment, or at any yearly
visit on it after which two more years on it are known (`selection.baselines`)."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Criteria(BaseModel):
    """Hard criteria and calipers of a selection.

    By default patients of reference have the phenotype of the patient of interest, trials and registries are both
    eligible, and nobody further away than `LARGEST_DISTANCE` counts as similar.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    same: tuple[Literal["phenotype", "sex", "prior_treatment"], ...] = Field(
        default=("phenotype",), description="Features in which patients of reference equal the patient of interest."
    )
    source_kinds: tuple[SourceKind, ...] = Field(
        default=tuple(SourceKind), min_length=1, description="Kinds of source that patients of reference come from."
    )
    calipers: Mapping[
        Literal["age", "years_since_onset", "edss", "relapses_12m", "relapses_24m"],
        Annotated[float, Field(ge=0, allow_inf_nan=False)],
    ] = Field(default={}, description="Largest difference per feature, in its unit; unknown is not within it.")
    largest_distance: Positive = Field(
        default=LARGEST_DISTANCE, description="Caliper on the distance, in standard deviations per feature."
    )
    baselines: Literal["start", "every_visit"] = Field(
        default="start",
        description="When patients of reference are compared: as they begin the treatment, or at any yearly visit.",
    )


ALLOWED: Mapping[str, str] = {
    "same": ", ".join(SAME),
    "source_kinds": ", ".join(SourceKind),
    "calipers": f"a number from 0 for any of {', '.join(CALIPERS)}",
    "largest_distance": "above 0 standard deviations",
    "baselines": ", ".join(BASELINES),
}
"""What each criterion may hold, in words."""


def parse_criteria(data: Mapping[str, object]) -> Criteria:
    """Read criteria from untrusted data.

    Raises
    ------
    InvalidInput
        Naming each criterion that cannot be used and what it may hold.
    """
    try:
        return Criteria.model_validate(dict(data))
    except ValidationError as error:
        problems: dict[str, FieldProblem] = {}
        for details in error.errors(include_url=False):
            name = str(details["loc"][0])
            known = name in ALLOWED
            message = "cannot be used" if known else "is not a criterion"
            problems.setdefault(
                name, FieldProblem(f"criteria.{name}", message, ALLOWED[name] if known else ", ".join(ALLOWED))
            )
        raise InvalidInput(list(problems.values())) from error
