"""From medication statements, requests and administrations to the treatments of the disease taken so far."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from cdss.ehr.codes import OTHER_TREATMENTS, system_named
from cdss.ehr.elements import Json, codings, first, folded, moment, objects, text, words
from cdss.ehr.mapping_report import MappingReport
from reference_db.vocabulary import HIGH_EFFICACY, PriorTreatment, Treatment, drugs

MEDICATION_TYPES = ("MedicationStatement", "MedicationRequest", "MedicationAdministration")

_NOT_TAKEN = frozenset({"entered-in-error", "not-taken", "not-done", "cancelled", "draft", "intended", "unknown"})
_FOLLOWED = re.compile(r"Medication/(?!\.*$)[A-Za-z0-9.\-]{1,64}")
_NOT_AN_ORDER = frozenset({"proposal", "plan", "option"})
_MORE_NAMES: Mapping[str, Treatment] = {
    "glatiramer": Treatment.GLATIRAMER_ACETATE,
    "glatiramere": Treatment.GLATIRAMER_ACETATE,
    "interferon beta": Treatment.BETA_INTERFERON,
    "peginterferon beta": Treatment.BETA_INTERFERON,
    "fumarate de dimethyle": Treatment.DIMETHYL_FUMARATE,
    "fumarate de diroximel": Treatment.DIMETHYL_FUMARATE,
}
"""Names beside those of the drug list, folded: short and French forms."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A treatment of multiple sclerosis that a medication resource names.

    Attributes
    ----------
    treatment : Treatment or None
        Its class; None for one outside the eight classes.
    efficacy : PriorTreatment
    name : str
        The molecule, brand or class by which it was recognised.
    verified : bool
        Whether the code by which it was recognised is a verified one.
    """

    treatment: Treatment | None
    efficacy: PriorTreatment
    name: str
    verified: bool = True


def _taken(treatment: Treatment, name: str, *, verified: bool = True) -> Taken:
    efficacy = PriorTreatment.HIGH_EFFICACY if treatment in HIGH_EFFICACY else PriorTreatment.MODERATE_EFFICACY
    return Taken(treatment, efficacy, name, verified)


@cache
def _by_code() -> dict[tuple[str, str], Taken]:
    """Return what each code names; the key begins with ``atc`` or ``rxnorm``."""
    known: dict[tuple[str, str], Taken] = {}
    for drug in drugs():
        known |= {("atc", code): _taken(drug.treatment, drug.molecule) for code in drug.atc}
        known |= {("rxnorm", code): _taken(drug.treatment, drug.molecule) for code in drug.rxnorm}
        known |= {
            ("rxnorm", code): _taken(drug.treatment, drug.molecule, verified=False) for code in drug.rxnorm_unverified
        }
    for molecule, (names, efficacy) in OTHER_TREATMENTS.items():
        known |= {("atc", name): Taken(None, efficacy, molecule) for name in names if name.isupper()}
    return known


@cache
def _by_name() -> tuple[re.Pattern[str], dict[str, Taken]]:
    known = {folded(name): _taken(treatment, name) for name, treatment in _MORE_NAMES.items()}
    for drug in drugs():
        known |= {folded(name): _taken(drug.treatment, name) for name in (drug.molecule, *drug.brands)}
    for molecule, (names, efficacy) in OTHER_TREATMENTS.items():
        known |= {name: Taken(None, efficacy, molecule) for name in names if not name.isupper()}
    longest_first = sorted(known, key=len, reverse=True)
    return re.compile(r"(?<!\w)(" + "|".join(map(re.escape, longest_first)) + r")(?!\w)"), known


def treatments_named(concepts: Iterable[object]) -> tuple[tuple[Taken, ...], tuple[Taken, ...]]:
    """Return the treatments that concepts name, by code and by words."""
    by_code: list[Taken] = []
    by_words: list[Taken] = []
    pattern, known = _by_name()
    for concept in concepts:
        for coding in codings(concept):
            system = system_named(coding.system)
            taken = _by_code().get((system, coding.code.upper() if system == "atc" else coding.code))
            if taken is not None:
                by_code.append(taken)
        by_words += [known[name] for name in pattern.findall(words(concept))]
    return tuple(by_code), tuple(by_words)


def treatment_of(medication: Json, library: Mapping[str, Json], report: MappingReport) -> Taken | None:
    """Return the treatment of multiple sclerosis that a medication resource is about; None when it is about none.

    Parameters
    ----------
    medication : mapping
        A MedicationStatement, MedicationRequest or MedicationAdministration.
    library : mapping of str to mapping
        Medication resources by reference.
    report : MappingReport
        Receives what is ambiguous.
    """
    by_code, by_words = treatments_named(_concepts(medication, library))
    found = by_code or by_words
    if not found:
        return None
    if len({taken.treatment for taken in (*by_code, *by_words)}) > 1:
        names = sorted({taken.name for taken in (*by_code, *by_words)})
        report.ambiguous(
            "prior_treatment", medication, f"names several treatments, and is not used: {', '.join(names)}"
        )
        return None
    best = next((taken for taken in found if taken.verified), found[0])
    if not best.verified and not by_words:
        report.ambiguous("prior_treatment", medication, f"{best.name}, by an RxNorm code that is not verified")
    return best


def _concepts(medication: Json, library: Mapping[str, Json]) -> list[object]:
    concepts: list[object] = [medication.get("medicationCodeableConcept")]
    # R5 wraps both forms into one element; records of that version are met behind R4 doors.
    wrapped = first(medication.get("medication"))
    concepts.append(wrapped.get("concept"))
    for reference in (first(medication.get("medicationReference")), first(wrapped.get("reference"))):
        concepts.append({"text": text(reference.get("display"))})
        target = _target(reference)
        contained = {f"#{text(inner.get('id'))}": inner for inner in objects(medication.get("contained"))}
        found = contained.get(target) or library.get(target) or library.get("/".join(target.split("/")[-2:]))
        if found is not None:
            concepts.append(found.get("code"))
            concepts += [ingredient.get("itemCodeableConcept") for ingredient in objects(found.get("ingredient"))]
    return concepts


def library_of(resources: Iterable[Json]) -> dict[str, Json]:
    """Return the Medication resources among others, by the reference that names them."""
    return {
        f"Medication/{text(one.get('id'))}": one
        for one in resources
        if text(one.get("resourceType")) == "Medication" and text(one.get("id"))
    }


def read_medications(
    medications: Sequence[Json], library: Mapping[str, Json], *, today: date, report: MappingReport
) -> PriorTreatment | None:
    """Return the strongest treatment taken so far.

    ``none`` needs a record of medication that names no treatment of multiple sclerosis; without any medication at
    all, or with one whose substance is not said (a reference that leads nowhere), nothing is known.
    """
    efficacies: list[PriorTreatment] = []
    others = unsaid = 0
    for medication in medications:
        taken = treatment_of(medication, library, report)
        if taken is None and not _says_something(medication, library):
            unsaid += 1
            report.ignored("prior_treatment", medication, "does not say of what substance, or where that is not sent")
            continue
        if taken is None:
            others += 1
            report.passed_over(medication)
            continue
        reason = _not_taken(medication, today)
        if reason:
            report.ignored("prior_treatment", medication, f"{taken.name}: {reason}")
            continue
        report.used("prior_treatment", medication, f"{taken.name}: {taken.efficacy}")
        efficacies.append(taken.efficacy)
    if efficacies:
        return max(efficacies, key=list(PriorTreatment).index)
    if others and not unsaid:
        report.ambiguous(
            "prior_treatment", {}, f"taken as none: {others} medications are recorded, none for multiple sclerosis"
        )
        return PriorTreatment.NONE
    return None


def reference_to_follow(medication: Json, library: Mapping[str, Json]) -> str:
    """Return ``Medication/id`` where nothing but that resource, which is not in the library, can name the substance.

    Empty when the substance is said already, or the reference is none that could be read.
    """
    if text(medication.get("resourceType")) not in MEDICATION_TYPES or _says_something(medication, library):
        return ""
    wrapped = first(first(medication.get("medication")).get("reference"))
    references = (first(medication.get("medicationReference")), wrapped)
    named = ("/".join(_target(one).split("/")[-2:]) for one in references)
    return next(filter(_FOLLOWED.fullmatch, named), "")


def _target(reference: Json) -> str:
    """Return what a reference names, whichever version of it."""
    return text(reference.get("reference")).split("/_history/")[0]


def _says_something(medication: Json, library: Mapping[str, Json]) -> bool:
    concepts = _concepts(medication, library)
    return any(codings(concept) or words(concept) for concept in concepts)


def _not_taken(medication: Json, today: date) -> str:
    status = text(medication.get("status"))
    if status in _NOT_TAKEN:
        return f"its status is {status}"
    if text(medication.get("intent")) in _NOT_AN_ORDER:
        return f"its intent is {text(medication.get('intent'))}"
    if medication.get("doNotPerform") is True:
        return "an order not to give it"
    start = next(
        filter(
            None,
            (
                moment(first(medication.get("effectivePeriod")).get("start")),
                moment(medication.get("effectiveDateTime")),
                moment(medication.get("authoredOn")),
            ),
        ),
        None,
    )
    return "begins after today" if start is not None and start.day > today else ""
