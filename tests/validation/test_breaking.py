"""A broken release fails where it is broken; what rests on that fails as a consequence, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar.episodes import anonymise_episodes
from validation.efficacy import efficacy
from validation.material import Material
from validation.multivariate import multivariate
from validation.result import Section, Verdict, attribute_failures
from validation.structure import structure
from validation.univariate import univariate

Make = Callable[[pd.DataFrame], Material]


def _verdicts(material: Material) -> dict[str, Verdict]:
    sections: list[Section] = [step(material) for step in (structure, univariate, multivariate, efficacy)]
    return {section.name: section.verdict for section in attribute_failures(sections)}


def _roots(material: Material) -> set[str]:
    return {name for name, verdict in _verdicts(material).items() if verdict is Verdict.FAILED}


def test_avatars_as_they_are_made_pass(material: Material) -> None:
    assert set(_verdicts(material).values()) == {Verdict.PASSED}


def test_shuffled_treatment_labels_fail_efficacy_only(material_of: Make, avatars: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    table = avatars.copy()
    for _, labels in table.groupby("source")["treatment"]:
        table.loc[labels.index, "treatment"] = rng.permutation(labels.to_numpy())
    assert _roots(material_of(table)) == {"efficacy"}


def test_a_relapse_column_shifted_by_one_fails_the_margins_only(material_of: Make, avatars: pd.DataFrame) -> None:
    table = avatars.assign(relapses_12=avatars["relapses_12"] + 1)
    assert _roots(material_of(table)) == {"univariate"}


def test_a_column_shifted_by_rows_fails_the_associations_only(material_of: Make, avatars: pd.DataFrame) -> None:
    """Its margin is untouched, but it goes with nothing any more."""
    table = avatars.sort_values(["source", "arm"], kind="stable").reset_index(drop=True)
    # Sources are blocks of the sorted table, so each is turned on itself.
    order = np.concatenate([np.roll(rows, 7) for rows in table.groupby("source").indices.values()])
    table["gd_lesions"] = table["gd_lesions"].array[order]
    assert _roots(material_of(table)) == {"multivariate"}


def test_far_too_many_neighbours_fail_the_associations_only(material_of: Make, material: Material) -> None:
    original = material.original.table
    parts = [
        anonymise_episodes(arm, k=min(2000, len(arm) - 1), rng=np.random.default_rng(2)).table
        for _, arm in original.groupby(["source", "arm"])
    ]
    assert _roots(material_of(pd.concat(parts, ignore_index=True))) == {"multivariate"}


@pytest.mark.parametrize(
    ("breakage", "check"),
    [
        (lambda table: table.drop(columns="sex"), "columns"),
        (lambda table: table.assign(age=table["age"].astype("float32")), "types"),
        (lambda table: table.assign(arm=table["arm"].mask(table["source"] == "CLARITY", "placebo")), "rows"),
        (lambda table: table.assign(edss_12=table["edss_12"].mask(table["edss_12"] > 2)), "missingness"),
        (lambda table: table.assign(relapses_12m=table["relapses_24m"] + 1), "rules"),
        (lambda table: table.assign(prior_treatment="homeopathy"), "new_levels"),
        (lambda table: table.assign(age=table["age"] + 30), "out_of_range"),
    ],
)
def test_structure_names_what_is_broken(
    material_of: Make, avatars: pd.DataFrame, breakage: Callable[[pd.DataFrame], pd.DataFrame], check: str
) -> None:
    section = structure(material_of(breakage(avatars.copy())))
    failed = {one.name for one in section.checks if one.verdict is Verdict.FAILED}
    assert check in failed
