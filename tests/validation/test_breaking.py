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


Failures = set[tuple[str, str]]
"""Sections with their checks that fail by themselves, not as a consequence."""


def _failures(material: Material) -> Failures:
    sections: list[Section] = [step(material) for step in (structure, univariate, multivariate, efficacy)]
    return {
        (section.name, one.name)
        for section in attribute_failures(sections)
        for one in section.checks
        if one.verdict is Verdict.FAILED
    }


@pytest.fixture(scope="module")
def intact(material: Material) -> Failures:
    """What avatars as they are made miss: breakages are judged by what they add."""
    return _failures(material)


def _sections(failures: Failures) -> set[str]:
    return {section for section, _ in failures}


def test_avatars_as_they_are_made_keep_form_margins_and_endpoints(intact: Failures) -> None:
    assert not _sections(intact) & {"structure", "univariate", "efficacy"}


def test_shuffled_treatment_labels_fail_efficacy_only(
    material_of: Make, avatars: pd.DataFrame, intact: Failures
) -> None:
    rng = np.random.default_rng(0)
    table = avatars.copy()
    for _, labels in table.groupby("source")["treatment"]:
        table.loc[labels.index, "treatment"] = rng.permutation(labels.to_numpy())
    added = _failures(material_of(table)) - intact
    assert ("efficacy", "endpoints_replicated") in added
    assert ("efficacy", "indication_kept") in added
    assert _sections(added) == {"efficacy"}


def test_a_relapse_column_shifted_by_one_fails_the_margins_only(
    material_of: Make, avatars: pd.DataFrame, intact: Failures
) -> None:
    table = avatars.assign(relapses_12=avatars["relapses_12"] + 1)
    assert _sections(_failures(material_of(table)) - intact) == {"univariate"}


def test_a_column_shifted_by_rows_fails_the_associations_only(
    material_of: Make, avatars: pd.DataFrame, intact: Failures
) -> None:
    """Its margin is untouched, but it goes with nothing any more."""
    table = avatars.sort_values(["source", "arm"], kind="stable").reset_index(drop=True)
    # Sources are blocks of the sorted table, so each is turned on itself.
    order = np.concatenate([np.roll(rows, 7) for rows in table.groupby("source").indices.values()])
    table["gd_lesions"] = table["gd_lesions"].array[order]
    added = _failures(material_of(table)) - intact
    assert ("multivariate", "kept_lowest") in added
    assert _sections(added) == {"multivariate"}


def test_far_too_many_neighbours_fail_the_associations_only(
    material_of: Make, material: Material, intact: Failures
) -> None:
    original = material.original.table
    parts = [
        anonymise_episodes(arm, k=min(2000, len(arm) - 1), rng=np.random.default_rng(2)).table
        for _, arm in original.groupby(["source", "arm"])
    ]
    added = _failures(material_of(pd.concat(parts, ignore_index=True))) - intact
    assert _sections(added) == {"multivariate"}


def test_edss_rounded_down_to_whole_points_fails_the_margins_only(
    material_of: Make, avatars: pd.DataFrame, intact: Failures
) -> None:
    table = avatars.copy()
    for name in [name for name in table.columns if name.startswith("edss_")]:
        table[name] = np.floor(table[name])
    assert _sections(_failures(material_of(table)) - intact) == {"univariate"}


def test_an_arm_that_was_dropped_fails_structure_only(
    material_of: Make, avatars: pd.DataFrame, intact: Failures
) -> None:
    table = avatars[~((avatars["source"] == "CLARITY") & (avatars["arm"] == "placebo"))]
    added = _failures(material_of(table)) - intact
    assert ("structure", "rows") in added
    assert _sections(added) == {"structure"}


def test_missing_values_that_were_filled_fail_structure_only(
    material_of: Make, avatars: pd.DataFrame, intact: Failures
) -> None:
    filled = avatars.copy()
    filled["gd_24"] = filled["gd_24"].fillna(filled["gd_24"].median().round())
    added = _failures(material_of(filled)) - intact
    assert ("structure", "missingness") in added
    assert _sections(added) == {"structure"}


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
