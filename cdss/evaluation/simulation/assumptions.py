"""What a simulated trial assumes: the effects of the tool, and how patients, neurologists and time vary."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reference_db.errors import FieldProblem, InvalidInput

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Assumptions(BaseModel):
    """Effects of using the tool, against usual, and everything else that a trial's power hangs on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conflict_effect: float = Field(
        default=-10.0, ge=-40.0, le=40.0, description="DCS after the consultation, points; negative is better."
    )
    shared_effect: float = Field(default=8.0, ge=-40.0, le=40.0, description="SDM-Q-9, points of 100.")
    choice_shift: Share = Field(
        default=0.3,
        description="Share of choices that the tool moves to the class with the lowest risk of worsening.",
    )
    minutes_effect: float = Field(default=4.0, ge=-15.0, le=60.0, description="Length of the consultation, minutes.")

    conflict_mean: float = Field(default=40.0, ge=5.0, le=95.0, description="DCS as usual, points.")
    conflict_deviation: float = Field(
        default=18.0, gt=0.0, le=40.0, description="Standard deviation of the DCS, points."
    )
    shared_mean: float = Field(default=65.0, ge=5.0, le=95.0, description="SDM-Q-9 as usual, points of 100.")
    shared_deviation: float = Field(
        default=20.0, gt=0.0, le=40.0, description="Standard deviation of the SDM-Q-9, points."
    )
    baseline_correlation: float = Field(default=0.4, ge=0.0, le=0.95, description="Of the DCS before and after.")
    cluster_correlation: float = Field(
        default=0.05, ge=0.0, le=0.5, description="Intra-cluster correlation of the questionnaires."
    )
    cluster_size_variation: float = Field(
        default=0.3, ge=0.0, le=1.5, description="Coefficient of variation of patients per neurologist."
    )
    outcome_cluster_deviation: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        description="Standard deviation between neurologists of the logarithm of relapse and worsening rates.",
    )
    usual_change: Share = Field(default=0.15, description="Share of choices that change in a usual consultation.")
    questionnaire_missing: Share = Field(default=0.1, description="Questionnaires not filled in after the visit.")
    yearly_loss: Share = Field(default=0.08, description="Patients lost to follow-up per year.")
    declined: Share = Field(default=0.15, description="Patients asked who do not consent.")


def assumptions(**given: float) -> Assumptions:
    """Return assumptions, the defaults where nothing is given.

    Raises
    ------
    InvalidInput
        Naming every one outside its range.
    """
    try:
        chosen = Assumptions.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(
            [FieldProblem(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in error.errors()]
        ) from error
    for mean, effect, name in (
        (chosen.conflict_mean, chosen.conflict_effect, "conflict_effect"),
        (chosen.shared_mean, chosen.shared_effect, "shared_effect"),
    ):
        if not 2.0 <= mean + effect <= 98.0:
            raise InvalidInput.of(name, f"the mean with the tool would be {mean + effect:g}", "2 to 98 points")
    return chosen
