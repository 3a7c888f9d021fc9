"""The protocol of an evaluation, as data: validated at the border, versioned by its content, never edited once open.

A protocol says who is randomised to what, how, what is measured when, and how it will be analysed. Everything else in
this package reads it: the allocation, the forms, the simulation for the sample size, the analysis and its report.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cdss.evaluation.instruments import instrument
from cdss.evaluation.reasons import Reason, faults_of, flaw, flaws, invalid
from reference_db.errors import InvalidInput

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$", description="Lower-case letters, digits, - and _.")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


LONGEST_LIST = 1_000_000
"""Allocations that a list may hold over all strata."""


class Arm(StrEnum):
    """With the tool in the consultation, or as usual."""

    USE = "use"
    USUAL = "usual"


class Randomisation(StrEnum):
    """What is randomised: each patient, each neurologist, or when each neurologist begins to use the tool."""

    INDIVIDUAL = "individual"
    CLUSTER = "cluster"
    STEPPED_WEDGE = "stepped_wedge"


class EndpointKind(StrEnum):
    """Scale of an endpoint, which decides its model."""

    CONTINUOUS = "continuous"
    BINARY = "binary"
    COUNT = "count"
    TIME_TO_EVENT = "time_to_event"


class Measure(StrEnum):
    """What an endpoint is computed from."""

    DECISIONAL_CONFLICT = "decisional_conflict"
    SHARED_DECISION = "shared_decision"
    CHOICE_CHANGED = "choice_changed"
    HIGH_EFFICACY_CHOICE = "high_efficacy_choice"
    CONSULTATION_MINUTES = "consultation_minutes"
    RELAPSES = "relapses"
    EDSS_CHANGE = "edss_change"
    WORSENING_24W = "worsening_24w"


KIND_OF_MEASURE: dict[Measure, EndpointKind] = {
    Measure.DECISIONAL_CONFLICT: EndpointKind.CONTINUOUS,
    Measure.SHARED_DECISION: EndpointKind.CONTINUOUS,
    Measure.CHOICE_CHANGED: EndpointKind.BINARY,
    Measure.HIGH_EFFICACY_CHOICE: EndpointKind.BINARY,
    Measure.CONSULTATION_MINUTES: EndpointKind.CONTINUOUS,
    Measure.RELAPSES: EndpointKind.COUNT,
    Measure.EDSS_CHANGE: EndpointKind.CONTINUOUS,
    Measure.WORSENING_24W: EndpointKind.TIME_TO_EVENT,
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cluster(_Part):
    """One neurologist, under a code; the list of names stays at the site."""

    code: Name
    site: Name
    stratum: Name = Field(default="all", description="Stratum of clusters, such as a volume of patients.")


class Factor(_Part):
    """A factor that stratifies the allocation of patients; its levels partition them."""

    name: Name
    levels: tuple[Name, ...] = Field(min_length=2, max_length=6)


class Allocation(_Part):
    """How patients or clusters are allocated."""

    randomisation: Randomisation
    ratio: dict[Arm, int] = Field(default={Arm.USE: 1, Arm.USUAL: 1}, description="Patients per arm in a block.")
    block_sizes: tuple[int, ...] = Field(default=(4, 6), description="Sizes that blocks take at random.")
    stratify_by: tuple[Literal["cluster", "site"] | Name, ...] = Field(
        default=("cluster",), description="For individual randomisation: cluster, site, and names of factors."
    )
    periods: int = Field(default=1, ge=1, le=24, description="Stepped wedge: periods, the first without the tool.")

    @model_validator(mode="after")
    def _blocks_fit_the_ratio(self) -> Allocation:
        if set(self.ratio) != set(Arm) or any(not 1 <= share <= 4 for share in self.ratio.values()):
            raise flaw("ratio")
        whole = sum(self.ratio.values())
        if not self.block_sizes or any(size % whole or not whole <= size <= 24 for size in self.block_sizes):
            raise flaw("block_sizes", whole=whole)
        if self.randomisation is Randomisation.STEPPED_WEDGE and self.periods < 3:
            raise flaw("few_periods")
        if self.randomisation is not Randomisation.STEPPED_WEDGE and self.periods != 1:
            raise flaw("periods_without_wedge")
        return self


class Wording(_Part):
    """The authorised wording of an instrument in one language, as its rights holder gives it."""

    items: tuple[Text, ...]
    anchors: tuple[Text, ...] = Field(description="Of the responses, from the lowest value to the highest.")


class ScheduledInstrument(_Part):
    """An instrument and who fills it in when."""

    code: Literal["DCS", "SDM-Q-9", "SUS"]
    respondent: Literal["patient", "neurologist"]
    moments: tuple[Literal["before", "after"], ...] = Field(min_length=1, description="Around the consultation.")
    arms: tuple[Arm, ...] = (Arm.USE, Arm.USUAL)
    wording: dict[Literal["en", "fr"], Wording] = Field(
        default={}, description="Authorised wording by language; without it forms show paraphrases, for rehearsals."
    )

    @model_validator(mode="after")
    def _wording_is_whole(self) -> ScheduledInstrument:
        known = instrument(self.code)
        scale = known.highest - known.lowest + 1
        for language, words in self.wording.items():
            if (len(words.items), len(words.anchors)) != (known.length, scale):
                raise flaw("wording", language=language, instrument=self.code, items=known.length, anchors=scale)
        return self


class Endpoint(_Part):
    """An endpoint with its rank in the analysis."""

    name: Name
    measure: Measure
    role: Literal["primary", "secondary"]
    hypothesis: Text = Field(description="What is expected and why, in one sentence.")

    @property
    def kind(self) -> EndpointKind:
        """Scale of the endpoint."""
        return KIND_OF_MEASURE[self.measure]


class AnalysisPlan(_Part):
    """How the endpoints will be analysed."""

    alpha: float = Field(default=0.05, gt=0.0, le=0.2, description="Two-sided level of the primary analysis.")
    primary_model: Literal["mixed", "gee", "cluster_means"] = Field(
        default="mixed",
        description="Of every continuous endpoint: mixed, gee, or, for whole clusters, a t test of cluster means.",
    )
    multiplicity: Literal["holm", "hochberg", "hierarchical"] = Field(
        default="holm", description="For the secondary endpoints; hierarchical follows the order of the protocol."
    )
    imputations: int = Field(
        default=20, ge=5, le=100, description="For the sensitivity analysis of missing outcomes."
    )


class Consent(_Part):
    """The consent form that every patient reads; nothing is stored of those who do not consent."""

    version: str = Field(min_length=1, max_length=40)
    languages: tuple[Literal["en", "fr"], ...] = Field(default=("en", "fr"), min_length=1)


class Intervention(_Part):
    """The tool as the trial uses it, in the words of the reporting guidelines."""

    intended_use: Text
    users: Text
    integration: Text
    release: Text = Field(
        description="Version of the reference database, or how it is fixed before the first patient."
    )
    inputs: Text
    poor_inputs: Text = Field(description="What is done with poor or missing input.")
    outputs: Text
    contribution: Text = Field(description="How the output contributes to the decision.")
    training: Text
    errors: Text = Field(description="How errors and their harms are found and analysed.")
    access: Text = Field(description="Where the software can be had, under which licence.")


class Governance(_Part):
    """Registration, ethics, funding; stated as absent when there is none."""

    registration: Text
    ethics: Text
    funding: Text
    patient_involvement: Text
    conflicts: Text


class Protocol(_Part):
    """The whole protocol."""

    protocol: Literal[1] = Field(default=1, description="Version of this form.")
    code: Name
    version: str = Field(pattern=r"^\d+\.\d+$", description="Version that its authors give, such as 1.0.")
    title: Text
    rationale: Text
    objective: Text
    setting: Text
    inclusion: tuple[Text, ...] = Field(min_length=1)
    exclusion: tuple[Text, ...] = Field(min_length=1)
    sample_size: int = Field(ge=4, le=100_000, description="Consultations to randomise.")
    sample_size_reason: Text
    clusters: tuple[Cluster, ...] = Field(min_length=2, max_length=500)
    factors: tuple[Factor, ...] = Field(default=(), max_length=4)
    allocation: Allocation
    consent: Consent
    instruments: tuple[ScheduledInstrument, ...] = Field(min_length=1)
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)
    follow_up_months: tuple[int, ...] = Field(
        default=(6, 12, 18, 24), description="Outcome visits after consultation."
    )
    analysis: AnalysisPlan = AnalysisPlan()
    intervention: Intervention
    governance: Governance

    @model_validator(mode="after")
    def _holds_together(self) -> Protocol:
        faults = [*self._faults_of_design(), *self._faults_of_measurement()]
        if faults:
            raise flaws(faults)
        return self

    def _faults_of_design(self) -> list[Reason]:
        faults = [
            Reason("cluster_twice", {"cluster": code})
            for code, n in Counter(c.code for c in self.clusters).items()
            if n > 1
        ]
        factors = {factor.name for factor in self.factors}
        strangers = [name for name in self.allocation.stratify_by if name not in factors | {"cluster", "site"}]
        faults += [Reason("stratify_stranger", {"name": name}) for name in strangers]
        design = self.allocation.randomisation
        if not strangers and design is Randomisation.INDIVIDUAL and self._list_length > LONGEST_LIST:
            sizes = {"length": f"{self._list_length:,}", "most": f"{LONGEST_LIST:,}"}
            faults.append(Reason("list_too_long", sizes))
        if design is Randomisation.STEPPED_WEDGE and len(self.clusters) < self.allocation.periods - 1:
            faults.append(Reason("few_clusters_for_wedge"))
        if design is Randomisation.CLUSTER and len(self.clusters) < 4:
            faults.append(Reason("few_clusters"))
        return faults

    @property
    def _list_length(self) -> int:
        """Allocations of all strata together: each stratum must be able to take every patient."""
        by = self.allocation.stratify_by
        places = (
            len(self.clusters) if "cluster" in by else len({c.site for c in self.clusters}) if "site" in by else 1
        )
        return math.prod((places, self.sample_size, *(len(f.levels) for f in self.factors if f.name in by)))

    def _faults_of_measurement(self) -> list[Reason]:
        faults: list[Reason] = []
        if sum(endpoint.role == "primary" for endpoint in self.endpoints) != 1:
            return [Reason("one_primary")]
        if len({endpoint.name for endpoint in self.endpoints}) != len(self.endpoints):
            faults.append(Reason("endpoint_twice"))
        if len({(i.code, i.respondent) for i in self.instruments}) != len(self.instruments):
            faults.append(Reason("instrument_twice"))
        faults += [
            Reason("wording_language", {"instrument": i.code, "language": language})
            for i in self.instruments
            for language in (self.consent.languages if i.wording else ())
            if language not in i.wording
        ]
        after = {i.code for i in self.instruments if "after" in i.moments and set(i.arms) == set(Arm)}
        needed = {Measure.DECISIONAL_CONFLICT: "DCS", Measure.SHARED_DECISION: "SDM-Q-9"}
        faults += [
            Reason("endpoint_needs", {"endpoint": endpoint.name, "instrument": needed[endpoint.measure]})
            for endpoint in self.endpoints
            if endpoint.measure in needed and needed[endpoint.measure] not in after
        ]
        months = self.follow_up_months
        if list(months) != sorted(set(months)) or any(not 1 <= month <= 120 for month in months):
            faults.append(Reason("months_rise"))
        model = self.analysis.primary_model
        if self.primary.kind is not EndpointKind.CONTINUOUS and model != "gee":
            faults.append(Reason("needs_gee"))
        if model == "cluster_means" and self.allocation.randomisation is not Randomisation.CLUSTER:
            faults.append(Reason("means_of_clusters"))
        return faults

    @property
    def primary(self) -> Endpoint:
        """The primary endpoint."""
        return next(endpoint for endpoint in self.endpoints if endpoint.role == "primary")

    @property
    def secondary(self) -> tuple[Endpoint, ...]:
        """The secondary endpoints, in the order of the protocol."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.role == "secondary")

    def cluster(self, code: str) -> Cluster:
        """Return the cluster of a code.

        Raises
        ------
        InvalidInput
            If the protocol has none of that code.
        """
        for cluster in self.clusters:
            if cluster.code == code:
                return cluster
        raise invalid("cluster", "no_cluster", ", ".join(c.code for c in self.clusters), cluster=code)

    def document(self) -> dict[str, Any]:
        """Return the protocol as plain data."""
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """SHA-256 of the content: two protocols with the same digest are the same protocol.

        Fields at their default are left out, so that a later version of this software, with more fields, still gives
        the digest that an open trial was committed to. For that the defaults of a form's version never change.
        """
        content = self.model_dump(mode="json", exclude_defaults=True)
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def parse_protocol(document: object) -> Protocol:
    """Return a protocol from plain data.

    Raises
    ------
    InvalidInput
        Naming every field that cannot be used.
    """
    try:
        return Protocol.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(tuple(faults_of(error, whole="protocol"))) from error


def read_protocol(path: Path) -> Protocol:
    """Return the protocol of a YAML or JSON file.

    Raises
    ------
    InvalidInput
        If the file is missing, is not YAML, or is not a protocol.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput.of(
            str(path), "cannot be read; `cdss evaluation protocol FILE` writes an example"
        ) from error
    return protocol_of_text(text, name=str(path))


def protocol_of_text(text: str, *, name: str) -> Protocol:
    """Return the protocol of a YAML or JSON text; `name` is what a fault calls it.

    Raises
    ------
    InvalidInput
        If it is not YAML, or is not a protocol.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise invalid(name, "not_yaml") from error
    return parse_protocol(document)
