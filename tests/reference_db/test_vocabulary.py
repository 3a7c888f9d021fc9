"""The words of the field."""

import pytest

from reference_db.vocabulary import ACTIVE_TREATMENTS, T2Load, Treatment, drugs, treatment_named


def test_every_class_but_untreated_has_a_drug() -> None:
    assert {drug.treatment for drug in drugs()} == set(ACTIVE_TREATMENTS)
    assert len(ACTIVE_TREATMENTS) == 8


def test_no_name_or_code_stands_for_two_drugs() -> None:
    names = [name.casefold() for drug in drugs() for name in (drug.molecule, *drug.brands, *drug.atc)]
    duplicates = {name for name in names if names.count(name) > 1}
    # The class and the molecule of dimethyl fumarate share a name, which is not a conflict within the drugs.
    assert duplicates == set()


@pytest.mark.parametrize(
    ("text", "treatment"),
    [
        ("Ocrevus", Treatment.ANTI_CD20),
        (" l04aa36 ", Treatment.ANTI_CD20),
        ("L04AG08", Treatment.ANTI_CD20),
        ("FINGOLIMOD", Treatment.S1P_MODULATOR),
        ("L04AA27", Treatment.S1P_MODULATOR),
        ("N07XX09", Treatment.DIMETHYL_FUMARATE),
        ("beta interferon", Treatment.BETA_INTERFERON),
        ("aspirin", None),
        ("", None),
    ],
)
def test_class_molecule_brand_and_code_are_recognised(text: str, treatment: Treatment | None) -> None:
    assert treatment_named(text) is treatment


@pytest.mark.parametrize(
    ("count", "load"), [(0, "0-2"), (2, "0-2"), (3, "3-9"), (9, "3-9"), (10, "10-20"), (20, "10-20"), (21, ">20")]
)
def test_lesion_counts_fall_into_their_bin(count: int, load: str) -> None:
    assert T2Load.of_count(count) == load
