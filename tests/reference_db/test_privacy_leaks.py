"""Leaks put into a synthetic table on purpose: the gate catches each of them."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar import REFERENCE, RELEASE, Method, make_avatars
from reference_db.avatar.columns import read_columns
from reference_db.privacy import PrivacyAssessment, assess_privacy
from reference_db.privacy.attacks import Scene
from reference_db.privacy.attacks.membership import Proximity, by_distance

N = 500


def population(seed: int = 0) -> pd.DataFrame:
    """Correlated numbers, counts and labels in two arms, with one record far from all others."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(N, 4))
    table = pd.DataFrame(latent @ rng.normal(size=(4, 9)) + 0.7 * rng.normal(size=(N, 9)), columns=list("abcdefghi"))
    table["visits"] = rng.poisson(np.exp(0.5 * latent[:, 0] + 1))
    for position in range(6):
        table[f"label {position}"] = np.array(["x", "y", "z"])[
            np.digitize(latent[:, position % 4] + rng.normal(size=N), [-0.7, 0.7])
        ]
    table["arm"] = np.repeat(["one", "two"], [400, 100])
    table.loc[7, list("abcdefghi")] = 9.0
    return table


ORIGINAL = population()


@cache
def _made(k: int | None, method: Method) -> pd.DataFrame:
    return make_avatars(ORIGINAL, k=k, ncp=5, strata="arm", rng=np.random.default_rng(1), method=method).table


def avatars(k: int | None = None, method: Method = RELEASE) -> pd.DataFrame:
    return _made(k, method).copy()


def gate(synthetic: pd.DataFrame) -> PrivacyAssessment:
    return assess_privacy(ORIGINAL, synthetic, strata="arm", rng=np.random.default_rng(2))


def whole_copy(_: pd.DataFrame) -> pd.DataFrame:
    return ORIGINAL.copy()


def shuffled_copy(_: pd.DataFrame) -> pd.DataFrame:
    return ORIGINAL.sample(frac=1, random_state=0).reset_index(drop=True)


def copy_with_a_little_noise(_: pd.DataFrame) -> pd.DataFrame:
    noisy = ORIGINAL.copy()
    noisy[list("abcdefghi")] += np.random.default_rng(3).normal(scale=0.01, size=(N, 9))
    return noisy


def one_neighbour(_: pd.DataFrame) -> pd.DataFrame:
    return avatars(k=1, method=REFERENCE)


def two_neighbours(_: pd.DataFrame) -> pd.DataFrame:
    return avatars(k=2, method=REFERENCE)


def records_kept(made: pd.DataFrame) -> pd.DataFrame:
    made.iloc[50:120] = ORIGINAL.iloc[50:120]
    return made


def column_kept(made: pd.DataFrame) -> pd.DataFrame:
    return made.assign(c=ORIGINAL["c"])


def counts_kept(made: pd.DataFrame) -> pd.DataFrame:
    """Return avatars with a column of a dozen values from their originals, of which no value tells who has it."""
    return made.assign(visits=ORIGINAL["visits"])


def one_column_shuffled(_: pd.DataFrame) -> pd.DataFrame:
    return ORIGINAL.assign(a=np.random.default_rng(4).permutation(ORIGINAL["a"]))


def one_record_many_times(made: pd.DataFrame) -> pd.DataFrame:
    made.iloc[:200] = np.repeat(ORIGINAL.iloc[[20]].to_numpy(), 200, axis=0)
    return made.astype(ORIGINAL.dtypes)


def half_kept(made: pd.DataFrame) -> pd.DataFrame:
    made.iloc[::2] = ORIGINAL.iloc[::2]
    return made


def labels_kept(made: pd.DataFrame) -> pd.DataFrame:
    return made.assign(**{name: ORIGINAL[name] for name in ORIGINAL if name.startswith("label")})


def half_of_the_columns_kept(made: pd.DataFrame) -> pd.DataFrame:
    return made.assign(**{name: ORIGINAL[name] for name in "abcd"})


def outlier_kept(made: pd.DataFrame) -> pd.DataFrame:
    made.iloc[7] = ORIGINAL.iloc[7]
    return made


def one_ordinary_record_kept(made: pd.DataFrame) -> pd.DataFrame:
    made.iloc[123] = ORIGINAL.iloc[123]
    return made


def small_arm_kept(made: pd.DataFrame) -> pd.DataFrame:
    made.iloc[400:] = ORIGINAL.iloc[400:]
    return made


def small_arm_shuffled(made: pd.DataFrame) -> pd.DataFrame:
    """Return avatars of which one arm is made of real patients, though nobody is at the place of their own avatar."""
    made.iloc[400:] = ORIGINAL.iloc[400:].sample(frac=1, random_state=0).to_numpy()
    return made.astype(ORIGINAL.dtypes)


def every_avatar_half_its_original(made: pd.DataFrame) -> pd.DataFrame:
    numbers = list("abcdefghi")
    made[numbers] = 0.2 * made[numbers] + 0.8 * ORIGINAL[numbers]
    return made


def test_avatars_without_a_leak_pass() -> None:
    assessment = gate(avatars())
    assert assessment.passed, assessment.failures


@pytest.mark.parametrize(
    ("leak", "caught_by"),
    [
        (whole_copy, ["hidden rate", "distance to closest", "row direct match", "inference", "linkability"]),
        (shuffled_copy, ["distance to closest", "row direct match", "inference", "linkability", "reconstruction"]),
        (copy_with_a_little_noise, ["hidden rate", "distance to closest", "linkability", "reconstruction"]),
        (one_neighbour, ["distance to closest", "local cloaking", "inference", "reconstruction"]),
        (two_neighbours, ["local cloaking", "inference"]),
        (records_kept, ["row direct match"]),
        (column_kept, ["column direct match"]),
        (counts_kept, ["column direct match"]),
        (one_column_shuffled, ["column direct match", "hidden rate", "inference", "linkability"]),
        (one_record_many_times, ["closest distances ratio", "closest rate"]),
        (half_kept, ["row direct match", "hidden rate", "inference", "linkability", "reconstruction"]),
        (labels_kept, ["categorical hidden rate"]),
        (half_of_the_columns_kept, ["column direct match", "singling out, one column"]),
        (outlier_kept, ["outlier protection"]),
        (one_ordinary_record_kept, ["one: record kept"]),
        (small_arm_kept, ["two: hidden rate", "two: distance to closest", "two: linkability", "two: inference"]),
        (small_arm_shuffled, ["two: linkability", "two: inference", "two: reconstruction"]),
        (every_avatar_half_its_original, ["hidden rate"]),
    ],
)
def test_each_leak_is_caught(leak: Callable[[pd.DataFrame], pd.DataFrame], caught_by: list[str]) -> None:
    assessment = gate(leak(avatars()))
    assert not assessment.passed
    for words in caught_by:
        assert any(words in failure for failure in assessment.failures), (words, assessment.failures)


def test_a_copy_fails_every_attack_with_and_without_held_out_records() -> None:
    holdout = population(seed=0).sample(frac=0.4, random_state=1)
    members = ORIGINAL.drop(index=holdout.index).reset_index(drop=True)
    for controls in (holdout, None):
        assessment = assess_privacy(members, members.copy(), holdout=controls, rng=np.random.default_rng(2))
        passed = [attack.name for attack in assessment.attacks if attack.verdict != "failed"]
        assert passed == []


def test_membership_is_harder_than_with_the_published_method() -> None:
    """A small table of few strong factors, the worst case: one in which neighbours tell much of each other."""
    areas = {"release": 0.0, "reference": 0.0}
    for seed in range(3):
        holdout = ORIGINAL.sample(frac=0.3, random_state=seed)
        members = ORIGINAL.drop(index=holdout.index).reset_index(drop=True)
        columns = read_columns(members)
        for name, k, method in (("release", 45, RELEASE), ("reference", 20, REFERENCE)):
            rng = np.random.default_rng(seed)
            made = make_avatars(members, k=k, ncp=5, rng=rng, method=method).table
            scene = Scene.of(columns, *(columns.encode(table) for table in (members, made, holdout)), rng)
            areas[name] += by_distance([Proximity.of(scene)]).success.value / 3
    assert areas["release"] < 0.6
    assert areas["reference"] > 0.65
