"""Leaks put into the avatars of simulated sources, as a release has them: the gate catches each of them.

What `test_privacy_leaks` does with a small table of a few columns, on episodes: two trials and their arms, some fifty
columns, visits that are missing, and avatars in random order whose originals the build knows.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from reference_db.avatar import REFERENCE
from reference_db.avatar.episodes import APART, STRATA, AnonymisedEpisodes, anonymise_episodes
from reference_db.harmonise import episodes
from reference_db.privacy import PrivacyAssessment, assess_privacy
from reference_db.sources.simulated import simulate

Origin = NDArray[np.intp]
Leak = Callable[[pd.DataFrame, pd.DataFrame, Origin], pd.DataFrame]


@cache
def originals() -> pd.DataFrame:
    simulated = simulate(seed=20261123, scale=0.25)
    table = episodes(simulated.tables, simulated.sources)
    return table[table["source"].isin(["CLARITY", "SENTINEL"])].reset_index(drop=True)


@cache
def avatars(neighbours: int | None = None) -> AnonymisedEpisodes:
    rng = np.random.default_rng(1)
    if neighbours is None:
        return anonymise_episodes(originals(), rng=rng)
    return anonymise_episodes(originals(), k=neighbours, method=REFERENCE, rng=rng)


def gate(made: pd.DataFrame, origin: Origin) -> PrivacyAssessment:
    rng = np.random.default_rng(2)
    return assess_privacy(originals(), made, origin=origin, strata=STRATA, apart=APART, rng=rng)


def kept(made: pd.DataFrame, real: pd.DataFrame, origin: Origin, rows: Origin) -> pd.DataFrame:
    """Return avatars of which some are their originals."""
    made.iloc[rows] = real.iloc[origin[rows]].to_numpy()
    return made.astype(real.dtypes)


def records_repeated(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    arm = np.flatnonzero(made["source"] == "SENTINEL")[::3]
    made.iloc[arm] = np.repeat(real.iloc[[origin[arm[0]]]].to_numpy(), len(arm), axis=0)
    return made.astype(real.dtypes)


def label_of_two_levels_copied(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    return made.assign(sex=real["sex"].to_numpy()[origin])


def count_copied(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    return made.assign(relapses_12m=real["relapses_12m"].to_numpy()[origin])


def outlier_kept(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    return kept(made, real, origin, np.flatnonzero(origin == int(real["age"].idxmax())))


def one_patient_kept(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    return kept(made, real, origin, np.flatnonzero(made["arm"] == "placebo")[:1])


def one_patient_nearly_kept(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    """Return avatars of which one is its original but for the sex and a tenth of a year of the illness."""
    row = np.flatnonzero(made["arm"] == "placebo")[0]
    made = kept(made, real, origin, np.array([row]))
    sexes = made["sex"].unique()
    made.loc[row, "sex"] = sexes[sexes != made.loc[row, "sex"]][0]
    made.loc[row, "years_since_onset"] += 0.1
    return made


def arm_kept(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    return kept(made, real, origin, np.flatnonzero(made["arm"] == "placebo"))


def arm_shuffled(made: pd.DataFrame, real: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    arm = np.flatnonzero(made["arm"] == "placebo")
    made.iloc[arm] = real.iloc[np.sort(origin[arm])].to_numpy()
    return made.astype(real.dtypes)


def test_avatars_without_a_leak_pass() -> None:
    assessment = gate(avatars().table, avatars().origin)
    assert assessment.passed, assessment.failures


@pytest.mark.parametrize(("neighbours", "words"), [(1, "row direct match"), (2, "inference")])
def test_too_few_neighbours_are_caught(neighbours: int, words: str) -> None:
    failures = gate(avatars(neighbours).table, avatars(neighbours).origin).failures
    assert any(words in failure for failure in failures), failures


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        (records_repeated, "SENTINEL / interferon beta-1a intramuscular: closest rate"),
        (label_of_two_levels_copied, "column sex is copied from the originals"),
        (count_copied, "column relapses_12m is copied from the originals"),
        (outlier_kept, "outlier protection"),
        (one_patient_kept, "CLARITY / placebo: record kept"),
        (one_patient_nearly_kept, "CLARITY / placebo: record kept"),
        (arm_kept, "CLARITY / placebo: row direct match"),
        (arm_shuffled, "CLARITY / placebo: linkability"),
    ],
)
def test_each_leak_is_caught(leak: Leak, words: str) -> None:
    made, origin = avatars().table.copy(), avatars().origin
    failures = gate(leak(made, originals(), origin), origin).failures
    assert any(words in failure for failure in failures), failures
