"""A broken release fails where it is broken; what rests on that fails as a consequence, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar.episodes import anonymise_episodes
from validation.attribution import added_failures, attribute_failures
from validation.efficacy import efficacy
from validation.material import Material
from validation.multivariate import multivariate
from validation.result import Miss, Section, ValidationReport, Verdict
from validation.structure import structure
from validation.univariate import univariate

Make = Callable[[pd.DataFrame], Material]


STEPS = (structure, univariate, multivariate, efficacy)


def _judged(material: Material, *steps: Callable[[Material], Section]) -> ValidationReport:
    sections = [step(material) for step in steps or STEPS]
    return ValidationReport("made-up", True, 1, 1, 1, attribute_failures(sections))


@pytest.fixture(scope="module")
def intact(material: Material) -> ValidationReport:
    """What avatars as they are made miss: breakages are judged by what they add."""
    return _judged(material)


def _added(material: Material, base: ValidationReport) -> dict[str, dict[str, tuple[Miss, ...]]]:
    """Return what fails by itself and not in the base: what misses the target, by check and section."""
    found: dict[str, dict[str, tuple[Miss, ...]]] = {}
    for section in added_failures(_judged(material), base):
        for one in section.checks:
            if one.verdict is Verdict.FAILED:
                found.setdefault(section.name, {})[one.name] = one.misses
    return found


def test_avatars_as_they_are_made_keep_form_and_endpoints(intact: ValidationReport) -> None:
    assert not [one.name for name in ("structure", "efficacy") for one in intact.section(name).checks if one.misses]


def test_shuffled_treatment_labels_fail_efficacy_only(
    material_of: Make, avatars: pd.DataFrame, intact: ValidationReport
) -> None:
    rng = np.random.default_rng(0)
    table = avatars.copy()
    for _, labels in table.groupby("source")["treatment"]:
        table.loc[labels.index, "treatment"] = rng.permutation(labels.to_numpy())
    added = _added(material_of(table), intact)
    assert added.keys() == {"efficacy"}
    assert added["efficacy"].keys() >= {"endpoints_replicated", "indication_kept"}


def test_a_relapse_column_shifted_by_one_fails_the_margins_only(
    material_of: Make, avatars: pd.DataFrame, intact: ValidationReport
) -> None:
    table = avatars.assign(relapses_12=avatars["relapses_12"] + 1)
    added = _added(material_of(table), intact)
    assert added.keys() == {"univariate"}, added


def _turned(avatars: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return avatars of which one column is turned by some rows, within each source."""
    table = avatars.sort_values(["source", "arm"], kind="stable").reset_index(drop=True)
    # Sources are blocks of the sorted table, so each is turned on itself.
    order = np.concatenate([np.roll(rows, 7) for rows in table.groupby("source").indices.values()])
    table[column] = table[column].array[order]
    return table


def test_a_column_shifted_by_rows_fails_the_associations_only(
    material_of: Make, avatars: pd.DataFrame, intact: ValidationReport
) -> None:
    """Its margin is untouched, but it goes with nothing any more."""
    table = _turned(avatars, "gd_lesions")
    added = _added(material_of(table), intact)
    assert added.keys() == {"multivariate"}
    assert added["multivariate"]["kept_lowest"] == (Miss("gd_lesions"),)
    # The same beside a release that misses the same figure already, by another variable.
    base, both = (_judged(material_of(one), multivariate) for one in (table, _turned(table, "edss_m12")))
    (section,) = added_failures(both, base)
    assert [one.misses for one in section.checks if one.name == "kept_lowest"] == [(Miss("edss_m12"),)]


def test_far_too_many_neighbours_fail_the_associations_only(
    material_of: Make, material: Material, intact: ValidationReport
) -> None:
    original = material.original.table
    parts = [
        anonymise_episodes(arm, k=min(2000, len(arm) - 1), rng=np.random.default_rng(2)).table
        for _, arm in original.groupby(["source", "arm"])
    ]
    added = _added(material_of(pd.concat(parts, ignore_index=True)), intact)
    # The spread of lesion counts of which some thirty are not 0 stands at its limit with 15 neighbours as with 2,000.
    assert set(added.pop("univariate", {})) <= {"spread_ratio_lowest"}
    assert added.keys() == {"multivariate"}


def test_edss_rounded_down_to_whole_points_fails_the_margins_only(
    material_of: Make, avatars: pd.DataFrame, intact: ValidationReport
) -> None:
    table = avatars.copy()
    for name in [name for name in table.columns if name.startswith("edss_")]:
        table[name] = np.floor(table[name])
    assert _added(material_of(table), intact).keys() == {"univariate"}


def test_an_arm_that_was_dropped_fails_structure_only(
    material_of: Make, avatars: pd.DataFrame, intact: ValidationReport
) -> None:
    table = avatars[~((avatars["source"] == "CLARITY") & (avatars["arm"] == "placebo"))]
    # Without its control arm that trial has no endpoint left to replicate: a consequence.
    assert _added(material_of(table), intact) == {"structure": {"rows": (Miss(source="CLARITY", arm="placebo"),)}}


def test_missing_values_that_were_filled_fail_structure_only(
    material_of: Make, avatars: pd.DataFrame, intact: ValidationReport
) -> None:
    filled = avatars.copy()
    filled["gd_24"] = filled["gd_24"].fillna(filled["gd_24"].median().round())
    added = _added(material_of(filled), intact)
    assert added.keys() == {"structure"}
    assert {miss.variable for miss in added["structure"]["missingness"]} == {"gd_24"}


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
