"""What is sent in while a trial is conducted: parsed and checked here, once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cdss.evaluation.reasons import flaw
from reference_db.schema import AGE_RANGE, DURATION_RANGE, EDSS_SCALE, RELAPSES_12M_RANGE
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, Treatment
from selection.features import FEATURE_NAMES

Language = Literal["en", "fr"]
Reason = Literal["declined", "not eligible", "not asked", "other"]
Edss = Annotated[float, Field(ge=0.0, le=10.0, description="EDSS: 0, then 1.0 to 10.0 by 0.5.")]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _on_the_scale(edss: float | None) -> None:
    if edss is not None and edss not in EDSS_SCALE:
        raise flaw("edss_scale", edss=edss)


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


EventKind = Literal[
    "considered_before", "opened", "viewed", "reweighted", "considered_after", "decided", "closed", "ended"
]
TREATMENT_EVENTS = frozenset({"considered_before", "considered_after", "decided"})
TOOL_EVENTS = frozenset({"opened", "viewed", "reweighted", "closed"})
"""Events that only the tool makes: in a consultation as usual they are a deviation."""

LATE_EVENTS = frozenset({"opened", "viewed", "reweighted", "considered_after"})
"""Events that do not belong to the consultation once it has ended."""

ONCE_EVENTS = frozenset({"considered_before", "decided", "ended"})
"""Events of which a consultation has one at most."""


REWEIGHTED = (*FEATURE_NAMES, "k", "source_kind", "baselines")
"""What of the similarity can be changed: features, the number of patients of reference, the kind of source, and when
they are met on their treatment."""


class Event(_Form):
    """Something that happened in the consultation; ``detail`` is a word of a vocabulary, never free text.

    ``considered_before``, ``considered_after`` and ``decided`` name a treatment class; ``viewed`` a page of the
    viewer; ``reweighted`` one of `REWEIGHTED`. ``opened`` and ``closed`` are the viewer's; ``ended`` gives the length
    of the consultation as its neurologist states it.
    """

    kind: EventKind
    seconds: int = Field(ge=0, le=6 * 3600, description="Since the consultation began.")
    detail: str = Field(default="", max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]*$|^$")

    @model_validator(mode="after")
    def _detail_fits(self) -> Event:
        if self.kind in TREATMENT_EVENTS and self.detail not in set(Treatment):
            raise flaw("detail_treatment", kind=self.kind, classes=tuple(Treatment))
        if self.kind == "reweighted" and self.detail not in REWEIGHTED:
            raise flaw("detail_reweighted", features=REWEIGHTED)
        if self.kind == "viewed" and not (self.detail and " " not in self.detail):
            raise flaw("detail_viewed")
        if self.kind in ("opened", "closed", "ended") and self.detail:
            raise flaw("detail_none", kind=self.kind)
        return self


class Events(_Form):
    """Events of one consultation, in the order in which they happened."""

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
            raise flaw("worsening_after_visit")
        return self


class Outcomes(_Form):
    """Outcome visits of one patient."""

    visits: list[Outcome] = Field(min_length=1, max_length=20)


class Withdrawal(_Form):
    """A patient stops taking part."""

    keep_data: bool = Field(description="Whether what was collected may be kept; otherwise it is erased.")


IncidentKind = Literal["adverse event", "device deficiency"]
Severity = Literal["mild", "moderate", "severe"]
Relation = Literal["not related", "possible", "probable", "causal"]
Course = Literal["resolved", "ongoing", "fatal", "unknown"]
Deficiency = Literal[
    "wrong figure", "misleading display", "input taken wrongly", "not available", "use error", "security", "other"
]


class Incident(_Form):
    """An adverse event of a patient, or a deficiency of the tool; coded, with no free text.

    Terms follow ISO 14155 and MDCG 2020-10/1 (relation to the device in four degrees). The narrative stays in the
    files of the site, under the number that the report is given.
    """

    kind: IncidentKind
    participant: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{16}$", description="Of whom; none for a deficiency without a patient."
    )
    cluster: str | None = Field(
        default=None, min_length=1, max_length=40, description="The neurologist, where there is no participant."
    )
    day: int | None = Field(default=None, ge=0, le=4000, description="Days after the consultation.")
    serious: bool = Field(
        description="Death, danger to life, a stay in hospital, lasting harm, or could have led to one of them."
    )
    severity: Severity | None = Field(default=None, description="Of an adverse event.")
    relation: Relation = Field(description="To the use of the tool, as the neurologist judges it.")
    course: Course | None = Field(default=None, description="Of an adverse event.")
    deficiency: Deficiency | None = Field(default=None, description="Of a device deficiency.")

    @model_validator(mode="after")
    def _holds(self) -> Incident:
        if self.participant is None and self.cluster is None:
            raise flaw("incident_whose")
        if self.participant is None and self.day is not None:
            raise flaw("incident_day")
        if self.kind == "adverse event":
            if self.participant is None or self.severity is None or self.course is None:
                raise flaw("adverse_incomplete")
            if self.deficiency is not None:
                raise flaw("adverse_deficiency")
            if self.course == "fatal" and not self.serious:
                raise flaw("fatal_serious")
        elif self.deficiency is None or self.severity is not None or self.course is not None:
            raise flaw("deficiency_incomplete")
        return self
