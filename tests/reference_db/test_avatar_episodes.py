"""Synthetic episodes obey every rule of the schema, protect every stratum, and keep what the projection needs."""

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar.courses import AT_BASELINE
from reference_db.avatar.episodes import (
    APART,
    SMALLEST_PART,
    STRATA,
    AnonymisedEpisodes,
    anonymise_episodes,
    episode_constraints,
)
from reference_db.constraints import violations
from reference_db.errors import InvalidInput, InvalidTable
from reference_db.harmonise import episodes as harmonised_episodes
from reference_db.privacy import assess_privacy
from reference_db.schema import EDSS_MONTHS, OUTCOME_MONTHS, check_episodes, edss_column
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import T2Load


@pytest.fixture(scope="module")
def originals() -> pd.DataFrame:
    simulated = simulate(seed=7, scale=1.0)
    episodes = harmonised_episodes(simulated.tables, simulated.sources)
    return episodes[episodes["source"].isin(["AFFIRM", "OFSEP-HD"])].reset_index(drop=True)


@pytest.fixture(scope="module")
def anonymous(originals: pd.DataFrame) -> AnonymisedEpisodes:
    return anonymise_episodes(originals, rng=np.random.default_rng(1))


def test_every_rule_holds(originals: pd.DataFrame, anonymous: AnonymisedEpisodes) -> None:
    table = check_episodes(anonymous.table)
    assert set(violations(table, episode_constraints(originals)).values()) == {0}
    assert (table.dtypes == originals.dtypes).all()
    sizes = originals.groupby(list(STRATA)).size()
    assert table.groupby(list(STRATA)).size().equals(sizes)
    for name, stratum in table.groupby(list(STRATA)):
        own = originals.groupby(list(STRATA)).get_group(name)
        never = own.columns[own.isna().all()]
        assert stratum[never].isna().all(axis=None)
        always = own.columns[own.notna().all()]
        assert stratum[always].notna().all(axis=None)


def test_what_is_missing_does_not_tell_who_was_there(originals: pd.DataFrame, anonymous: AnonymisedEpisodes) -> None:
    """In a registry nearly everybody has a pattern of missing cells of their own.

    Avatars share it no more often than other patients do; the pattern of one donor would make it two in five.
    """

    def patterns(table: pd.DataFrame) -> pd.Series:
        return pd.Series(map(tuple, table[list(OUTCOME_MONTHS)].isna().to_numpy()))

    registry = originals[originals["source"] == "OFSEP-HD"].sample(frac=1, random_state=0)
    some, others = patterns(registry.iloc[:1400]), patterns(registry.iloc[1400:])
    alone = some[~some.duplicated(keep=False)]
    assert len(alone) > 500
    made = patterns(anonymous.table[anonymous.table["source"] == "OFSEP-HD"])
    assert made.isin(set(alone)).mean() <= others.isin(set(alone)).mean() + 0.02
    for name in ("edss_12", "edss_24", "gd_12", "relapses_24", "years_since_onset"):
        assert anonymous.table[name].isna().mean() == pytest.approx(originals[name].isna().mean(), abs=0.02)


def test_every_stratum_meets_every_target(originals: pd.DataFrame, anonymous: AnonymisedEpisodes) -> None:
    assessment = assess_privacy(
        originals,
        anonymous.table,
        origin=anonymous.origin,
        strata=STRATA,
        apart=APART,
        rng=np.random.default_rng(2),
    )
    assert assessment.failures == []


def test_phenotypes_and_what_goes_with_lesion_load_are_kept(
    originals: pd.DataFrame, anonymous: AnonymisedEpisodes
) -> None:
    own, made = (table.groupby([*STRATA, "phenotype"]).size() for table in (originals, anonymous.table))
    enough = own[own >= SMALLEST_PART]
    assert len(enough) > 10
    assert made.reindex(enough.index).sub(enough).abs().max() <= SMALLEST_PART
    apart = enough[enough < enough.groupby(level=[0, 1]).transform("max")]
    pd.testing.assert_series_equal(made.reindex(apart.index), apart)

    def going_together(table: pd.DataFrame) -> float:
        load = table["t2_lesions"].map({level.value: float(rank) for rank, level in enumerate(T2Load)})
        return float(load.corr(table["years_since_onset"], method="spearman"))

    assert going_together(anonymous.table) == pytest.approx(going_together(originals), abs=0.06)


def test_no_value_leaves_the_range_of_the_originals(originals: pd.DataFrame) -> None:
    """A mild sample: a high baseline of one donor and a rise of another would exceed its highest EDSS."""
    mild = originals[(originals["source"] == "AFFIRM") & (originals["edss_0"] <= 2.5)]
    columns = mild.select_dtypes("number").columns
    for seed in range(3):
        made = anonymise_episodes(mild, rng=np.random.default_rng(seed), k=20).table
        for name in columns:
            known = mild[name].dropna()
            assert made[name].dropna().between(known.min(), known.max()).all(), name


def test_row_numbers_carry_no_link(originals: pd.DataFrame, anonymous: AnonymisedEpisodes) -> None:
    assert sorted(anonymous.origin) == list(range(len(originals)))
    assert abs(np.corrcoef(anonymous.origin, np.arange(len(originals)))[0, 1]) < 0.1
    assert (anonymous.table["source"].to_numpy() == originals["source"].to_numpy()[anonymous.origin]).all()


def test_the_same_seed_gives_the_same_table(originals: pd.DataFrame, anonymous: AnonymisedEpisodes) -> None:
    again, other = (anonymise_episodes(originals, rng=np.random.default_rng(seed)).table for seed in (1, 2))
    pd.testing.assert_frame_equal(anonymous.table, again)
    assert not anonymous.table.equals(other)


def test_exchanging_avatars_keeps_the_state_at_baseline(
    originals: pd.DataFrame, anonymous: AnonymisedEpisodes
) -> None:
    """Chosen for their courses alone, avatars of an arm had 4 % more or fewer lesions at baseline."""
    own, made = (table.groupby(list(STRATA))[list(AT_BASELINE)] for table in (originals, anonymous.table))
    standard_error = own.std() / np.sqrt(own.count())
    shift = ((made.mean() - own.mean()) / standard_error).to_numpy(dtype=np.float64)
    assert np.sqrt(np.nanmean(shift**2)) < 0.25


def test_what_the_projection_needs_is_kept(originals: pd.DataFrame, anonymous: AnonymisedEpisodes) -> None:
    """Relapse rates, lesion counts and the distribution of EDSS change, over the whole and in each arm."""
    for name in ("relapses_3", "relapses_12", "relapses_24", "relapses_12m", "gd_12", "new_t2_24", "age"):
        assert anonymous.table[name].mean() == pytest.approx(originals[name].mean(), rel=0.06, abs=0.004)
        assert anonymous.table[name].std() == pytest.approx(originals[name].std(), rel=0.12)
    own_change, made_change = (
        (table[edss_column(24)] - table[edss_column(0)]).groupby([table["source"], table["arm"]])
        for table in (originals, anonymous.table)
    )
    allowed = 0.03 + 2.5 * own_change.std() / np.sqrt(own_change.count())
    assert ((made_change.mean() - own_change.mean()).abs() <= allowed).all()
    chance = 2.5 / np.sqrt(2.0 * own_change.count())
    assert ((made_change.std() / own_change.std() - 1.0).abs() <= 0.1 + chance).all()


def test_fixed_neighbours_augmentation_and_progress(originals: pd.DataFrame) -> None:
    told: list[float] = []
    small = originals[originals["source"] == "AFFIRM"]
    # More neighbours than a phenotype has patients: it is not kept apart.
    mixed = originals[(originals["source"] == "OFSEP-HD") & (originals["arm"] == "anti-CD20")]
    assert len(anonymise_episodes(mixed, rng=np.random.default_rng(1), k=150).table) == len(mixed)
    made = anonymise_episodes(
        small,
        rng=np.random.default_rng(1),
        k=15,
        ncp=3,
        augmentation=2,
        weights={"age": 2.0},
        progress=lambda share, _: told.append(share),
    )
    assert np.bincount(made.origin).tolist() == [2] * len(small)
    assert {chosen["k"] for chosen in made.parameters.values()} == {15}
    assert told == sorted(told)
    assert told[-1] == 1
    assert set(made.table["follow_up_months"]) <= set(EDSS_MONTHS)


def test_a_tiny_stratum_is_refused_by_name(originals: pd.DataFrame) -> None:
    tiny = originals.groupby(list(STRATA)).head(12)
    with pytest.raises(InvalidTable, match=r"stratum AFFIRM / placebo: 12 row\(s\)"):
        anonymise_episodes(tiny, rng=np.random.default_rng(1))


def test_parameters_out_of_range_are_named(originals: pd.DataFrame) -> None:
    with pytest.raises(InvalidInput) as refusal:
        anonymise_episodes(originals, rng=np.random.default_rng(1), k=0, ncp=0, augmentation=0)
    assert [problem.field for problem in refusal.value.problems] == ["k", "ncp", "augmentation"]
