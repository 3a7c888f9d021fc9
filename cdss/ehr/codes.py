"""The codes by which records name what we read, and how far each is trusted.

Verified codes were read in published value sets or in public code that runs on them; unverified ones come from
general knowledge and are used with a note in the mapping report. There is no standard code for lesion and relapse
counts: the service publishes its own under ``/fhir/CodeSystem``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from reference_db.vocabulary import Phenotype, PriorTreatment

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
UCUM = "http://unitsofmeasure.org"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"

_SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "atc": (ATC, "https://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73", "http://fhir.de/CodeSystem/bfarm/atc"),
    "rxnorm": (RXNORM, "urn:oid:2.16.840.1.113883.6.88"),
    "snomed": (SNOMED, "urn:oid:2.16.840.1.113883.6.96"),
    "loinc": (LOINC, "urn:oid:2.16.840.1.113883.6.1"),
    "icd-10": (ICD_10, ICD_10_CM, "urn:oid:2.16.840.1.113883.6.3",
               "urn:oid:2.16.840.1.113883.6.90"),
    "icd-9": ("http://hl7.org/fhir/sid/icd-9-cm", "urn:oid:2.16.840.1.113883.6.103"),
    "icpc-2": ("http://hl7.org/fhir/sid/icpc-2", "urn:oid:2.16.840.1.113883.6.139"),
    "ucum": (UCUM,),
}  # fmt: skip
_SYSTEM_OF = {uri: name for name, uris in _SYSTEMS.items() for uri in uris}
_LOOSE = (("icd-10", "icd-10"), ("icd10", "icd-10"), ("snomed", "snomed"), ("rxnorm", "rxnorm"), ("loinc", "loinc"),
          ("whocc", "atc"), ("/atc", "atc"))  # fmt: skip


@cache
def system_named(uri: str) -> str:
    """Return the short name of a code system; empty when it is none of the standard ones.

    Versions, national editions and the loose spellings of export files are taken for the system that they mean.

    >>> system_named("http://snomed.info/sct/900000000000207008"), system_named("http://example.org/local")
    ('snomed', '')
    """
    known = _SYSTEM_OF.get(uri)
    if known is not None:
        return known
    loose = uri.casefold()
    if loose == "atc":
        return "atc"
    return next((name for part, name in _LOOSE if part in loose), "")


EDSS_SNOMED = "273554001"
EDSS_LOINC_PART = (LOINC, "LP241977-0")
"""A LOINC *Part*: it is not a code of an observation and is never read as one."""

RELAPSE_SNOMED = "192929006"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a code of a condition says: multiple sclerosis of a course, or of none in particular."""

    course: Phenotype | None
    verified: bool = True


SNOMED_DIAGNOSES: Mapping[str, Diagnosis] = {
    "24700007": Diagnosis(None),
    "192928003": Diagnosis(None),
    "426373005": Diagnosis(Phenotype.RRMS),
    "425500002": Diagnosis(Phenotype.SPMS),
    "428700003": Diagnosis(Phenotype.PPMS),
    "445967004": Diagnosis(Phenotype.CIS, verified=False),
}

_ICD_10_CM_2026 = (("G35A", Phenotype.RRMS), ("G35B", Phenotype.PPMS), ("G35C", Phenotype.SPMS), ("G35D", None))


def icd_10_diagnosis(code: str) -> Diagnosis | None:
    """Return what an ICD-10 code, of whichever national edition, says; None when it is not multiple sclerosis.

    >>> icd_10_diagnosis("G35"), icd_10_diagnosis("G36.0")
    (Diagnosis(course=None, verified=True), None)
    """
    plain = code.upper().replace(".", "").strip("+*!- ")
    if plain == "G35":
        return Diagnosis(None)
    for prefix, course in _ICD_10_CM_2026:
        if plain.startswith(prefix):
            return Diagnosis(course, verified=False)
    # National editions subdivide G35 by course in other ways (G35.1 in the German one): only the disease is sure.
    return Diagnosis(None) if plain.startswith("G35") else None


def diagnosis_coded(system: str, code: str) -> Diagnosis | None:
    """Return what the code of a condition says; None when it is not multiple sclerosis.

    A code without a system is read where it cannot be mistaken.
    """
    name = system_named(system)
    if name in ("snomed", "") and code in SNOMED_DIAGNOSES:
        return SNOMED_DIAGNOSES[code]
    if name == "icd-10" or (not system and code.upper().startswith("G35")):
        return icd_10_diagnosis(code)
    if (name, code.upper()) in {("icd-9", "340"), ("icpc-2", "N86")}:
        return Diagnosis(None)
    return None


COURSE_WORDS: tuple[tuple[re.Pattern[str], Phenotype], ...] = (
    (re.compile(r"\b(sp ?ms|secondary progressive|secondairement progressive|sekundar progredient\w*)\b"),
     Phenotype.SPMS),
    (re.compile(r"\b(pp ?ms|primary progressive|progressive primaire|primaire progressive|primar progredient\w*)\b"),
     Phenotype.PPMS),
    (re.compile(r"\b(rr ?ms|relapsing (and )?remitting|recurrente? remittente?|remittente|schubformig\w*)\b"),
     Phenotype.RRMS),
    (re.compile(r"\b(clinically isolated (syndrome|demyelinating)\w*|syndrome cliniquement isole)\b"), Phenotype.CIS),
)  # fmt: skip
"""Words of folded text that name a course."""

DISEASE_WORDS = re.compile(
    r"\b(multiple sclerosis|sclerose en plaques|multiple sklerose|encephalomyelitis disseminata)\b"
)
RELAPSE_WORDS = re.compile(
    r"\b((exacerbation|relapse|flare|attack) of (\w+ )*multiple sclerosis"
    r"|(ms|multiple sclerosis) (relapse|exacerbation)|poussee (de|d une) sclerose en plaques)\b"
)
NOT_THE_PATIENTS = re.compile(
    r"\b(family history|antecedents? familia\w+|history of multiple sclerosis in|suspected|suspicion|rule out"
    r"|exclu\w*|screening|no evidence|no history|risk of|fear of|mother|father|sister|brother)\b"
)
"""Words that make a mention of the disease something else than a diagnosis of this patient."""


@dataclass(frozen=True, slots=True)
class LocalCode:
    """A code of our own code system for observations."""

    code: str
    display: str
    definition: str
    feature: str | None


LOCAL_CODES: Mapping[str, LocalCode] = {
    code.code: code
    for code in (
        LocalCode(
            "edss",
            "Expanded Disability Status Scale",
            "Total EDSS: 0, then 1.0 to 10.0 by 0.5. Prefer SNOMED CT 273554001.",
            "edss",
        ),
        LocalCode(
            "ms-course",
            "Clinical course of multiple sclerosis",
            "CIS, RRMS, SPMS or PPMS, as a coded value or as text.",
            "phenotype",
        ),
        LocalCode(
            "mri-gd-lesion-count",
            "Number of T1 gadolinium-enhancing lesions",
            "Count on one scan of the brain, as an integer.",
            "gd_lesions",
        ),
        LocalCode(
            "mri-t2-lesion-count",
            "Number of T2 lesions",
            "Count on one scan of the brain, as an integer, a range, or one of 0-2, 3-9, 10-20, >20.",
            "t2_lesions",
        ),
        LocalCode(
            "mri-new-t2-lesion-count",
            "Number of new or enlarging T2 lesions",
            "Count against the scan before, as an integer. Drawn with the patient's own course only.",
            "new_t2_lesions",
        ),
        LocalCode(
            "relapse-count-12m",
            "Number of relapses in the last 12 months",
            "Count up to the date of the observation. Prefer one Condition per relapse (SNOMED CT 192929006).",
            "relapses_12m",
        ),
        LocalCode(
            "relapse-count-24m",
            "Number of relapses in the last 24 months",
            "Count up to the date of the observation. Prefer one Condition per relapse (SNOMED CT 192929006).",
            "relapses_24m",
        ),
    )
}

OTHER_TREATMENTS: Mapping[str, tuple[tuple[str, ...], PriorTreatment]] = {
    "alemtuzumab": (("L04AG06", "L04AA34", "lemtrada", "alemtuzumab"), PriorTreatment.HIGH_EFFICACY),
    "mitoxantrone": (("L01DB07", "mitoxantrone"), PriorTreatment.HIGH_EFFICACY),
    "daclizumab": (("L04AC01", "zinbryta", "daclizumab"), PriorTreatment.HIGH_EFFICACY),
    "azathioprine": (("L04AX01", "azathioprine", "imurel", "imuran"), PriorTreatment.MODERATE_EFFICACY),
}
"""Treatments of multiple sclerosis outside the eight classes: they count as taken before, and are never projected."""
