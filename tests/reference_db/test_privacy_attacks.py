"""Each attack against its definition, written record by record."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from reference_db.avatar import avatarize
from reference_db.avatar.columns import read_columns
from reference_db.privacy import PrivacyAssessment, Verdict, assess_privacy
from reference_db.privacy.attacks import Scene, run_membership
from reference_db.privacy.attacks.inference import guessed_from_nearest
from reference_db.privacy.attacks.linkability import linkability
from reference_db.privacy.attacks.membership import area_under_curve
from reference_db.privacy.attacks.reconstruction import nearest_candidate
from reference_db.privacy.attacks.result import judged, wilson
from reference_db.privacy.attacks.scene import Features, varied_columns
from reference_db.privacy.attacks.singling_out import (
    Conditions,
    multivariate,
    of_the_same_kind,
    record_conditions,
    univariate,
)
from reference_db.privacy.targets import ATTACK_TARGETS


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(60, 3)).round(1), columns=list("abc"))
    made.loc[::9, "b"] = np.nan
    return made.assign(visits=rng.poisson(3, 60), sex=rng.choice(["f", "m"], 60), stage=rng.choice(list("IVX"), 60))


@pytest.mark.parametrize(("successes", "attempts"), [(0, 10), (10, 10), (3, 17), (150, 2000)])
def test_wilson_against_statsmodels(successes: int, attempts: int) -> None:
    rate = wilson(successes, attempts)
    assert (rate.lower, rate.upper) == pytest.approx(
        proportion_confint(successes, attempts, method="wilson"), abs=1e-9
    )


def test_the_risk_is_what_the_control_leaves() -> None:
    target = ATTACK_TARGETS["inference"]
    half, quarter, none = (np.arange(400) % 400 < count for count in (200, 100, 4))
    attack = judged(target, success=half, control=quarter, baseline=none)
    assert attack.risk.value == pytest.approx((0.5 - 0.25) / 0.75)
    assert attack.risk.lower < attack.risk.value < attack.risk.upper
    assert attack.verdict is Verdict.FAILED
    assert judged(target, success=quarter, control=half, baseline=none).verdict is Verdict.PASSED
    few = half[195:205]
    assert judged(target, success=few, control=few, baseline=few).verdict is Verdict.UNINFORMATIVE
    nobody = np.zeros(400, dtype=bool)
    assert judged(target, success=nobody, control=nobody, baseline=nobody).verdict is Verdict.UNINFORMATIVE


def test_conditions_count_as_queries_do(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    conditions = Conditions(
        columns=np.array([[0, 1], [0, 4], [1, 1]]),
        comparisons=np.array([[0, 1], [1, 2], [2, 2]]),
        values=np.array([[0.5, -0.2], [0.1, 1.0], [np.nan, np.nan]]),
    )
    assert conditions.matches(columns.encode(table)).tolist() == [
        len(table.query("a <= 0.5 and b >= -0.2")),
        len(table.query("a >= 0.1 and sex == 'm'")),
        int(table["b"].isna().sum()),
    ]


def test_a_guess_comes_from_the_nearest_on_all_other_columns(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    source, targets = columns.encode(table.iloc[:40]), columns.encode(table.iloc[40:])
    features = Features.of(columns, source)
    secrets = varied_columns(targets)
    guessed = guessed_from_nearest(features, source, targets, secrets)
    theirs, mine = features.of_table(source), features.of_table(targets)
    values = np.hstack([source.numbers, source.codes])
    for position, secret in enumerate(secrets):
        others = np.array([column for column in range(len(features.blocks)) if column != secret])
        near, far = features.selected(mine, others), features.selected(theirs, others)
        for row in range(len(targets)):
            distances = ((near[row] - far) ** 2).sum(axis=1)
            possible = values[distances <= distances.min() + 1e-5, secret]
            value = guessed[row, position]
            assert value in possible or (np.isnan(value) and np.isnan(possible).any())


def test_a_label_and_an_average_difference_weigh_the_same() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=4000), "label": rng.choice(["a", "b"], 4000)})
    columns = read_columns(table)
    coordinates = Features.of(columns, columns.encode(table)).of_table(columns.encode(table))
    differences = (coordinates[:2000] - coordinates[2000:]) ** 2
    assert differences[:, :2].sum(axis=1).mean() == pytest.approx(1, abs=0.06)
    assert set(differences[:, 2:].sum(axis=1).round(5)) == {0.0, 1.0}


def test_area_under_curve_against_sklearn() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(0.3, 1, 80).round(1), rng.normal(0, 1, 120).round(1)
    expected = roc_auc_score(np.repeat([1, 0], [80, 120]), np.concatenate([inside, outside]))
    assert area_under_curve(inside, outside) == pytest.approx(expected)


def test_reconstruction_tries_avatars_and_means_of_pairs() -> None:
    avatars = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 8.0]])
    targets = np.array([[1.0, 0.0], [0.0, 0.5], [0.0, 4.0]])
    assert nearest_candidate(avatars, targets).tolist() == [0.0, 0.5, 0.0]


def test_nothing_unique_proves_nothing() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"sex": rng.choice(["f", "m"], 300), "stage": rng.choice(list("IVX"), 300)})
    columns = read_columns(table)
    encoded = columns.encode(table)
    scene = Scene.of(columns, encoded, encoded, None, rng)
    assert univariate(scene, rng).verdict is Verdict.UNINFORMATIVE


def test_one_column_cannot_be_linked_with_itself() -> None:
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=90)})
    columns = read_columns(table)
    encoded = columns.encode(table)
    scene = Scene.of(columns, encoded, encoded, None, np.random.default_rng(0))
    assert linkability(scene, np.random.default_rng(0)).verdict is Verdict.UNINFORMATIVE


def test_asking_again_is_no_further_attempt() -> None:
    """The highest of a single column is one condition, however often it is drawn."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=300)})
    columns = read_columns(table)
    made = avatarize(table, k=20, ncp=1, rng=rng)
    attack = multivariate(Scene.of(columns, columns.encode(table), columns.encode(made), None, rng), rng)
    assert attack.attempts <= 2
    assert attack.verdict is Verdict.UNINFORMATIVE


@pytest.mark.parametrize("size", [None, 900])
def test_duplicates_and_augmentation_are_no_membership(size: int | None) -> None:
    """Duplicated originals are nearer to each other than any avatar, and many avatars are near by their number."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(150, 6)), columns=list("abcdef"))
    table = pd.concat([table, table], ignore_index=True) if size is None else pd.concat([table, table + 0.3])
    columns = read_columns(table)
    made = avatarize(table, k=20, ncp=5, rng=rng, size=size)
    scene = Scene.of(columns, columns.encode(table), columns.encode(made), None, rng)
    assert [attack.verdict for attack in run_membership([scene], rng)] == [Verdict.UNINFORMATIVE] * 2


def test_a_synthetic_table_of_a_few_rows_is_judged(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    originals = columns.encode(table)
    few = originals.rows(np.arange(2))
    scene = Scene.of(columns, originals, few, None, np.random.default_rng(1))
    assert {attack.attempts > 0 for attack in run_membership([scene], np.random.default_rng(2))} == {True}


@pytest.mark.parametrize("held_out", [0, 200])
@pytest.mark.parametrize(("kept", "low", "high"), [(0, 0.0, 0.12), (250, 0.25, 0.75), (500, 1.0, 1.0)])
def test_a_copy_singles_everybody_out_whatever_the_number_of_held_out_records(
    held_out: int, kept: int, low: float, high: float
) -> None:
    """People are singled out among all of them, and the control among as many as it asks from."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(1000 + held_out, 2)) @ rng.normal(size=(2, 8))).add_prefix("x")
    table += rng.normal(size=table.shape)
    columns = read_columns(table)
    people = columns.encode(table)
    made = table.iloc[500:1000].reset_index(drop=True)
    made.iloc[:kept] = table.iloc[:kept]
    outside = people.rows(np.arange(1000, 1000 + held_out)) if held_out else None
    scene = Scene.of(columns, people.rows(np.arange(500)), columns.encode(made), outside, rng)
    for attack in (univariate(scene, rng), multivariate(scene, rng)):
        assert low <= attack.risk.value <= high, attack


def test_the_control_of_a_column_is_that_of_the_same_column() -> None:
    """Its own records have other columns with unique values than the avatars have."""

    def asked(*columns: int) -> Conditions:
        shape = (len(columns), 1)
        return Conditions(np.array(columns).reshape(shape), np.full(shape, 2), np.zeros(shape))

    hits = np.array([True, False, False, True])
    control = [asked(0, 1), asked(1, 0)]
    rng = np.random.default_rng(0)
    assert of_the_same_kind(asked(0, 0, 0), control, hits, rng).tolist() == [True] * 3
    assert of_the_same_kind(asked(1, 1), control, hits, rng).tolist() == [False] * 2
    unknown = of_the_same_kind(asked(*[7] * 400), control, hits, rng)
    assert unknown.mean() == pytest.approx(0.5, abs=0.1)


def test_few_records_are_asked_about_as_many_are() -> None:
    """Of thirty records every column has thirty values at most, which does not make it one of few values."""
    rng = np.random.default_rng(0)
    shares = {}
    for count in (30, 400):
        hits = []
        for _ in range(1200 // count):
            people = pd.DataFrame(rng.normal(size=(2 * count, 2)) @ rng.normal(size=(2, 8))).round(2).add_prefix("x")
            columns = read_columns(people)
            both = columns.encode(people)
            halves = both.rows(np.arange(count)), both.rows(np.arange(count, 2 * count))
            hits.append(record_conditions(halves[0], rng).matches(halves[1]) == 1)
        shares[count] = np.concatenate(hits).mean()
    assert shares[30] == pytest.approx(shares[400], abs=0.08)


def test_small_strata_are_rehearsed_in_further_splits() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(500, 4)), columns=list("abcd")).assign(arm=["big"] * 400 + ["small"] * 100)
    asked: list[pd.DataFrame] = []

    def rehearse(members: pd.DataFrame, stream: np.random.Generator) -> pd.DataFrame:
        asked.append(members)
        made = members.assign(**{name: stream.normal(size=len(members)) for name in "abcd"})
        # Whoever rehearses the small arm alone is no avatar of the whole table: here it would tell everybody.
        return made if "big" in set(members["arm"]) else members

    def assessed(originals: pd.DataFrame) -> PrivacyAssessment:
        asked.clear()
        independent = originals.assign(**{name: rng.normal(size=len(originals)) for name in "abcd"})
        return assess_privacy(originals, independent, rng=rng, strata="arm", rehearse=rehearse)

    found = assessed(table)
    assert [set(members["arm"]) for members in asked] == [{"big", "small"}] * 3 + [{"small"}] * 5
    assert "3 rehearsals with held-out records, 8 in strata of fewer than 300 records" in found.control
    by_place = {stratum.name: {attack.name: attack for attack in stratum.attacks} for stratum in found.strata}
    whole = {attack.name: attack for attack in found.attacks}
    assert whole["membership_distance"].risk.value < 0.15
    assert by_place["big"]["membership_distance"].risk.value < 0.25
    assert by_place["small"]["membership_distance"].risk.value > 0.5
    assert assessed(table[table["arm"] == "big"]).control.endswith("3 rehearsals with held-out records")
