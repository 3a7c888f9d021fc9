"""What is sent in while a trial is conducted: parsed and checked here, once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reference_db.schema import AGE_RANGE, DURATION_RANGE, EDSS_SCALE, RELAPSES_12M_RANGE
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, Treatment

Language = Literal["en", "fr"]
Reason = Literal["declined", "not eligible", "not asked", "other"]
Edss = Annotated[float, Field(ge=0.0, le=10.0, description="EDSS: 0, then 1.0 to 10.0 by 0.5.")]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _on_the_scale(edss: float | None) -> None:
    if edss is not None and edss not in EDSS_SCALE:
        raise ValueError(f"EDSS {edss:g} is not on the scale: 0, then 1.0 to 10.0 by 0.5")


class ConsentGiven(_Form):
    """The patient's answer to the consent form."""

    given: bool
    version: str = Field(min_length=1, max_length=40, description="Version of the form that was read.")
    language: Language


class Baseline(_Form):
    """The patient before the consultation, in the features of the tool; no name, no date, no free text."""

    age: float = Field(ge=18.0, le=AGE_RANGE[1], description="Years.")
    phenotype: Phenotype
    edss: Edss
    sex: Sex | None = None
    years_since_onset: float | None = Field(default=None, ge=DURATION_RANGE[0], le=DURATION_RANGE[1])
    relapses_12m: int | None = Field(default=None, ge=RELAPSES_12M_RANGE[0], le=RELAPSES_12M_RANGE[1])
    prior_treatment: PriorTreatment | None = None

    @model_validator(mode="after")
    def _edss_on_the_scale(self) -> Baseline:
        _on_the_scale(self.edss)
        return self


class Enrolment(_Form):
    """A patient who was asked."""

    cluster: str = Field(min_length=1, max_length=40)
    consent: ConsentGiven
    baseline: Baseline
    factors: dict[str, str] = Field(default={}, max_length=6)


class NotRandomised(_Form):
    """A patient who is not randomised: counted by reason, nothing else."""

    cluster: str = Field(min_length=1, max_length=40)
    reason: Reason


class Answer(_Form):
    """A filled-in instrument."""

    instrument: Literal["DCS", "SDM-Q-9", "SUS"]
    respondent: Literal["patient", "neurologist"]
    moment: Literal["before", "after"]
    language: Language
    responses: list[int | None] = Field(min_length=1, max_length=40)


class Answers(_Form):
    """The instruments filled in at one sitting."""

    answers: list[Answer] = Field(min_length=1, max_length=10)


class Event(_Form):
    """Something that happened in the consultation; ``detail`` is a word of a vocabulary, never free text.

    ``considered_before``, ``considered_after`` and ``decided`` name a treatment class; ``viewed`` a page of the
    viewer; ``reweighted`` a feature. ``opened`` and ``closed`` begin and end the consultation.
    """

    kind: Literal["opened", "viewed", "reweighted", "considered_before", "considered_after", "decided", "closed"]
    seconds: int = Field(ge=0, le=6 * 3600, description="Since the consultation began.")
    detail: str = Field(default="", max_length=80, pattern=r"^[A-Za-z0-9 _-]*$")

    @model_validator(mode="after")
    def _detail_fits(self) -> Event:
        if self.kind in TREATMENT_EVENTS and self.detail not in set(Treatment):
            raise ValueError(f"detail of {self.kind} must be a treatment class: {', '.join(Treatment)}")
        if self.kind in ("opened", "closed") and self.detail:
            raise ValueError(f"{self.kind} has no detail")
        return self


TREATMENT_EVENTS = frozenset({"considered_before", "considered_after", "decided"})
TOOL_EVENTS = frozenset({"viewed", "reweighted"})
"""Events that only the tool makes: in a consultation as usual they are a deviation."""


class Events(_Form):
    """Events of one consultation, in any order."""

    events: list[Event] = Field(min_length=1, max_length=500)


class Outcome(_Form):
    """What an outcome visit found."""

    month: int = Field(ge=1, le=120, description="A month of the protocol's follow-up.")
    relapses: int = Field(ge=0, le=15, description="Since the visit before, or the consultation.")
    edss: Edss | None = None
    worsening_month: float | None = Field(
        default=None, gt=0.0, le=120.0, description="Month of onset of a 24-week confirmed worsening, once known."
    )

    @model_validator(mode="after")
    def _holds(self) -> Outcome:
        _on_the_scale(self.edss)
        if self.worsening_month is not None and self.worsening_month > self.month:
            raise ValueError("worsening_month may not be after the visit")
        return self


class Outcomes(_Form):
    """Outcome visits of one patient."""

    visits: list[Outcome] = Field(min_length=1, max_length=20)


class Withdrawal(_Form):
    """A patient stops taking part."""

    keep_data: bool = Field(description="Whether what was collected may be kept; otherwise it is erased.")
