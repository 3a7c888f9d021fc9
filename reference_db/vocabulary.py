"""The words of the field that appear in data: treatments, phenotypes, drugs.

Values are the words as a neurologist would read them; they are what tables, JSON and screens carry.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources


class Treatment(StrEnum):
    """The eight classes of disease-modifying treatment, and none.

    Placebo (trials) and untreated (registries) are one class here and kept apart by source and phenotype: placebo
    arms of different phenotypes are never pooled, because selection filters on phenotype.
    """

    BETA_INTERFERON = "beta interferon"
    DIMETHYL_FUMARATE = "dimethyl fumarate"
    NATALIZUMAB = "natalizumab"
    CLADRIBINE = "cladribine"
    GLATIRAMER_ACETATE = "glatiramer acetate"
    TERIFLUNOMIDE = "teriflunomide"
    ANTI_CD20 = "anti-CD20"
    S1P_MODULATOR = "S1P modulator"
    UNTREATED = "placebo or untreated"


ACTIVE_TREATMENTS: tuple[Treatment, ...] = tuple(t for t in Treatment if t is not Treatment.UNTREATED)


class Phenotype(StrEnum):
    """Clinical course: clinically isolated syndrome, relapsing-remitting, secondary and primary progressive."""

    CIS = "CIS"
    RRMS = "RRMS"
    SPMS = "SPMS"
    PPMS = "PPMS"


class Sex(StrEnum):
    """Sex as recorded by the source."""

    FEMALE = "female"
    MALE = "male"


class SourceKind(StrEnum):
    """Whether patients were randomised (trial) or treated by indication (registry)."""

    TRIAL = "trial"
    REGISTRY = "registry"


class T2Load(StrEnum):
    """Number of T2 lesions on the baseline MRI, in the bins that reports use; ordered."""

    UP_TO_2 = "0-2"
    FROM_3_TO_9 = "3-9"
    FROM_10_TO_20 = "10-20"
    MORE_THAN_20 = ">20"

    @classmethod
    def of_count(cls, count: int) -> T2Load:
        """Return the bin of a lesion count.

        >>> T2Load.of_count(12)
        <T2Load.FROM_10_TO_20: '10-20'>
        """
        if count <= 2:
            return cls.UP_TO_2
        if count <= 9:
            return cls.FROM_3_TO_9
        return cls.FROM_10_TO_20 if count <= 20 else cls.MORE_THAN_20


class PriorTreatment(StrEnum):
    """The strongest disease-modifying treatment taken before baseline; ordered."""

    NONE = "none"
    MODERATE_EFFICACY = "moderate efficacy"
    HIGH_EFFICACY = "high efficacy"


HIGH_EFFICACY: frozenset[Treatment] = frozenset(
    {Treatment.NATALIZUMAB, Treatment.CLADRIBINE, Treatment.ANTI_CD20, Treatment.S1P_MODULATOR}
)


@dataclass(frozen=True, slots=True)
class Drug:
    """A disease-modifying molecule with the names and codes under which sources record it.

    Attributes
    ----------
    molecule : str
        International non-proprietary name, with the route where it tells products apart.
    treatment : Treatment
        Its class.
    brands : tuple of str
        Trade names.
    atc : tuple of str
        ATC codes, the current one first, then the former ones (the L04 group was re-cut in 2024).
    rxnorm, rxnorm_unverified : tuple of str
        RxNorm identifiers of the ingredient: those read in published code that runs on them, and those still to be
        checked against RxNorm where the system is installed.
    """

    molecule: str
    treatment: Treatment
    brands: tuple[str, ...]
    atc: tuple[str, ...]
    rxnorm: tuple[str, ...] = ()
    rxnorm_unverified: tuple[str, ...] = ()


@cache
def drugs() -> tuple[Drug, ...]:
    """Return every known drug, as listed in ``reference_db/drugs.csv``."""
    text = resources.files("reference_db").joinpath("drugs.csv").read_text(encoding="utf-8")
    return tuple(
        Drug(
            molecule=row["molecule"],
            treatment=Treatment(row["treatment"]),
            brands=_listed(row["brands"]),
            atc=_listed(row["atc"]),
            rxnorm=_listed(row["rxnorm"]),
            rxnorm_unverified=_listed(row["rxnorm_unverified"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split("|")))


@cache
def _names() -> dict[str, Treatment]:
    names: dict[str, Treatment] = {treatment.value.casefold(): treatment for treatment in Treatment}
    for drug in drugs():
        for name in (drug.molecule, *drug.brands, *drug.atc):
            names[name.casefold()] = drug.treatment
    return names


def treatment_named(text: str) -> Treatment | None:
    """Return the treatment class of a class, molecule, brand or ATC code, whatever its case; None when unknown.

    >>> treatment_named("Tysabri")
    <Treatment.NATALIZUMAB: 'natalizumab'>
    >>> treatment_named("L04AA27")  # fingolimod before 2024
    <Treatment.S1P_MODULATOR: 'S1P modulator'>
    """
    return _names().get(text.strip().casefold())
